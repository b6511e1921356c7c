"""Preference training on a tiny model: the loss by hand, what it does to the replies, kills, and rows that are bad."""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentinstruct import generate
from agentinstruct.errors import ConfigurationError
from agentinstruct.paths import SEEDS
from agentinstruct.training.data.rendering import ready_tokenizer
from agentinstruct.training.fit.preference import balanced_weights, fit_preference
from agentinstruct.training.fit.preference_data import prepare_preferences, train_preference
from agentinstruct.training.settings import Adapter, PreferenceSettings
from tests.engine import Question, Reply, Teacher, sample_reply

pytestmark = pytest.mark.slow

Row = dict[str, Any]
PAIRS: list[Row] = [
    {"prompt": f"What is {number} + 2?", "chosen": f"It is {number + 2}.", "rejected": f"The answer is {number}0."}
    for number in range(9)
]
REPLIES: list[Row] = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for row in PAIRS
    for side in ("chosen", "rejected")
]
DPO = PreferenceSettings(method="dpo", learning_rate=1e-3, batch=3, beta=0.3)
KTO = PreferenceSettings(method="kto", learning_rate=1e-3, batch=4, beta=0.3)


def _write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _rows_of(method: str) -> list[Row]:
    return PAIRS if method == "dpo" else REPLIES


def _silent(_: str) -> None:
    pass


