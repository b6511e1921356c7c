"""The responder before lettered options: picks a letter, or puts the letters in order, by reading the passage."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentinstruct.teacher.offline.reading.finding import content_words, find_answer, judge, share_found
from agentinstruct.teacher.offline.reading.pairing import arrange, pair_up
from agentinstruct.teacher.offline.reading.passages import Passage
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.timing import which_came_first


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as the person who asked reads it, the answer alone, and the words it rests on."""

    words: str
    final: str
    evidence: tuple[str, ...] = ()
    answerable: bool = True


def same_words(one: str, other: str) -> bool:
    """Whether two texts are the same words, whatever their case and punctuation."""
    return [w.lower() for w in words_of(one)] == [w.lower() for w in words_of(other)]


def place_of(letter: str) -> int:
    """Return the place, from 0, of the option that `letter` names."""
    return ord(letter) - ord("A")


def _letter_at(place: int) -> str:
    """Return the letter of the option at `place`."""
    return chr(ord("A") + place)


def quoted(*sentences: str) -> str:
    """Return the sentences in quotation marks, each once."""
    return " and ".join(f"“{sentence}”" for sentence in dict.fromkeys(sentences))


def choose(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    """Answer a question with lettered options as its words ask for; None where the passage is silent."""
    if re.match(r"Match\b", question):
        return _matched(passage, question, options)
    if re.search(r"\border in which\b|\bearliest\b|\binto (?:the right )?order\b", question):
        return _ordered(passage, options)
    if re.search(r"\bEXCEPT\b|\bcannot be true\b", question):
        return _odd_one(passage, options, wanted=False)
    if re.search(r"\bmust be true\b|\bwhich of (?:these|the following) statements\b", question, re.I):
        return _odd_one(passage, options, wanted=True)
    if re.search(r"\bwhy\b", question):
        return _reason(passage, question, options)
    found = find_answer(passage.sentences, question)
    fitting = [place for place, option in enumerate(options) if found and same_words(option, found.answer)]
    if found is None or len(fitting) != 1:
        return None
    letter = _letter_at(fitting[0])
    words = f"The passage says: {quoted(*found.evidence)} So the right option is {letter}: {options[fitting[0]]}."
    return Response(words.replace("..", "."), letter, found.evidence)


def _ordered(passage: Passage, options: tuple[str, ...]) -> Response | None:
    dated = arrange(passage.sentences, options)
    if dated is None:
        return None
    letters = ", ".join(_letter_at(place) for place, _, _ in dated)
    told = "; ".join(f"{_letter_at(place)} in {year}" for place, year, _ in dated)
    words = f"The passage dates each of these events: {told}. From the earliest to the latest the order is {letters}."
    return Response(words, letters, tuple(sentence for _, _, sentence in dated))


def _matched(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    pairs = pair_up(passage.sentences, question, options)
    if pairs is None:
        return None
    letters = ", ".join(_letter_at(place) for _, place, _ in pairs)
    told = "; ".join(
        f"{number}. {left} goes with {_letter_at(place)}" for number, (left, place, _) in enumerate(pairs, 1)
    )
    words = f"Going through the passage, each item is told of in one place: {told}. The order is therefore {letters}."
    return Response(words, letters, tuple(sentence for _, _, sentence in pairs))


def verdict_on(passage: Passage, statement: str) -> tuple[bool, tuple[str, ...]] | None:
    """Return whether the passage makes `statement` true, and the sentences that settle it; None if it is silent."""
    dated = which_came_first(passage.sentences, statement)
    if dated is not None:
        return dated
    judged = judge(passage.sentences, statement)
    return (judged[0], (judged[1],)) if judged else _both_halves(passage, statement)


def _both_halves(passage: Passage, statement: str) -> tuple[bool, tuple[str, ...]] | None:
    """Judge `A, and B` by its halves: true if both are, false if one is, and silent if the passage is on either."""
    for joint in re.finditer(", and ", statement):
        halves = [judge(passage.sentences, half) for half in (statement[: joint.start()], statement[joint.end() :])]
        told = [half for half in halves if half]
        if len(told) == 2:
            false = [half[1] for half in told if not half[0]]
            return not false, tuple(false or [half[1] for half in told])
    return None


def _odd_one(passage: Passage, options: tuple[str, ...], wanted: bool) -> Response | None:
    """Pick the only option that is true (or, if not wanted true, the only one that the passage contradicts)."""
    verdicts = [verdict_on(passage, option) for option in options]
    fitting = [place for place, verdict in enumerate(verdicts) if verdict and verdict[0] is wanted]
    others = [verdict for verdict in verdicts if verdict and verdict[0] is not wanted]
    if len(fitting) != 1 or len(others) < len(options) - 1:
        return None
    place, verdict = fitting[0], verdicts[fitting[0]]
    assert verdict is not None
    letter, words_quoted = _letter_at(place), quoted(*verdict[1])
    if wanted:
        words = (
            f"The answer is {letter}. The passage says {words_quoted} Each of the other options differs from the "
            f"passage in a decisive detail."
        )
    else:
        words = (
            f"The answer is {letter}: it conflicts with what the passage says, {words_quoted} The other options "
            f"agree with the passage."
        )
    return Response(words, letter, verdict[1])


def _reason(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    asked = question.removeprefix("According to the passage, ")
    found = find_answer(passage.sentences, asked[:1].upper() + asked[1:])
    if found is None:
        return None
    wanted = content_words(found.answer)
    fitting = [place for place, option in enumerate(options) if share_found(wanted, option) > 0.9]
    if len(fitting) != 1:
        return None
    letter = _letter_at(fitting[0])
    return Response(
        f"The passage gives the reason itself: {quoted(*found.evidence)} That is option {letter}.",
        letter,
        found.evidence,
    )
