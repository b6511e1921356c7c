"""The suggester and the editor: make an item unanswerable, change its answer, or make it harder.

A suggestion names in quotation marks what is to be taken out, changed or added, so the editor needs nothing else to
carry it out; a suggestion in other words is beyond this editor, and it says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.choosing import Response
from agentinstruct.teacher.offline.reading.drafts import Asker
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.removal import blurred, removable, still_hinted, without
from agentinstruct.teacher.offline.reading.responses import answer, option_texts
from agentinstruct.teacher.offline.reading.short_answers import two_steps
from agentinstruct.teacher.offline.reading.spans import Number, numbers_of
from agentinstruct.teacher.offline.reading.statements import (
    POINTING,
    Statement,
    false_statement,
    near_numbers,
    order_statements,
    true_statements,
)

_IMPOSSIBLE: dict[str, Any] = {"possible": False, "passage": "", "question": "", "options": [], "answer": ""}
_REPLACE = re.compile(r"Put in place of the sentence “([^”]+)” this one: “([^”]+)”")
_REMOVE = re.compile(r"“([^”]+)”")
_CHANGE = re.compile(r"Change “([^”]+)” to “([^”]+)” in the sentence “([^”]+)”")
_OPTION = re.compile(r"Add the option “([^”]+)”")
_REPHRASE = re.compile(r"Ask instead: “([^”]+)”")
_RELATIVE = re.compile(
    r"\b(?:years?|months?|weeks?|days?|decades?|century|centuries) (?:later|after|before|earlier|old)\b|"
    r"\baged?\b|\bsame (?:year|day)\b|birthday|"
    r"anniversary|\bin all\b|\baltogether\b|\btotal\b|\btwice\b|\bhalf of\b",
    re.I,
)
_NO_SINGLE_KEY = re.compile(
    r"EXCEPT|cannot be true|must be true|Which of these statements|^Match|gives enough information|^Summarise|"
    r"^To whom does|____"
)


@dataclass(frozen=True, slots=True)
class Item:
    """The item to be refined."""

    passage: Passage
    question: str
    options: tuple[str, ...]
    key: str
    """The text of the right option, or the answer itself."""
    response: Response
    form: str


def suggest(material: Material) -> dict[str, Any] | None:
    """Reply `Suggestions` towards the goal for an item about a passage; none where nothing would come out well."""
    item = _item(material)
    if item is None or "goal" not in material.sections:
        return None
    ways: dict[str, Callable[[Item, Random], str | None]] = {
        "unanswerable": _take_away,
        "change_answer": _change_fact,
        "harder": _harden,
    }
    way = ways.get(material.sections["goal"].attributes.get("name", ""))
    suggestion = way(item, material.random()) if way and item.response.answerable else None
    return {"suggestions": [suggestion] if suggestion else []}


def edit(material: Material) -> dict[str, Any] | None:
    """Reply `Edit`: the item after the suggestion, if this editor can carry it out and the result holds."""
    item = _item(material)
    if item is None or "suggestion" not in material.sections:
        return None
    suggestion = re.sub(r"\s+", " ", material.text("suggestion"))
    if match := _CHANGE.search(suggestion):
        return _changed(item, match[1], match[2], match[3]) or _IMPOSSIBLE
    if match := _REPLACE.search(suggestion):
        return _vaguer(item, match[1], match[2]) or _IMPOSSIBLE
    if match := _OPTION.search(suggestion):
        return _widened(item, match[1]) or _IMPOSSIBLE
    if match := _REPHRASE.search(suggestion):
        return _rephrased(item, match[1]) or _IMPOSSIBLE
    if suggestion.startswith("Take out"):
        return _emptied(item, _REMOVE.findall(suggestion)) or _IMPOSSIBLE
    return _IMPOSSIBLE


def _item(material: Material) -> Item | None:
    if "passage" not in material.sections or "question" not in material.sections:
        return None
    passage = read_passage(material.text("passage"))
    question, options = material.text("question"), option_texts(material.text("options"))
    response = answer(passage, question, options)
    form = material.sections["question_type"].attributes.get("form", "") if "question_type" in material.sections else ""
    key = response.final
    if options and form != "sequence" and len(key) == 1:
        key = options[ord(key) - ord("A")]
    return Item(passage, question, options, key, response, form)


def _take_away(item: Item, chance: Random) -> str | None:
    if _NO_SINGLE_KEY.search(item.question) or not item.response.evidence:
        return None
    proof = item.response.evidence[-1]
    vaguer = blurred(item.question, proof)
    if vaguer and _vaguer(item, proof, vaguer):
        return f"Put in place of the sentence “{proof}” this one: “{vaguer}”"
    goners = removable(item.passage, item.question, item.key, item.response.evidence)
    if not goners:
        return None
    if _unanswered(item, without(item.passage, goners)) is None:
        return None
    quoted = " and ".join(f"“{sentence.text}”" for sentence in goners)
    return f"Take out of the passage {quoted} so that nothing is left in it that answers the question."


def _vaguer(item: Item, quoted: str, vaguer: str) -> dict[str, Any] | None:
    sentence = next((s for s in item.passage.sentences if s.text == quoted), None)
    if sentence is None:
        return None
    passage = item.passage.text[: sentence.start] + vaguer + item.passage.text[sentence.end :]
    return _unanswered(item, passage)


def _unanswered(item: Item, passage: str) -> dict[str, Any] | None:
    left = read_passage(passage)
    guessed = item.form not in ("number", "true_false") and still_hinted(left, item.key)
    if guessed or answer(left, item.question, item.options).answerable:
        return None
    return {
        "possible": True,
        "passage": passage,
        "question": item.question,
        "options": list(item.options),
        "answer": "",
    }


def _emptied(item: Item, quoted: list[str]) -> dict[str, Any] | None:
    goners = [sentence for sentence in item.passage.sentences if sentence.text in quoted]
    if len(goners) != len(quoted) or not goners:
        return None
    return _unanswered(item, without(item.passage, goners))


def _change_fact(item: Item, chance: Random) -> str | None:
    """Suggest another figure for the one that decides the answer, where nothing else in the passage depends on it."""
    if item.form == "sequence" or not item.response.evidence or _RELATIVE.search(item.passage.text):
        return None
    if (
        not re.fullmatch(r"(?:\d[\d,.]*(?: [A-Za-z -]+)?)|True|False", item.key)
        or "enough information" in item.question
    ):
        return None
    sentence = item.response.evidence[-1]
    for number in _decisive(item, sentence):
        for figure in _other_figures(item, number, chance):
            suggestion = f"Change “{number.text}” to “{figure}” in the sentence “{sentence}”, and nothing else."
            if _changed(item, number.text, figure, sentence):
                return suggestion
    return None


def _decisive(item: Item, sentence: str) -> list[Number]:
    numbers = [
        n
        for n in numbers_of(sentence)
        if (n.text[0].isdigit() and not n.hedged | (not n.year and n.value < 10)) or n.year
    ]
    whole = [
        n for n in numbers if len(re.findall(rf"(?<![\w,.]){re.escape(n.text)}(?![\w]|[,.]\d)", item.passage.text)) == 1
    ]
    if item.form == "true_false":
        return [
            n for n in whole if re.search(rf"(?<!\w){re.escape(n.text)}(?!\w)", item.question) or item.key == "False"
        ]
    return whole


def _other_figures(item: Item, number: Number, chance: Random) -> list[str]:
    if item.form == "true_false" and item.key == "False":
        return [other.text for other in numbers_of(item.question) if other.value != number.value]
    if item.options:
        return [
            other.text for option in item.options for other in numbers_of(f"in {option}") if other.value != number.value
        ]
    taken = {other.value for sentence in item.passage.sentences for other in item.passage.numbers(sentence)}
    figures = [figure for _, figure in zip(range(8), near_numbers(number, set(taken), chance), strict=False)]
    if not number.year:
        return figures
    years = sorted(value for value in taken if 1000 <= value < 2100 and value != number.value)
    low = max((year for year in years if year < number.value), default=0)
    high = min((year for year in years if year > number.value), default=9999)
    return [figure for figure in figures if low < int(figure) < high and abs(int(figure) - number.value) < 10]


def _changed(item: Item, old: str, new: str, quoted: str) -> dict[str, Any] | None:
    sentence = next((s for s in item.passage.sentences if s.text == quoted), None)
    if sentence is None:
        return None
    changed = re.sub(rf"(?<![\w,.]){re.escape(old)}(?![\w]|[,.]\d)", new, sentence.text, count=1)
    text = item.passage.text[: sentence.start] + changed + item.passage.text[sentence.end :]
    options = item.options
    after = answer(read_passage(text), item.question, options)
    key = options[ord(after.final) - ord("A")] if options and len(after.final) == 1 else after.final
    if not after.answerable or not key or key == item.key:
        return None
    return {"possible": True, "passage": text, "question": item.question, "options": list(options), "answer": key}


def _harden(item: Item, chance: Random) -> str | None:
    if item.form == "multiple_choice" and 3 <= len(item.options) <= 5:
        option = _further_option(item, chance)
        return f"Add the option “{option}”, which only a careful reader tells from the right one." if option else None
    if item.form == "short_answer":
        for draft in two_steps(Asker(item.passage, chance, 1)):
            shorter = re.sub(r"the person who .+", "", draft.question)
            if (
                draft.answer == item.key
                and item.question.startswith(shorter.strip())
                and _rephrased(item, draft.question)
            ):
                return f"Ask instead: “{draft.question}”"
    return None


def _further_option(item: Item, chance: Random) -> str | None:
    odd_is_false = re.search(r"EXCEPT|cannot be true", item.question) is not None
    if not odd_is_false and not re.search(r"must be true|Which of these statements", item.question):
        return None
    dated = [claim for claim, _ in order_statements(item.passage, chance) if claim.true is odd_is_false]
    true = [claim for claim in true_statements(item.passage) if not POINTING.search(claim.text)]
    chance.shuffle(true)
    if "stated" in item.question:
        dated = []
    false = [false_statement(item.passage, claim, chance) for claim in true]
    claims: list[Statement | None] = [*dated, *(true if odd_is_false else false)]
    for claim in claims:
        if claim and claim.text not in item.options and "“" not in claim.text and _widened(item, claim.text):
            return claim.text
    return None


def _widened(item: Item, option: str) -> dict[str, Any] | None:
    options = (*item.options, option)
    after = answer(item.passage, item.question, options)
    if (
        not after.answerable
        or len(after.final) != 1
        or options[ord(after.final) - ord("A")] != item.key
        or option in item.options
    ):
        return None
    return {"possible": True, "passage": "", "question": item.question, "options": list(options), "answer": item.key}


def _rephrased(item: Item, question: str) -> dict[str, Any] | None:
    after = answer(item.passage, question, item.options)
    if not after.answerable or after.final != item.response.final:
        return None
    return {"possible": True, "passage": "", "question": question, "options": list(item.options), "answer": item.key}
