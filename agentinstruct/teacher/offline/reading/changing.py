"""Changing an answer: another figure or two in the passage, where nothing else in it depends on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from agentinstruct.teacher.offline.reading.choosing import verdict_on
from agentinstruct.teacher.offline.reading.items import Item, key_of
from agentinstruct.teacher.offline.reading.lexicon import words_in
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.responses import answer
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.spans import NUMBER_WORDS, Number, numbers_of
from agentinstruct.teacher.offline.reading.statements import OPPOSITES, near_numbers, opposite_words

CHANGE = re.compile(r"[Cc]hange “([^”]+)” to “([^”]+)” in the sentence “([^”]+)”")
_TOLD_FROM_A_DATE = re.compile(
    r"\b(?:years?|months?|weeks?|days?|decades?|century|centuries) (?:later|after|before|earlier|old)\b|"
    r"\bsame (?:year|day)\b",
    re.I,
)
_AGES = re.compile(
    r"\baged?\b|birthday|anniversary|\byears old\b|\b(?:for|another|lived) (?:[\w-]+ ){1,3}years\b", re.I
)
_SUMS = re.compile(
    r"\bin all\b|\baltogether\b|\btotal\b|\btwice\b|\bhalf of\b|\bper cent\b|%|\bsum\b|\baverage\b|\btogether\b|[=×÷]",
    re.I,
)
_FIGURES_OF_A_SUM = 7
"""A paragraph with so many numbers may well reckon with them."""
_STATEMENTS = re.compile(r"EXCEPT|cannot be true|must be true|Which of these statements")


_WITHOUT_SEQUEL = frozenset(
    words_in(
        """
    north south east west northern southern eastern western northwest southeast public private summer winter male
    female oldest youngest upper lower large small narrow wide inside outside left right
    """
    )
)
"""Words that can be turned without the rest of a story turning with them, as it would with `rose` or `success`."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another figure in one sentence."""

    old: str
    new: str
    sentence: str

    @property
    def told(self) -> str:
        """The change as a suggestion puts it."""
        return f"change “{self.old}” to “{self.new}” in the sentence “{self.sentence}”"


def change_fact(item: Item, chance: Random) -> str | None:
    """Suggest the change of one figure, or of two in a choice of statements, that turns the answer."""
    if item.form == "sequence" or not item.response.evidence or "enough information" in item.question:
        return None
    for changes in _swaps(item, chance) if _STATEMENTS.search(item.question) else _single(item, chance):
        if changed(item, changes):
            told = ", and ".join(change.told for change in changes)
            return f"{told[:1].upper()}{told[1:]}; nothing else changes."
    return None


def changed(item: Item, changes: list[Change]) -> dict[str, Any] | None:
    """Return the item after `changes`, if they give it another answer."""
    text = item.passage.text
    for sentence in reversed(item.passage.sentences):
        for change in changes:
            if change.sentence == sentence.text:
                words = re.sub(_whole(change.old), change.new, sentence.text, count=1)
                text = text[: sentence.start] + words + text[sentence.end :]
    after = answer(read_passage(text), item.question, item.options)
    key = key_of(after, item.options, item.form)
    if text == item.passage.text or not after.answerable or not key or key == item.key:
        return None
    return item.edit(passage=text, answer=key)


def _whole(figure: str) -> str:
    return rf"(?<![\w,.]){re.escape(figure)}(?![\w]|[,.]\d)"


def _single(item: Item, chance: Random) -> Iterator[list[Change]]:
    if item.form == "true_false":
        sentence = item.response.evidence[-1]
        turned = _turned(item.passage, sentence, item.question if item.key == "False" else "")
        yield from ([change] for change in turned)
    first = item.key.split(" ", maxsplit=1)[0]
    if not (first[:1].isdigit() or first.lower() in NUMBER_WORDS or item.key in ("True", "False")):
        return
    for sentence in reversed(item.response.evidence):
        for number in _free(item.passage, sentence):
            if item.form == "true_false" and item.key == "True" and not re.search(_whole(number.text), item.question):
                continue
            for figure in _other_figures(item, number, chance):
                yield [Change(number.text, figure, sentence)]


