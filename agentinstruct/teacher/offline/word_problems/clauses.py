"""Takes sentences apart into clauses: who, does what, how many of what, and the phrases that hold further numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.phrases import (
    COUNTS,
    NOUN,
    NUMBER,
    QUANTITY,
    WORD,
    Phrase,
    read_amount,
    read_phrases,
    value_in,
)
from agentinstruct.teacher.offline.word_problems.words import Verb, find_verb, inflect

MARKERS = re.compile(
    r"\b(left over|left|altogether|in total|in all|now|in the end|at the end|so far|then|at the start|at first"
    r"|at the beginning|in change)\b",
    re.I,
)
_TELLING = re.compile(
    rf"\b(half|twice|double|same|rest|each|every|all|dozens?|thirds?|quarters?|percent|times|fewer|less|than|another|both"
    rf"|except|more|some|several|few|many|most|none|nothing|equal|equally|remaining|others?|only|{COUNTS}|\d)|%",
    re.I,
)
"""Words that tell of a quantity: where one is left unread, the clause is not understood."""
_UNREAL = re.compile(
    r"\b(?:not|never|almost|nearly|wants?|wanted|wish\w*|would|could|might|may|should|hop(?:es?|ed)|plan(?:s|ned|ning)?|if|unless"
    r"|before|instead|without|except|tries|tried|forgot|but|and [a-z]+ed|and [a-z]+ (?:them|it))\b|n['’]t\b"
)
"""What did not happen, or what a tail may hide: nothing is read from such a clause."""
_LEAD = re.compile(
    r"(?:on|in|by|at|during|after|before|then|later|last|next|yesterday|today|the next|the following|that|this|finally"
    r"|afterwards|so|also|for)\b",
    re.I,
)
"""Words with which a phrase of time or place before the subject begins."""
_SENTENCE_BREAK = re.compile(r"(?<=[.?!])(?<!Mrs\.)(?<!Mr\.)(?<!Dr\.) (?=[A-Z\"“\[$\d])")
_CLAUSE_BREAK = re.compile(r",? (?:and then|and later|and|but then|but|then|so) |; |, (?=then )")
"""Where a sentence may go on with another clause; `and` between two nouns is sorted out later."""
_OPENING_AMOUNT = re.compile(rf"{QUANTITY} |another \d|an? (?!{WORD} {WORD} (?:and|did|was))")
"""An amount with which a clause of its own may begin."""
_BARE_AMOUNT = re.compile(rf"{QUANTITY} |another |an? ")
"""An amount that takes subject and verb from the clause before: `and 5 pears`."""
_COUNTED_SUBJECT = re.compile(rf"(?:another )?(?P<value>{QUANTITY})(?P<more> more| other)? (?P<noun>{NOUN})")
"""A subject that is what is counted: `Six more birds`."""
_NUMBER_WORD = re.compile(rf"{NUMBER}|some|several")
_NOUN_WORD = re.compile(WORD)
_MULTIPLE = re.compile(rf"(?:twice|half|{NUMBER} times) as ")
_DETERMINERS = {"the", "a", "an", "his", "her", "their", "its", "my", "each", "every", "one"}
_PRONOUNS = {"he", "she", "it", "they", "him", "her", "them"}
_ADVERBS = re.compile(
    r"^(?:also|then|only|later|already|still|first|finally|together|even|now|exactly|just|both) ", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One fact. `value` None is a number that the text leaves out."""

    text: str
    subject: str
    verb: Verb
    past: bool
    value: Fraction | None = None
    unit: str = ""
    size: str = "exactly"
    """exactly; more, fewer or times, compared with `other`; rest, when it is what remains; none, without amount."""
    other: str = ""
    receiver: str = ""
    phrases: tuple[Phrase, ...] = ()
    tail: str = ""
    markers: frozenset[str] = field(default_factory=frozenset)

    def phrase(self, kind: str) -> Phrase | None:
        """Return the first phrase of `kind`."""
        return next((phrase for phrase in self.phrases if phrase.kind == kind), None)


def split_sentences(text: str) -> list[str]:
    """Return the sentences, each with its final mark."""
    flat = re.sub(r"\s+", " ", text).strip()
    return [part for part in _SENTENCE_BREAK.split(flat) if part]


def split_clauses(sentence: str) -> list[str]:
    """Return the clauses that a sentence joins with `and`, `but` or `then`, each with a subject of its own."""
    pieces: list[str] = []
    rest = sentence.rstrip(".!? ")
    for part in _CLAUSE_BREAK.split(rest):
        if pieces and not (_starts_clause(part.strip(" ,")) and _find_predicate(pieces[-1])):
            pieces[-1] = rest[: rest.index(part, rest.index(pieces[-1])) + len(part)][rest.index(pieces[-1]) :]
        else:
            pieces.append(part.strip(" ,"))
    return pieces


def _starts_clause(text: str) -> bool:
    text = _ADVERBS.sub("", text)
    if _MULTIPLE.match(text):
        return True
    first = text.split(" ", 1)[0]
    if find_verb(first) or _OPENING_AMOUNT.match(text):
        return True
    predicate = _find_predicate(text)
    return predicate is not None and predicate[0] <= 6


