"""The loss lies on the replies, on all of them, and on nothing else, whatever the chat template does."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.training.data.conversations import Conversation
from agentinstruct.training.data.rendering import (
    NO_LOSS,
    Rendered,
    holds_control_text,
    ready_tokenizer,
    render,
    renderings,
    spans,
)
from tests.training.chats import CHATS, CONTROLS, TOOL, Chat, conversations, with_template

pytestmark = pytest.mark.slow

CASES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
QUESTION = {"role": "user", "content": "Ana has 12 apples."}
ANSWER = {"role": "assistant", "content": "42"}


def _replies(conversation: Conversation) -> list[int]:
    return [number for number, turn in enumerate(conversation.messages) if turn["role"] == "assistant"]


def _learnt(tokenizer: Any, made: list[Rendered]) -> Counter[str]:
    return Counter(text for sequence in made for text, learnt in spans(tokenizer, sequence) if learnt)


@pytest.mark.parametrize("name", CHATS)
def test_the_loss_lies_on_each_reply_with_its_end_after_what_inference_feeds(tokenizer: Any, name: str) -> None:
    chat = CHATS[name]
    speaking = with_template(tokenizer, chat)
    controls = set(speaking.all_special_ids) | set(speaking.convert_tokens_to_ids(CONTROLS))

    @CASES
    @given(conversations(tools=chat.tools), st.sampled_from(["all", "last"]))
    def check(conversation: Conversation, train_on: Any) -> None:
        made = renderings(speaking, conversation, train_on=train_on)
        wanted = _replies(conversation)[-1 if train_on == "last" else 0 :]
        assert _learnt(speaking, made) == Counter(chat.reply(conversation.messages[number]) for number in wanted)
        for number in wanted:
            told = list(conversation.messages[:number])
            # transformers' own way to keep control tokens in content text is the second opinion
            prompt = speaking.apply_chat_template(
                told, tools=list(conversation.tools) or None, add_generation_prompt=True, sanitize_control_tokens=True
            )["input_ids"]
            end = len(prompt)
            after = [sequence for sequence in made if sequence.input_ids[:end] == prompt]
            assert any(sequence.labels[end - 1 : end + 1] == [NO_LOSS, sequence.input_ids[end]] for sequence in after)
        for sequence in made:
            assert len(sequence.input_ids) == len(sequence.labels)
            assert sequence.labels[0] == NO_LOSS, "a packed sequence gives up the label of its first token"
            assert sequence.labels[-1] in controls

    check()


@settings(CASES, max_examples=8)
@given(data=st.data())
def test_packing_loses_no_token_of_a_reply(tokenizer: Any, data: st.DataObject) -> None:
    from datasets import Dataset
    from trl.data_utils import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    speaking = _speaking(tokenizer, "chatml")
    told = data.draw(st.lists(conversations(tools=True), min_size=1, max_size=6))
    made = [sequence for conversation in told for sequence in renderings(speaking, conversation)]
    rows = [{"input_ids": sequence.input_ids, "labels": sequence.labels} for sequence in made]
    longest = max(len(row["input_ids"]) for row in rows)
    packed = pack_dataset(Dataset.from_list(rows), longest + data.draw(st.integers(0, 200)), "bfd")
    collate = DataCollatorForLanguageModeling(pad_token_id=speaking.pad_token_id, padding_free=True)
    after: Counter[int] = Counter()
    for row in packed:
        labels = collate([row])["labels"]
        after.update(labels[labels != NO_LOSS].tolist())
    assert after == Counter(label for row in rows for label in row["labels"] if label != NO_LOSS)


_SPEAKING: dict[str, Any] = {}


def _speaking(tokenizer: Any, name: str) -> Any:
    return _SPEAKING.setdefault(name, with_template(tokenizer, CHATS[name]))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("window", [None, 8])
def test_a_packed_conversation_is_read_as_if_it_stood_alone(
    tokenizer: Any, tiny_model: Path, attention: str, window: int | None
) -> None:
    import torch
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    ready = ready_tokenizer(tokenizer)
    told = [Conversation(({"role": "user", "content": "a" * size}, ANSWER)) for size in (3, 40, 11)]
    made = [render(ready, conversation) for conversation in told]
    model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation=attention, sliding_window=window)
    row = {
        "input_ids": [token for sequence in made for token in sequence.input_ids],
        "labels": [label for sequence in made for label in sequence.labels],
        "seq_lengths": [len(sequence.input_ids) for sequence in made],
    }
    batch = DataCollatorForLanguageModeling(pad_token_id=ready.pad_token_id, padding_free=True)([row])
    with torch.no_grad():
        packed = model(**batch, use_cache=False).logits[0].split(row["seq_lengths"])
        for sequence, logits in zip(made, packed, strict=True):
            alone = model(torch.tensor([sequence.input_ids]), use_cache=False).logits[0]
            torch.testing.assert_close(logits, alone, atol=2e-5, rtol=1e-4)


@settings(CASES, max_examples=15)
@given(data=st.data())
def test_the_marks_of_a_template_that_has_them_say_the_same(tokenizer: Any, data: st.DataObject) -> None:
    speaking = _speaking(tokenizer, "marked")
    conversation = data.draw(conversations(tools=True))
    assume(not holds_control_text(speaking, conversation))  # of which the marked way would make control tokens
    marks = speaking.apply_chat_template(
        list(conversation.messages), return_assistant_tokens_mask=True, return_dict=True, add_special_tokens=False
    )
    ours = render(speaking, conversation)
    rest = len(marks["input_ids"]) - len(ours.input_ids)
    assert marks["input_ids"][: len(ours.input_ids)] == ours.input_ids
    assert marks["assistant_masks"] == [int(label != NO_LOSS) for label in ours.labels] + [0] * rest


def test_a_template_that_drops_earlier_reasoning_gets_a_sequence_for_each_reply(tokenizer: Any) -> None:
    speaking = _speaking(tokenizer, "stripping")
    thought = {"role": "assistant", "content": "<think>12 + 30</think>42"}
    conversation = Conversation((QUESTION, thought, QUESTION, thought))
    assert len(renderings(speaking, conversation)) == 2
    with pytest.raises(Rejected, match="one sequence cannot hold"):
        render(speaking, conversation)
    last = render(speaking, conversation, train_on="last")
    assert _learnt(speaking, [last]) == {"<think>12 + 30</think>42<|im_end|>": 1}


def test_a_control_token_within_a_reply_is_learnt_as_text(tokenizer: Any) -> None:
    ready = ready_tokenizer(tokenizer)
    made = render(ready, Conversation((QUESTION, {"role": "assistant", "content": "<s>struck</s> out"})))
    learnt = [label for label in made.labels if label != NO_LOSS]
    assert learnt.count(ready.eos_token_id) == 1
    assert learnt[-1] == ready.eos_token_id
    assert ready.decode(learnt) == "<s>struck</s> out</s>"
    assert made.input_ids.count(ready.bos_token_id) == 1


def test_a_reply_that_would_melt_into_its_prompt_is_read_by_itself(tokenizer: Any) -> None:
    speaking = _speaking(tokenizer, "melting")
    prompt = speaking.apply_chat_template([QUESTION], add_generation_prompt=True, return_dict=False)
    answer = {"role": "assistant", "content": "apples"}
    whole = speaking.apply_chat_template([QUESTION, answer], return_dict=False)
    assert whole[: len(prompt)] != prompt, "the template does not melt"
    made = render(speaking, Conversation((QUESTION, answer)))
    assert made.input_ids[: len(prompt)] == prompt
    assert speaking.decode(made.input_ids[len(prompt) :]) == "apples</s>"


@pytest.mark.parametrize(
    ("template", "turns", "reason"),
    [
        ("{{ raise_exception('no') }}", [QUESTION, ANSWER], "the chat template fails: no"),
        ("{% for m in messages %}{{ m.nothing.there }}{% endfor %}", [QUESTION, ANSWER], "the chat template fails"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", [QUESTION, ANSWER], "ends no turn"),
        (
            "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
            "{% if add_generation_prompt %}think{% endif %}",
            [QUESTION, ANSWER],
            "otherwise than its generation prompt does: 'think' became '42</s>'",
        ),
        ("{% for m in messages %}{{ eos_token }}{% endfor %}", [QUESTION, ANSWER], "leaves the reply out"),
        (
            "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
            [QUESTION, {**ANSWER, "tool_calls": [{"function": {"name": "add", "arguments": {}}}]}],
            "leaves tool calls out: nothing calls add",
        ),
        ("{% for m in messages[1:] %}{{ m.content + eos_token }}{% endfor %}", [QUESTION, ANSWER], "stands before"),
        ("{% for m in messages %}{{ m.content + eos_token }}{% endfor %}", [ANSWER], "begins with a reply"),
        (None, [QUESTION, {"role": "assistant", "content": "\U000f0000"}], "a private character"),
    ],
)
def test_what_cannot_be_rendered_says_why(tokenizer: Any, template: str | None, turns: list[Any], reason: str) -> None:
    speaking = deepcopy(tokenizer)
    speaking.chat_template = template
    with pytest.raises(Rejected, match=reason):
        render(ready_tokenizer(speaking), Conversation(tuple(turns)))


def test_a_tokenizer_without_template_or_padding_is_made_ready_and_left_alone(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    bare = deepcopy(tokenizer)
    bare.pad_token = None
    ready = ready_tokenizer(bare)
    assert (ready.pad_token, bare.pad_token, bare.chat_template) == ("</s>", None, None)
    ready.save_pretrained(tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path)
    made = Conversation((QUESTION, ANSWER), (TOOL,))
    assert render(saved, made) == render(ready, made)
    bare.eos_token = None
    with pytest.raises(ConfigurationError, match="has no chat template and no end-of-text token: set its eos_token"):
        ready_tokenizer(bare)
    bare.chat_template = "{{ messages }}"
    with pytest.raises(ConfigurationError, match="has no pad_token"):
        ready_tokenizer(bare)


@cache
def _published() -> dict[str, tuple[str, str]]:
    """Templates of models in use, as trl carries them, with the end of a turn of theirs."""
    return {
        "qwen2_5": ("<|im_start|> <|im_end|>", "<|im_end|>"),
        "qwen3": ("<|im_start|> <|im_end|>", "<|im_end|>"),
        "llama3_1": ("<|start_header_id|> <|end_header_id|> <|eot_id|> <|python_tag|>", "<|eot_id|>"),
        "gemma": ("<start_of_turn> <end_of_turn>", "<end_of_turn>"),
        "phi3": ("<|user|> <|assistant|> <|end|>", "<|end|>"),
        "gptoss": ("<|start|> <|message|> <|channel|> <|end|> <|return|> <|call|>", "<|return|>"),
        "cohere2": ("<|START_RESPONSE|> <|END_RESPONSE|> <|END_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    }


@pytest.mark.parametrize("name", _published())
def test_the_templates_of_models_in_use_teach_reply_and_end(tokenizer: Any, name: str) -> None:
    import trl

    controls, end = _published()[name]
    template = (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    speaking = with_template(tokenizer, Chat(template, lambda turn: ""))
    speaking.add_tokens(controls.split(), special_tokens=True)
    made = renderings(speaking, Conversation((QUESTION, ANSWER, QUESTION, ANSWER)))
    learnt = _learnt(speaking, made)
    assert learnt.total() == 2
    assert all(text.endswith(f"42{end}") or text.endswith(f"42<|END_RESPONSE|>{end}") for text in learnt)