def _swaps(item: Item, chance: Random) -> Iterator[list[Change]]:
    """Yield pairs of changes that make the odd statement like the others, and one of the others odd."""
    verdicts = {option: verdict_on(item.passage, option) for option in item.options}
    own = verdicts.get(item.key)
    if own is None or len(own[1]) != 1:
        return
    for option, verdict in verdicts.items():
        if verdict is None or option == item.key or len(verdict[1]) != 1 or verdict[1] == own[1]:
            continue
        (told, true), (untold, false) = (
            ((own[1][0], item.key), (verdict[1][0], option))
            if own[0]
            else ((verdict[1][0], option), (own[1][0], item.key))
        )
        agreed = _agreed(item.passage, untold, false) or next(iter(_turned(item.passage, untold, false)), None)
        if agreed is None:
            continue
        for number in _free(item.passage, told):
            if re.search(_whole(number.text), true):
                figures = _like(item.passage, number, chance)
                yield from ([agreed, Change(number.text, figure, told)] for figure in figures[:2])
        yield from ([agreed, change] for change in _turned(item.passage, told) if re.search(_whole(change.old), true))


def _turned(passage: Passage, sentence: str, towards: str = "") -> list[Change]:
    """Return the changes of one word to its opposite that nothing else in the passage speaks against.

    With `towards`, only those that make the sentence say what that statement says.
    """
    whole = words_of(passage.text.lower())
    return [
        Change(word, OPPOSITES[word], sentence)
        for word in opposite_words(sentence)
        if word in _WITHOUT_SEQUEL
        and whole.count(word) == 1
        and OPPOSITES[word] not in whole
        and (not towards or OPPOSITES[word] in words_of(towards.lower()))
    ]


def _agreed(passage: Passage, sentence: str, statement: str) -> Change | None:
    """Return the change that makes `sentence` say what `statement` says, if one figure is all that differs."""
    said, claimed = numbers_of(sentence), numbers_of(statement)
    lost = [number for number in claimed if number.text not in [other.text for other in said]]
    free = [number for number in _free(passage, sentence) if number.text not in [other.text for other in claimed]]
    if len(lost) != 1 or len(free) != 1 or (free[0].year and not _keeps_order(passage, free[0], lost[0].value)):
        return None
    return Change(free[0].text, lost[0].text, sentence)


def _free(passage: Passage, text: str) -> list[Number]:
    """Return the numbers of a sentence that the rest of the passage neither repeats nor reckons with."""
    sentence = next((sentence for sentence in passage.sentences if sentence.text == text), None)
    if sentence is None:
        return []
    around = " ".join(other.text for other in passage.sentences if other.paragraph == sentence.paragraph)
    dated = _TOLD_FROM_A_DATE.search(around) or _AGES.search(passage.text)
    reckoned = _SUMS.search(passage.text) or len(numbers_of(around)) >= _FIGURES_OF_A_SUM
    numbers = [number for number in numbers_of(text) if len(re.findall(_whole(number.text), passage.text)) == 1]
    numbers = [number for number in numbers if number.year or (number.value >= 10 and not number.hedged)]
    return [number for number in numbers if not (dated if number.year else reckoned)]


def _other_figures(item: Item, number: Number, chance: Random) -> list[str]:
    if item.form == "true_false" and item.key == "False":
        return [other.text for other in numbers_of(item.question) if other.value != number.value]
    if item.options:
        options = [other for option in item.options for other in numbers_of(f"in {option}")]
        return [other.text for other in options if other.value != number.value]
    return _like(item.passage, number, chance)


def _like(passage: Passage, number: Number, chance: Random) -> list[str]:
    """Return other figures of a like size; a year stays between the years around it."""
    taken = {other.value for sentence in passage.sentences for other in passage.numbers(sentence)}
    figures = [figure for _, figure in zip(range(8), near_numbers(number, set(taken), chance), strict=False)]
    if not number.year:
        return figures
    return [
        figure
        for figure in figures
        if _keeps_order(passage, number, int(figure)) and abs(int(figure) - number.value) < 10
    ]


def _keeps_order(passage: Passage, year: Number, value: float) -> bool:
    """Whether `value` in place of a year lies between the same other years as before."""
    others = {number.value for sentence in passage.sentences for number in passage.numbers(sentence)}
    years = [other for other in others if 1000 <= other < 2100 and other != year.value]
    return all((other < year.value) == (other < value) for other in years)
