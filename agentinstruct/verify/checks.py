"""Programs' checks of a pair against its instruction. Each returns None where it has nothing to say.

They are the gates of AgentInstruct's reading comprehension (a proposal: the paper names no gates) and of Orca-Math.
"""

from __future__ import annotations

import re

from agentinstruct.records import Form, Instruction, Pair, Verdict
from agentinstruct.verify.numbers import same_number
from agentinstruct.verify.same_text import normalise

_LETTER = re.compile(r"\b([A-J])\b")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def declines_when_unanswerable(pair: Pair, instruction: Instruction) -> Verdict:
    """A response declines exactly when the instruction was made unanswerable."""
    should = instruction.aim == "decline"
    detail = "declined" if pair.declined else "answered"
    return Verdict(check="declines_when_unanswerable", passed=pair.declined == should, detail=detail)


def one_key(pair: Pair, instruction: Instruction) -> Verdict | None:
    """A multiple choice has distinct options, and its answer is the letter of one of them."""
    if instruction.form != "multiple_choice" or pair.declined:
        return None
    letters = _letters(pair.final_answer)
    distinct = len({normalise(option) for option in instruction.options}) == len(instruction.options)
    in_range = len(letters) == 1 and ord(letters[0]) - ord("A") < len(instruction.options)
    return Verdict(check="one_key", passed=distinct and in_range, detail=f"answer {pair.final_answer!r}")


def is_permutation(pair: Pair, instruction: Instruction) -> Verdict | None:
    """A sequence's answer names every option once."""
    if instruction.form != "sequence" or pair.declined:
        return None
    wanted = [chr(ord("A") + index) for index in range(len(instruction.options))]
    passed = sorted(_letters(pair.final_answer)) == wanted
    return Verdict(check="is_permutation", passed=passed, detail=f"answer {pair.final_answer!r}")


def agrees_with_writer(pair: Pair, instruction: Instruction) -> Verdict | None:
    """The responder, who did not see the writer's answer, came to the same one."""
    if instruction.form == "open" or pair.declined or instruction.expected is None:
        return None
    passed = same_answer(pair.final_answer or "", instruction.expected, instruction.form)
    detail = f"expected {instruction.expected!r}, answered {pair.final_answer!r}"
    return Verdict(check="agrees_with_writer", passed=passed, detail=detail)


def quoted_from_passage(pair: Pair, instruction: Instruction) -> Verdict | None:
    """Every quotation the response rests on stands in the passage, and so does an answer that has to."""
    if not pair.evidence and not instruction.literal:
        return None
    quotes = [*pair.evidence, *([pair.final_answer or ""] if instruction.literal and not pair.declined else [])]
    passage = normalise(instruction.passage)
    missing = [quote for quote in quotes if normalise(quote) not in passage]
    return Verdict(check="quoted_from_passage", passed=not missing, detail="; ".join(missing)[:500])


def answer_changed(pair: Pair, instruction: Instruction) -> Verdict | None:
    """An edit that was to change the answer did change it."""
    if instruction.aim != "changed_answer" or instruction.parent is None or instruction.form == "open":
        return None
    before, after = instruction.parent, pair.final_answer or ""
    if instruction.options:  # letters are shuffled anew, so the options' texts are compared
        same = _chosen(after, instruction) == _chosen(before.expected or "", before)
    else:
        same = same_answer(after, before.expected or "", instruction.form)
    return Verdict(check="answer_changed", passed=not same, detail=f"from {before.expected!r} to {after!r}")


def matches_gold(pair: Pair, instruction: Instruction) -> Verdict | None:
    """The final answer is the known number; None where none is known."""
    if instruction.expected is None or pair.declined:
        return None
    passed = same_number(pair.final_answer or "", instruction.expected)
    detail = f"expected {instruction.expected}, answered {pair.final_answer}"
    return Verdict(check="matches_gold", passed=passed, detail=detail)


def same_answer(left: str, right: str, form: Form) -> bool:
    """Compare two answers as their form wants it: letters, a number, a set of items, or words."""
    match form:
        case "multiple_choice" | "sequence":
            return bool(_letters(left)) and _letters(left) == _letters(right)
        case "number":
            return same_number(left, right)
        case "list":
            items = {_plain(item) for item in left.split(";")} - {""}
            return bool(items) and items == {_plain(item) for item in right.split(";")} - {""}
        case _:
            return _plain(left) == _plain(right) != "" or same_number(left, right)


def _letters(answer: str | None) -> list[str]:
    return _LETTER.findall(answer or "")


def _chosen(answer: str, instruction: Instruction) -> list[str]:
    places = [ord(letter) - ord("A") for letter in _letters(answer)]
    return [normalise(instruction.options[place]) for place in places if place < len(instruction.options)]


def _plain(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", normalise(text)).replace(",", " ").strip(" .\"'").split())
