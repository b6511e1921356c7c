"""Plain questions about single sentences: who, what, where, in which year, how many."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agentinstruct.teacher.offline.reading.clauses import Clause
from agentinstruct.teacher.offline.reading.events import Event, events_of
from agentinstruct.teacher.offline.reading.lexicon import (
    BASES,
    BE,
    CLAUSE_WORDS,
    DETERMINERS,
    PARTICIPLE_TO_BASE,
    PAST_TO_BASE,
    PREPOSITIONS,
    words_in,
)
from agentinstruct.teacher.offline.reading.passages import PASSAGES_KEPT, Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence
from agentinstruct.teacher.offline.reading.spans import MONTHS, NUMBER_WORDS, numbers_of

Sort = Literal["year", "number", "person", "place", "definition", "thing", "day"]

POINTING = re.compile(
    r"\b(?:it|they|he|she|him|them|this|these|those|there|then|also|too|former|latter|therefore|such|so)\b"
)
"""Words that point at something said elsewhere: a question with one of them is not clear alone."""
_DAY = re.compile(
    r"(?:^| )[Oo]n (?:(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day )?(\d{1,2} (?:" + "|".join(MONTHS) + r"))(?= |$|\|)"
)
"""`on Monday 3 May`, whose day of the month is the answer."""
_PLACED = frozenset(
    words_in(
        """
    born live die build found stand lie grow settle open study work bury discover begin land hold publish complete
    """
    )
)
_SIZES = ["tall", "high", "long", "wide", "deep", "thick", "old", "heavy"]
VAGUE = frozenset(
    words_in(
        """
    step part rest return case story work trouble explanation result same answer idea reason second first latter
    former method
    """
    )
)
"""Nouns too empty to be an answer or a subject."""
_HUMAN = re.compile(
    r"(?:er|or|ist|ian|man|men|woman|women|people|king|queen|pupil|student|monk|nurse|clerk|smith|child|children|"
    r"boy|girl|friend|crew|team|"
    r"director|scholar|merchant|chief|thief|brother|sister|wife|husband|son|daughter|mother|father|constable|"
    r"maid|widow|authorities|"
    r"organi[sz]ation|agency|institute|university|society|commission|government|parliament|council|army|chemist|physicist|patient|victim|resident|company|committee|king|bride|"
    r"guest|half|third|two|three|four|five|one)s?$"
)
"""Endings of nouns that may be people, of whom one asks `who`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its one answer, copied from the sentence it was asked about."""

    question: str
    answer: str
    sentence: Sentence
    sort: Sort
    clause: Clause | None = None


@lru_cache(maxsize=PASSAGES_KEPT)
def plain_questions(passage: Passage) -> tuple[Asked, ...]:
    """Return every plain question the passage allows, at most one of a sort for each sentence."""
    dated = {event.sentence.index: event for event in events_of(passage)}
    found: list[Asked] = []
    for sentence in passage.asked():
        clause = passage.clause(sentence)
        if clause is None:
            continue
        if sentence.index in dated:
            found.append(_year(dated[sentence.index]))
        for ask in _SORTS:
            found.extend(ask(passage, sentence, clause))
    times = Counter(asked.question for asked in found)
    return tuple(asked for asked in found if times[asked.question] == 1 and len(asked.question) <= 200)


def _year(event: Event) -> Asked:
    question = event.clause.question("In which year", event.subject, event.rest)
    return Asked(question, str(event.year), event.sentence, "year", event.clause)


def _tail(clause: Clause) -> str:
    """The lead moved to the end of the question, where it belongs there."""
    return clause.lead[:1].lower() + clause.lead[1:] if clause.lead else ""


def _definition(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    person = passage.kinds.get(clause.subject) == "person"
    if (
        clause.apposition.startswith(("a ", "an ", "the "))
        and person
        and len(clause.apposition.split()) <= 8
        and not POINTING.search(clause.apposition)
    ):
        yield Asked(
            f"Who was {clause.subject}, according to the passage?", clause.apposition, sentence, "definition", clause
        )
        return
    if clause.auxiliary not in BE or clause.lead or clause.plural or not re.match(r"(?:a|an|the) ", clause.rest):
        return
    if clause.subject.split(" ")[0] == "The" or re.search(
        r"\b(?:same|only|first|most|result|reason|case)\b", clause.rest
    ):
        return
    answer = re.split(r",| that | which | who | whose | where | when | in which ", clause.rest)[0].strip()
    if 3 <= len(answer.split()) <= 9 and not POINTING.search(answer) and answer.split(" ")[-1] not in PREPOSITIONS:
        opening = "Who" if person else "What"
        yield Asked(
            f"{opening} {clause.auxiliary} {passage.inside(clause.subject)}?", answer, sentence, "definition", clause
        )


def _subject(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    if (
        clause.auxiliary in ("are", "were", "have")
        or POINTING.search(clause.rest)
        or "," in clause.rest
        or len(clause.rest.split()) < 3
    ):
        return
    person = _is_person(passage, clause.subject)
    head = re.split(r" (?:of|in|on|at|for|from|with) ", clause.subject)[0].split(" ")[-1].lower()
    named = clause.subject[:1].isupper() and clause.subject in passage.kinds
    if not person and (
        _HUMAN.search(head) or named or len(clause.subject.split()) < 2 or len(clause.subject.split()) > 5
    ):
        return
    if (
        (not person and not clause.subject.startswith(("The ", "A ", "An ")))
        or clause.plural
        or " and " in clause.subject
    ):
        return
    if not person and len(clause.rest.split()) < 5 and not re.search(r"\d|[A-Z]", clause.rest):
        return
    if not person and not _telling(clause.subject):
        return
    if (
        head in VAGUE
        or clause.base == "happen"
        or (clause.auxiliary in BE and clause.rest.split(" ")[0] not in PARTICIPLE_TO_BASE)
    ):
        return
    if not clause.auxiliary and clause.verb in BASES and clause.verb not in PAST_TO_BASE:
        return
    tail = _tail(clause)
    question = f"{'Who' if person else 'What'} {clause.predicate}{' ' + tail if tail else ''}?"
    yield Asked(question, clause.subject, sentence, "person" if person else "thing", clause)


def _telling(subject: str) -> bool:
    """Whether a thing is named closely enough to be an answer: `the gravity of the Moon`, not `the lake`."""
    words = subject.split(" ")
    if {"same", "other", "another", "next", "following"} & set(words):
        return False
    return len(words) >= 4 or any(word[0].isupper() or word[0].isdigit() for word in words[1:])


def _is_person(passage: Passage, subject: str) -> bool:
    """Whether the subject is a person, named alone (`Snow`) or with a calling (`The physician John Snow`)."""
    words = subject.split(" ")
    named = [word for word in words[1:] if word[0].isupper()]
    called = (
        any(_HUMAN.search(word) and word.islower() for word in words[:-1]) and len(named) > 1 and words[-1] in named
    )
    return passage.kinds.get(subject) == "person" or (called and " of " not in subject)


def _day(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    words = f"{clause.lead}|{clause.rest}"
    days = _DAY.findall(words)
    if (
        len(days) != 1
        or re.search(r"\b(?:1\d{3}|20\d{2})\b", words)
        or POINTING.search(clause.rest)
        or "," in clause.rest
    ):
        return
    rest = re.sub(r"\s+", " ", _DAY.sub("", clause.rest)).strip()
    if (clause.lead and not _DAY.fullmatch(clause.lead)) or not rest or rest.split(" ")[-1] in PREPOSITIONS:
        return
    yield Asked(clause.question("On which day", passage.inside(clause.subject), rest), days[0], sentence, "day", clause)


def _count(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    match = re.match(
        r"(?P<number>[\w,.]+(?: (?:hundred|thousand|million|billion))?) (?P<unit>[a-z][a-z -]*)", clause.rest
    )
    numbers = numbers_of(clause.rest)
    if match is None or not numbers or numbers[0].start != 0 or numbers[0].year or POINTING.search(clause.rest):
        return
    number = numbers[0]
    words = clause.rest[number.end :].strip().split(" ")
    unit = _unit(words)
    if not unit or number.value == 1 or number.hedged:
        return
    rest = " ".join(words[len(unit) :])
    if (
        (rest.startswith(("and ", "or ", "to ", "each", "per ", ",")) and not rest.startswith("to "))
        or "," in rest
        or " but " in rest
    ):
        return
    if clause.auxiliary and clause.auxiliary not in BE:
        return
    size = rest.split(" ")[0] in _SIZES
    if clause.auxiliary in BE and not size:
        return
    subject = passage.inside(clause.subject)
    opening = f"How many {' '.join(unit)}"
    if size:
        opening, rest = f"{opening} {rest.split(' ')[0]}", " ".join(rest.split(" ")[1:])
    answer = f"{number.text} {' '.join(unit)}"
    yield Asked(clause.question(opening, subject, rest, _tail(clause)), answer, sentence, "number", clause)


def _unit(words: list[str]) -> list[str]:
    """Return the noun phrase that a number counts: up to three words that end in a plural."""
    for place, word in enumerate(words[:3]):
        if (
            word in PREPOSITIONS | CLAUSE_WORDS | DETERMINERS
            or word in NUMBER_WORDS
            or not word.replace("-", "").isalpha()
        ):
            return []
        following = words[place + 1] if place + 1 < len(words) else ""
        if (word.endswith("s") and not word.endswith(("ss", "us"))) or word in ("people", "men", "women", "children"):
            return (
                words[: place + 1]
                if not (following.endswith("s") and following.isalpha() and len(following) > 3)
                else []
            )
    return []


def _place(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    verb = clause.rest.split(" ")[0] if clause.auxiliary else clause.base
    verb = verb if verb == "born" else PARTICIPLE_TO_BASE.get(verb, verb)
    match = re.search(
        r" (?:in|at|near) ((?:the )?[A-Z][\w'’-]+(?: (?:of |and )?(?:the )?[A-Z][\w'’-]+)*)$", " " + clause.rest
    )
    if verb not in _PLACED or match is None or POINTING.search(clause.rest) or "," in clause.rest:
        return
    if re.search(r"\d", clause.rest) or re.search(
        r"January|February|March|April|May|June|July|August|Septem|Octo|Novem|Decem", match[1]
    ):
        return
    rest = clause.rest[: match.start() - 1 if match.start() else 0].strip()
    if clause.auxiliary and not rest:
        return
    if len(re.findall(r"\b(?:in|at|near) (?:the )?[A-Z]", clause.rest)) == 1:
        question = clause.question("Where", passage.inside(clause.subject), rest, _tail(clause))
        yield Asked(question, match[1], sentence, "place", clause)


def _agent(passage: Passage, sentence: Sentence, clause: Clause) -> Iterator[Asked]:
    match = re.search(r" by ((?:[A-Z][\w'’-]+)(?: (?:de |van |von |der )?[A-Z][\w'’-]+)+)(?=$| )", clause.rest)
    if clause.auxiliary not in ("was", "were") or match is None or POINTING.search(clause.rest) or "," in clause.rest:
        return
    if clause.subject.split(" ")[-1] in VAGUE:
        return
    if clause.rest.split(" ")[0] in PARTICIPLE_TO_BASE and passage.kinds.get(match[1]) == "person":
        rest = (clause.rest[: match.start()] + clause.rest[match.end() :]).strip()
        question = clause.question("By whom", passage.inside(clause.subject), rest, _tail(clause))
        yield Asked(question, match[1], sentence, "person", clause)


_SORTS: tuple[Callable[[Passage, Sentence, Clause], Iterator[Asked]], ...] = (
    _definition,
    _day,
    _count,
    _place,
    _agent,
    _subject,
)
