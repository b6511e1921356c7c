"""Conversations as tokens: what a student is fed at inference, and the tokens it must then write, which bear the loss.

For each reply the chat template is rendered twice: up to the generation prompt, and through the reply. What the second
adds to the first is what the student must write, up to the end of its turn. So `{% generation %}` marks, which say the
same where they are right, are not needed, and any template serves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.readers import one_line
from agentinstruct.training.data.conversations import Conversation, Turn
from agentinstruct.training.extras import need

TrainOn = Literal["all", "last"]
NO_LOSS = -100
"""The label of a token that is only read."""

_START, _END = "\U000f0000", "\U000f0001"
"""The private characters that transformers' `encode_marked_chat` takes for the marks of quoted control tokens."""
_PROBE = "x"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One sequence to learn from; `labels` equal `input_ids` on replies and are -100 elsewhere, always on the first."""

    input_ids: list[int]
    labels: list[int]


def ready_tokenizer(tokenizer: Any) -> Any:
    """Return a copy that has a chat template and a padding token; raises `ConfigurationError` without an end token.

    A tokenizer with no template gets plain turns (`chat.jinja`), which are saved with it as its own.
    """
    ready = deepcopy(tokenizer)
    if not ready.chat_template:
        if ready.eos_token is None:
            raise ConfigurationError(
                f"the tokenizer of {ready.name_or_path or 'the student'} has no chat template and no end-of-text "
                "token: set its eos_token, or give it a chat template"
            )
        ready.chat_template = Path(__file__).with_name("chat.jinja").read_text(encoding="utf-8")
    if ready.pad_token is None:
        if ready.eos_token is None:
            raise ConfigurationError(f"the tokenizer of {ready.name_or_path or 'the student'} has no pad_token: set it")
        ready.pad_token = ready.eos_token
    return ready


def render(tokenizer: Any, conversation: Conversation, *, train_on: TrainOn = "all") -> Rendered:
    """Return a conversation as one sequence, or raise `Rejected` (see `renderings`) where one cannot hold its replies.

    With `train_on="last"` only the last reply bears loss, and one sequence always does.
    """
    made = renderings(tokenizer, conversation, train_on=train_on)
    if len(made) > 1:
        raise Rejected(
            "replies that one sequence cannot hold",
            "the chat template writes earlier turns otherwise once later ones follow: see `renderings`",
        )
    return made[0]


def renderings(tokenizer: Any, conversation: Conversation, *, train_on: TrainOn = "all") -> list[Rendered]:
    """Return the sequences in which each reply follows exactly the tokens that inference would feed before it.

    Mostly that is one sequence. Where a template writes earlier turns otherwise once later ones follow (it drops
    their reasoning, say), or a history's tokens are not those that the student wrote, the earlier replies get
    sequences of their own. Control tokens within content, as `</s>`, are learnt as the text they are.

    Raises `Rejected` where the template fails on the conversation, does not begin the reply as its generation prompt
    does, ends no turn, or leaves out what was to be learnt.
    """
    messages, tools = _quoted(tokenizer, [list(conversation.messages), list(conversation.tools)])
    replies = [number for number, turn in enumerate(messages) if turn["role"] == "assistant"]
    made: list[Rendered] = []
    if replies[:1] == [0] and train_on == "all":
        raise Rejected("begins with a reply", "nothing would be fed before it: begin with a turn of the user")
    for number in reversed(replies if train_on == "all" else replies[-1:]):
        prompt, reply = _prompt_and_reply(tokenizer, messages[: number + 1], tools)
        start, end = len(prompt), len(prompt) + len(reply)
        whole = next((sequence for sequence in made if sequence.input_ids[:end] == prompt + reply), None)
        if whole is None:
            whole = Rendered(prompt + reply, [NO_LOSS] * end)
            made.append(whole)
        whole.labels[start:end] = reply
    return made[::-1]


def holds_control_text(tokenizer: Any, conversation: Conversation) -> bool:
    """Tell whether a text holds what would be a control token: often the sign of text that was rendered before."""
    told = [list(conversation.messages), list(conversation.tools)]
    return bool(_quoted(tokenizer, told) != told)


def spans(tokenizer: Any, rendered: Rendered) -> tuple[tuple[str, bool], ...]:
    """Return the text of a sequence in stretches, each with whether it bears loss."""
    found: list[tuple[str, bool]] = []
    start = 0
    learnt = [label != NO_LOSS for label in rendered.labels]
    for end in range(1, len(learnt) + 1):
        if end == len(learnt) or learnt[end] != learnt[start]:
            found.append((_decoded(tokenizer, rendered.input_ids[start:end]), learnt[start]))
            start = end
    return tuple(found)


def _prompt_and_reply(tokenizer: Any, messages: Sequence[Turn], tools: list[Any]) -> tuple[list[int], list[int]]:
    """Return the tokens fed before the last turn, and those of that turn with the one that ends it."""
    before = _text(tokenizer, messages[:-1], tools, prompt=True)
    through = _text(tokenizer, messages, tools, prompt=False)
    if not through.startswith(before):
        raise Rejected(
            "the template begins the reply otherwise than its generation prompt does",
            f"{_differing(before, through)}; give the tokenizer a template that keeps to its prompt",
        )
    prompt, reply = _parted(tokenizer, before, through)
    if not prompt:
        raise Rejected("nothing stands before the reply", "a student learns no first token: the template writes none")
    reply = reply[: _end_of_turn(tokenizer, reply)]
    _check_whole(tokenizer, messages[-1], reply)
    return prompt, reply


def _check_whole(tokenizer: Any, turn: Turn, reply: list[int]) -> None:
    """Raise `Rejected` for a template that drops the reply or its calls without a word, as those without tools do."""
    special, _ = _controls(tokenizer, len(tokenizer))
    text = _decoded(tokenizer, [token for token in reply if token not in special])
    if not text.strip():
        raise Rejected("the chat template leaves the reply out", "nothing of it but its end would be learnt")
    names = [call["function"]["name"] for call in turn.get("tool_calls", ())]
    if missing := [name for name in names if name not in text]:
        raise Rejected("the chat template leaves tool calls out", f"nothing calls {', '.join(missing)[:80]}")


def _text(tokenizer: Any, messages: Sequence[Turn], tools: list[Any], *, prompt: bool) -> str:
    try:
        text: str = tokenizer.apply_chat_template(
            list(messages), tools=tools or None, tokenize=False, add_generation_prompt=prompt
        )
    except Exception as error:  # templates are programs of strangers, and raise what they like
        raise Rejected("the chat template fails", one_line(error)) from error
    return text


def _differing(before: str, through: str) -> str:
    """Say where the two texts part."""
    at = next((place for place, pair in enumerate(zip(before, through, strict=False)) if pair[0] != pair[1]), None)
    at = len(through) if at is None else at
    return f"{before[at : at + 40]!r} became {through[at : at + 40]!r}"


def _encoded(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens that inference feeds for a rendered text; what `_quoted` marked becomes text."""
    ids: list[int]
    if _START not in text and _END not in text:
        ids = tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids
    chat = need("transformers.utils.chat_template_utils")
    try:
        ids = chat.encode_marked_chat(tokenizer, text)
    except ValueError as error:
        raise Rejected("holds a control token that cannot be text", one_line(error)) from error
    return ids


