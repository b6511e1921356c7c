"""What happened in which year: the clauses of a passage that one year dates beyond doubt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentinstruct.teacher.offline.reading.clauses import Clause
from agentinstruct.teacher.offline.reading.lexicon import BASES, PARTICIPLE_TO_BASE, PAST_TO_BASE
from agentinstruct.teacher.offline.reading.passages import PASSAGES_KEPT, Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence
from agentinstruct.teacher.offline.reading.spans import MONTHS, years_of

_MONTH = "(?:" + "|".join(MONTHS) + ")"
DATE_PHRASE = re.compile(
    r"(?<![\w-])(?:in|on) (?:the )?(?:(?:late|early|spring|summer|autumn|winter|year|end|beginning|morning|"
    r"evening)(?: of)? )?"
    rf"(?:the )?(?:\d{{1,2}} )?(?:{_MONTH} )?(?P<year>1\d{{3}}|20\d{{2}})\b(?!s|[-–/]\d)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Event:
    """A clause about the past, the year that dates it, and the clause's words without the date."""

    sentence: Sentence
    clause: Clause
    year: int
    rest: str
    subject: str
    """The subject as it reads inside a sentence."""

    @property
    def inside(self) -> str:
        """The event as a clause inside a sentence."""
        return " ".join(part for part in (self.subject, self.clause.auxiliary or self.clause.verb, self.rest) if part)

    @property
    def statement(self) -> str:
        """The event as a sentence of its own, without its date."""
        return self.inside[0].upper() + self.inside[1:] + "."


@lru_cache(maxsize=PASSAGES_KEPT)
def events_of(passage: Passage) -> tuple[Event, ...]:
    """Return the dated events in the order told; one sentence gives at most one."""
    found = []
    for sentence in passage.asked():
        clause = passage.clause(sentence)
        years = years_of(sentence.text)
        if clause is None or len(years) != 1 or not _past(clause):
            continue
        dated = list(DATE_PHRASE.finditer(f"{clause.lead}|{clause.rest}"))
        if len(dated) != 1:
            continue
        rest = clause.rest if clause.lead and DATE_PHRASE.fullmatch(clause.lead) else _without_date(clause.rest)
        if clause.lead and not DATE_PHRASE.fullmatch(clause.lead):
            continue
        if (len(rest.split()) >= 2 or clause.base == "die") and not _dangling(rest):
            found.append(Event(sentence, clause, int(dated[0]["year"]), rest, passage.inside(clause.subject)))
    return tuple(found)


def _without_date(text: str) -> str:
    """Remove the phrase that dates `text`."""
    return re.sub(r"\s+", " ", DATE_PHRASE.sub("", text, count=1)).strip(" ,")


def _past(clause: Clause) -> bool:
    if clause.auxiliary:
        done = any(word in PARTICIPLE_TO_BASE or word == "born" for word in clause.rest.split(" ")[:2])
        return (
            done and clause.auxiliary in ("was", "were") and not clause.rest.startswith(("not ", "still ", "already "))
        )
    return clause.verb in PAST_TO_BASE and (clause.verb not in BASES or not clause.plural)


def _dangling(rest: str) -> bool:
    """Whether words point outside the clause, or its end was cut away with the date."""
    last = rest.rsplit(" ", maxsplit=1)[-1].lower()
    pointing = re.search(
        r"\b(?:it|they|he|she|him|them|this|these|those|there|then|still|already|again|later|earlier|also|former|"
        r"latter|years (?:after|before))\b",
        rest,
    )
    return (
        bool(pointing)
        or last in ("of", "in", "on", "at", "to", "the", "a", "and", "or", "by", "for", "from", "with")
        or ("," in rest and (rest.split(" ", maxsplit=1)[0] not in PARTICIPLE_TO_BASE))
    )