def _find_predicate(text: str) -> tuple[int, int, Verb, bool] | None:
    """Return where the first verb of a clause stands among its words: start, end, the verb and whether it is past."""
    words = text.split()
    for place, word in enumerate(words):
        found = find_verb(word.strip(","))
        if not found or (place and words[place - 1].lower() in _DETERMINERS):
            continue
        after = place + 1
        while after < len(words) and _ADVERBS.fullmatch(words[after] + " "):
            after += 1
        second = find_verb(words[after]) if after < len(words) else None
        if found[0].base == "have" and second and second[1]:
            return place, after + 1, second[0], True
        if found[0].base == "be" and second and second[0].base != "leave" and second[1]:
            return None
        return place, place + 1, found[0], found[1]
    return None


def read_clause(text: str, before: Clause | None = None) -> Clause | None:
    """Return the clause, or None for one without any quantity; `before` lends its subject, verb and unit.

    Raises `Unsolvable` when there is a quantity that is not understood.
    """
    if match := _UNREAL.search(text):
        raise Unsolvable(f"{match[0]!r} in {text!r}")
    original, lead = text, ""
    match = re.match(r"([^,]{1,60}), (?=\S)", text)
    if match and _LEAD.match(match[1]) and not _find_predicate(match[1]):
        lead, text = match[1], text[match.end() :]
    text = _ADVERBS.sub("", text)
    if before and (_MULTIPLE.match(text) or _BARE_AMOUNT.match(text)) and not _find_predicate(text):
        subject, verb, past, rest = before.subject, before.verb, before.past, text
        original = f"{_again(subject)} {verb.past if past else verb.third} {text}"
    else:
        predicate = _find_predicate(text)
        if not predicate:
            _refuse_if_telling(original)
            return None
        start, end, verb, past = predicate
        words = text.split()
        subject, rest = " ".join(words[:start]), " ".join(words[end:])
        subject = re.sub(r" (?:also|then|only|later|already|still|first|finally|now)$", "", subject)
        if not subject and before:
            subject = before.subject
            original = f"{_again(subject)} {text}"
    more_lead, subject = _split_lead(subject)
    if _TELLING.search(MARKERS.sub("", f"{lead} {more_lead}")):
        raise Unsolvable(f"a quantity in {lead or more_lead!r}")
    return _read_object(original, subject, verb, past, rest, before, f"{lead} {more_lead}")


def _again(subject: str) -> str:
    return re.sub(r"^An? ", "The ", subject)


def _split_lead(subject: str) -> tuple[str, str]:
    if not _LEAD.match(subject):
        return "", subject
    words = subject.split()
    if words[-1].lower() in _PRONOUNS or words[-1][0].isupper():
        size = 3 if len(words) > 3 and words[-2] == "and" else 1
        return " ".join(words[:-size]), " ".join(words[-size:])
    starts = [place for place, word in enumerate(words) if place and word.lower() in _DETERMINERS | {"another"}]
    starts += [place for place, word in enumerate(words) if _NUMBER_WORD.fullmatch(word)]
    if not starts:
        return "", subject
    return " ".join(words[: max(starts)]), " ".join(words[max(starts) :])


def _refuse_if_telling(text: str) -> None:
    if match := _TELLING.search(text):
        raise Unsolvable(f"{match[0]!r} in {text!r}")


def _read_object(
    original: str, subject: str, verb: Verb, past: bool, rest: str, before: Clause | None, lead: str
) -> Clause | None:
    fields: dict[str, object] = {}
    if match := _COUNTED_SUBJECT.fullmatch(subject):
        fields = {"value": value_in(match["value"]), "unit": match["noun"]}
        subject = ""
    else:
        fields, rest = read_amount(rest, before.unit if before else "")
    phrases, tail = read_phrases(rest)
    markers = frozenset(match[1].lower() for match in MARKERS.finditer(f"{lead} {tail}"))
    if not fields and not phrases:
        if verb.effect in {"have", "gain", "lose", "share", "pack"} or (
            verb.effect == "be" and subject.lower() == "there"
        ):
            raise Unsolvable(f"how many in {original!r}")
        _refuse_if_telling(original)
        return None
    if fields.get("value") is not None and rest and _NOUN_WORD.match(rest) and fields.get("unit") != "$":
        raise Unsolvable(f"what is counted in {original!r}")
    fields = fields or {"size": "none"}
    plain = MARKERS.sub("", f"{lead} {tail}")
    if match := _TELLING.search(plain):
        raise Unsolvable(f"{match[0]!r} in {original!r}")
    if verb.base == "be" and rest.startswith("left"):
        markers |= {"left"}
    return Clause(
        text=original,
        subject=subject,
        verb=verb,
        past=past,
        phrases=phrases,
        tail=plain.strip(),
        markers=markers,
        **fields,  # type: ignore[arg-type]  # collected field by field
    )


def name_unit(unit: str, value: Fraction | None) -> str:
    """Return the unit as it stands after `value`."""
    return unit if unit == "$" else inflect(unit, one=value == 1)