def _parted(tokenizer: Any, before: str, through: str) -> tuple[list[int], list[int]]:
    """Return the tokens of `before`, and those of `through` after them.

    Where text on both sides of the border would melt into one token, the prompt keeps the tokens that inference feeds
    and the reply is read by itself: after a line break, since some tokenizers begin a text with a blank of their own.
    """
    prompt, whole = _encoded(tokenizer, before), _encoded(tokenizer, through)
    if whole[: len(prompt)] == prompt:
        return prompt, whole[len(prompt) :]
    rest = through[len(before) :]
    line_break, after_break = _encoded(tokenizer, "\n"), _encoded(tokenizer, "\n" + rest)
    parted = after_break[: len(line_break)] == line_break
    reply = after_break[len(line_break) :] if parted else _encoded(tokenizer, rest)
    if _decoded(tokenizer, prompt + reply) != _decoded(tokenizer, whole):
        raise Rejected("the reply cannot be parted from its prompt", f"{rest[:40]!r} after {before[-40:]!r}")
    return prompt, reply


def _end_of_turn(tokenizer: Any, reply: list[int]) -> int:
    """Return where the reply ends: after the control token that ends the turn, with which a template may not be done.

    Templates go on with a line break, or with an end-of-text token that comes once a conversation.
    """
    tail = _last_controls(tokenizer, reply)
    if not tail:
        raise Rejected(
            "the chat template ends no turn",
            "it writes no control token after a reply, so that the student would never stop: give it one that does",
        )
    ends = _ends(tokenizer, len(tokenizer), tokenizer.chat_template)
    return next((place for place in tail if reply[place] in ends), tail[-1]) + 1


def _last_controls(tokenizer: Any, reply: list[int]) -> list[int]:
    """Return the places of the control tokens after which nothing but blanks and their like follows."""
    special, _ = _controls(tokenizer, len(tokenizer))
    found: list[int] = []
    for place in range(len(reply) - 1, -1, -1):
        if reply[place] in special:
            found.append(place)
        elif _decoded(tokenizer, [reply[place]]).strip():
            break
    return found[::-1]


@lru_cache(maxsize=4)
def _ends(tokenizer: Any, size: int, template: str) -> frozenset[int]:
    """Return the tokens at which generation stops: the end of text, and what ends a reply of plain words.

    The latter is the last of the control tokens that follow the words at once: some templates close a frame first.
    """
    found = set() if tokenizer.eos_token_id is None else {tokenizer.eos_token_id}
    asked, said = {"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}
    try:
        before = _text(tokenizer, [asked], [], prompt=True)
        _, reply = _parted(tokenizer, before, _text(tokenizer, [asked, said], [], prompt=False))
    except Rejected:  # a template that wants more than a question and a reply
        return frozenset(found)
    places = _last_controls(tokenizer, reply)
    together = [place for number, place in enumerate(places) if place == places[0] + number]
    return frozenset(found | {reply[place] for place in together[-1:]})


@lru_cache(maxsize=4)
def _controls(tokenizer: Any, size: int) -> tuple[frozenset[int], re.Pattern[str]]:
    """Return the control tokens (a tokenizer of `size` calls them special), and what finds one in a text."""
    tokens = {number: token.content for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    tokens |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    longest_first = sorted(tokens.values(), key=len, reverse=True)
    return frozenset(tokens), re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _quoted(tokenizer: Any, value: Any) -> Any:
    """Return messages and tools with each control token between marks, so that it is encoded as text."""
    match value:
        case str():
            if _START in value or _END in value:
                raise Rejected("holds a private character", "U+F0000 and U+F0001 mark quoted control tokens here")
            _, pattern = _controls(tokenizer, len(tokenizer))
            return pattern.sub(f"{_START}\\g<0>{_END}", value)
        case dict():
            return {key: _quoted(tokenizer, entry) for key, entry in value.items()}
        case list() | tuple():
            return [_quoted(tokenizer, entry) for entry in value]
        case _:
            return value


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