def _log(out: Path) -> list[Row]:
    return [json.loads(line) for line in (out / "training.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def other_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights, for a reference that differs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    torch.manual_seed(1)
    for weights in model.parameters():
        weights.data += torch.randn_like(weights) * 0.02
    folder = tmp_path_factory.mktemp("other")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


def _token_scores(model: Path, prompt: list[int], reply: list[int]) -> Any:
    """Return the log-probability of every token of the reply, worked out apart from trl."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model).eval()
    with torch.no_grad():
        scores = loaded(torch.tensor([prompt + reply])).logits[0].log_softmax(-1)
    return scores[len(prompt) - 1 : -1].gather(1, torch.tensor(reply)[:, None])[:, 0]


def _score(model: Path, prompt: list[int], reply: list[int]) -> float:
    return float(_token_scores(model, prompt, reply).sum())


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _prepared(folder: Path, rows: list[Row], tokenizer: Any, told: PreferenceSettings) -> Any:
    return prepare_preferences(_write(folder / "rows.jsonl", rows), tokenizer, told)[0]


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_student_is_taught_the_tokens_it_would_read_and_write(tmp_path: Path, tokenizer: Any, method: str) -> None:
    ready = ready_tokenizer(tokenizer)
    told = DPO if method == "dpo" else KTO
    for row, made in zip(_rows_of(method), _prepared(tmp_path, _rows_of(method), ready, told), strict=True):
        turn = [{"role": "user", "content": row["prompt"]}]
        assert made["prompt_ids"] == ready.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
        for side in ("chosen", "rejected", "completion"):
            if side in row:
                assert ready.decode(made[f"{side}_ids"]) == row[side] + ready.eos_token


def test_the_first_loss_of_dpo_is_what_it_is_by_hand(
    tmp_path: Path, tokenizer: Any, tiny_model: Path, other_model: Path
) -> None:
    ready = ready_tokenizer(tokenizer)
    told = DPO.model_copy(update={"batch": 9, "sft_weight": 0.5})
    data = _prepared(tmp_path, PAIRS, ready, told)
    fit_preference(tiny_model, data, told, tmp_path / "out", tokenizer=ready, reference=other_model, say=_silent)
    margins, chosen = [], []
    for row in data:
        gain = {
            side: _score(tiny_model, row["prompt_ids"], row[side]) - _score(other_model, row["prompt_ids"], row[side])
            for side in ("chosen_ids", "rejected_ids")
        }
        margins.append(gain["chosen_ids"] - gain["rejected_ids"])
        chosen += _token_scores(tiny_model, row["prompt_ids"], row["chosen_ids"]).tolist()
    expected = -sum(math.log(_sigmoid(0.3 * margin)) for margin in margins) / 9 - 0.5 * sum(chosen) / len(chosen)
    assert _log(tmp_path / "out")[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_first_loss_of_kto_is_what_it_is_by_hand(
    tmp_path: Path, tokenizer: Any, tiny_model: Path, other_model: Path
) -> None:
    ready = ready_tokenizer(tokenizer)
    told = KTO.model_copy(update={"batch": 16, "desirable_weight": 1.0, "balance": True})
    rows = REPLIES[:12] + [row for row in REPLIES[12:] if row["label"]]
    data = _prepared(tmp_path, rows, ready, told)
    fit_preference(tiny_model, data, told, tmp_path / "out", tokenizer=ready, reference=other_model, say=_silent)

    def gain(prompt: list[int], reply: list[int]) -> float:
        return _score(tiny_model, prompt, reply) - _score(other_model, prompt, reply)

    walked = _walked(data, told)
    strangers = [walked[place - 1]["completion_ids"] for place in range(len(walked))]
    both = zip(walked, strangers, strict=True)
    divergence = max(0.0, sum(gain(row["prompt_ids"], stranger) for row, stranger in both) / len(walked))
    losses = []
    for row in walked:
        sign, weight = (1, 1.0) if row["label"] else (-1, 9 / 6)
        ahead = sign * 0.3 * (gain(row["prompt_ids"], row["completion_ids"]) - divergence)
        losses.append(weight * (1 - _sigmoid(ahead)))
    assert _log(tmp_path / "out")[0]["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def _walked(data: Any, told: PreferenceSettings) -> list[Row]:
    from random import Random

    order = list(range(len(data)))
    Random(told.seed).shuffle(order)
    assert order != sorted(order)
    return [data[place] for place in order]


@pytest.mark.parametrize("adapter", [None, Adapter(rank=4, alpha=16)])
@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_the_student_comes_to_prefer_what_it_was_shown(
    tmp_path: Path, tokenizer: Any, tiny_model: Path, method: str, adapter: Adapter | None
) -> None:
    rate = 2e-3 if adapter is None else 1e-2
    told = (DPO if method == "dpo" else KTO).model_copy(update={"epochs": 3, "learning_rate": rate, "adapter": adapter})
    source = _write(tmp_path / "rows.jsonl", _rows_of(method))
    fit = train_preference(source, tiny_model, tmp_path / "out", told, say=_silent)
    ready = ready_tokenizer(tokenizer)

    def margin(model: Path) -> float:
        pairs = prepare_preferences(_write(tmp_path / "pairs.jsonl", PAIRS), ready, DPO)[0]
        gains = [
            _score(model, row["prompt_ids"], row["chosen_ids"]) - _score(model, row["prompt_ids"], row["rejected_ids"])
            for row in pairs
        ]
        return sum(gains) / len(gains)

    assert margin(fit.folder) > margin(tiny_model) + 1
    steps = _log(tmp_path / "out")
    assert steps[0]["loss"] == pytest.approx(math.log(2) if method == "dpo" else 0.5, rel=1e-5), (
        "it is its own reference"
    )
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert fit.steps == len(steps)


_CHILD = """
import sys
from pathlib import Path
from agentinstruct.training.fit.preference_data import train_preference
from agentinstruct.training.settings import PreferenceSettings
from tests.training.killed import die_after_a_checkpoint
source, model, out, told = sys.argv[1:]
die_after_a_checkpoint(Path(out))
train_preference(source, model, Path(out), PreferenceSettings.model_validate_json(told))
"""


def test_a_killed_run_goes_on_to_the_very_weights(tmp_path: Path, tiny_model: Path) -> None:
    """With KTO, which hangs on the order of its rows and on the reference's scores; DPO goes the way of SFT."""
    told = KTO.model_copy(update={"epochs": 6, "save_steps": 2})
    source = _write(tmp_path / "rows.jsonl", REPLIES)
    whole = train_preference(source, tiny_model, tmp_path / "whole", told, say=_silent)
    words = [sys.executable, "-c", _CHILD, str(source), str(tiny_model), str(tmp_path / "cut"), told.model_dump_json()]
    child = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stdout=subprocess.DEVNULL)
    assert child.wait(600) == -signal.SIGKILL
    said: list[str] = []
    again = train_preference(source, tiny_model, tmp_path / "cut", told, say=said.append)
    assert any("goes on at step" in line for line in said)
    assert again.steps == whole.steps
    assert (again.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    said.clear()
    assert train_preference(source, tiny_model, tmp_path / "cut", told, say=said.append) == again
    assert not any("training" in line for line in said)


WHOLE = {"chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("row", "told", "complaint"),
    [
        ({"text": "x"}, DPO, r"rows.jsonl, line 10: no pair \(the columns text;"),
        ({"text": "x"}, KTO, r"no label \(the columns text;"),
        ({"prompt": "a", "completion": "b", "label": True}, DPO, "labelled replies are for method kto"),
        ({"prompt": "a", "completion": "b", "label": "yes"}, KTO, "no label"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, DPO, "nothing to prefer"),
        ({"prompt": "a", "chosen": "b", "rejected": " "}, DPO, "an empty reply"),
        ({"prompt": "a", "chosen": "b " * 900, "rejected": "c"}, DPO, r"too long \(.* tokens, over max_length 512"),
        ({"chosen": "b", "rejected": "c"}, DPO, "no prompt"),
        ({**WHOLE, "rejected": [{"role": "user", "content": "Ho"}, WHOLE["chosen"][1]]}, DPO, "two prompts"),
    ],
)
def test_a_bad_row_is_named_and_left_out_only_when_asked(
    tmp_path: Path, tokenizer: Any, row: Row, told: PreferenceSettings, complaint: str
) -> None:
    ready = ready_tokenizer(tokenizer)
    told = told.model_copy(update={"max_length": 512})
    good = PAIRS if told.method == "dpo" else REPLIES[:9]
    source = _write(tmp_path / "rows.jsonl", [*good, row])
    with pytest.raises(ConfigurationError, match=complaint):
        prepare_preferences(source, ready, told)
    kept, bad = prepare_preferences(source, ready, told, skip_bad=True)
    assert (len(kept), len(bad)) == (9, 1)
    with pytest.raises(ConfigurationError, match="holds nothing to prefer"):
        prepare_preferences(_write(tmp_path / "bad.jsonl", [row]), ready, told, skip_bad=True)


def test_whole_conversations_and_messages_are_understood_as_plain_text_is(tmp_path: Path, tokenizer: Any) -> None:
    ready = ready_tokenizer(tokenizer)

    def turn(role: str, text: str) -> Row:
        return {"role": role, "content": text}

    messages = [{name: [turn("user" if name == "prompt" else "assistant", row[name])] for name in row} for row in PAIRS]
    whole = [{side: [*row["prompt"], *row[side]] for side in ("chosen", "rejected")} for row in messages]
    named = [{"prompt": "its own words again", **row} for row in whole]
    expected = _prepared(tmp_path, PAIRS, ready, DPO).to_list()
    for rows in (messages, whole, named):
        assert _prepared(tmp_path, rows, ready, DPO).to_list() == expected


def test_a_pair_is_two_labelled_replies_each_of_them_once(tmp_path: Path, tokenizer: Any) -> None:
    ready = ready_tokenizer(tokenizer)
    more = [{**row, "rejected": f"No {number}."} for number in range(3) for row in PAIRS]
    made = _prepared(tmp_path, PAIRS + more, ready, KTO).to_list()
    assert len(made) == 9 + 9 * 4
    assert sum(row["label"] for row in made) == 9


@pytest.mark.parametrize(
    ("told", "change", "complaint"),
    [
        (KTO, {"batch": 1}, "batch is 1"),
        (KTO, {"sft_weight": 1.0}, "sft_weight 1.0 is for method dpo"),
        (DPO, {"balance": True}, "balance is for method kto"),
        (DPO, {"adapter": Adapter(layers=("lm_head",))}, "names lm_head"),
        (DPO, {"max_length": 20}, "example 0 has .* tokens and max_length is 20"),
        (DPO, {"method": "kto"}, "wants the columns prompt_ids, completion_ids, label; none is completion_ids"),
    ],
)
def test_what_a_method_cannot_do_with_is_said_before_anything_is_loaded(
    tmp_path: Path, tokenizer: Any, told: PreferenceSettings, change: Row, complaint: str
) -> None:
    ready = ready_tokenizer(tokenizer)
    data = _prepared(tmp_path, _rows_of(told.method), ready, told)
    changed = told.model_copy(update=change)
    with pytest.raises(ConfigurationError, match=complaint):
        fit_preference("nowhere", data, changed, tmp_path / "out", tokenizer=ready)
    assert not (tmp_path / "out").exists()


def test_replies_of_one_label_alone_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    source = _write(tmp_path / "rows.jsonl", [row for row in REPLIES if row["label"]])
    with pytest.raises(ConfigurationError, match="all 9 replies are labelled True"):
        train_preference(source, tiny_model, tmp_path / "out", KTO, say=_silent)


def _wrong_about_the_bakery(question: Question) -> Reply:
    """Answer as recorded, but reckon the trays of one problem wrongly."""
    reply = sample_reply(question)
    if question.wanted == "Answer" and "How many trays" in question.user:
        return json.dumps({**json.loads(str(reply)), "final_answer": "16"})
    return reply


def test_the_script_learns_from_a_run_and_names_a_wrong_setting(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(Path(__file__).parents[3] / "trainers" / "preference.py"))["main"]
    run, out = tmp_path / "run", tmp_path / "out"
    problems = [SEEDS / "sample" / "word_problems.jsonl"]
    generate(problems, ["math_word_problems"], run, teacher=Teacher(_wrong_about_the_bakery))
    words = [str(run), "--model", str(tiny_model), "--out", str(out), "--set", "max_steps=2", "--set", "batch=4"]
    assert main([*words, "--set", "learning_rate=high"]) == 2
    assert "the setting learning_rate is 'high'" in capsys.readouterr().err
    assert main([*words, "--set", "learning_rate=1e-3", "--set", "max_length=512", "--skip-bad"]) == 0
    assert "undesirable of weight 1" in capsys.readouterr().out
    assert json.loads((out / "fit.json").read_text())["figures"]["steps"] == 2
    assert "preference training (KTO)" in (out / "student" / "README.md").read_text(encoding="utf-8")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0.1, 10), st.floats(0.1, 10))
def test_balance_makes_both_labels_weigh_the_same(right: int, wrong: int, high: float, low: float) -> None:
    plain = KTO.model_copy(update={"desirable_weight": high, "undesirable_weight": low})
    assert balanced_weights(plain, right, wrong) == (high, low)
    desirable, undesirable = balanced_weights(plain.model_copy(update={"balance": True}), right, wrong)
    assert desirable * right == pytest.approx(undesirable * wrong)
    assert (desirable == high) if right >= wrong else (undesirable == low)
