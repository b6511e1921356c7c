"""Takes sentences apart into clauses: who, does what, how many of what, and the phrases that hold further numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.words import Verb, find_verb, inflect
from agentinstruct.verify.numbers import NUMBER_WORDS

_COUNTS = "|".join(word for word, value in NUMBER_WORDS.items() if value > 1)
NUMBER = rf"(?:\d[\d,]*(?:\.\d+)?(?![\w.,]*\d)|(?:{_COUNTS})\b)"
UNKNOWN = "the same amount of|a certain number of|a number of|the same number of|an equal number of|some|several"
_QUANTITY = rf"(?:\$?{NUMBER}|(?:{UNKNOWN})\b)"
_STOPS = [
    "in",
    "on",
    "at",
    "for",
    "to",
    "from",
    "with",
    "among",
    "between",
    "into",
    "per",
    "by",
    "during",
    "after",
    "before",
    "that",
    "which",
    "who",
    "than",
    "each",
    "every",
    "a",
    "an",
    "left",
    "altogether",
    "now",
    "then",
    "equally",
    "away",
    "back",
    "home",
    "out",
    "up",
    "about",
    "over",
    "the",
    "this",
    "and",
    "as",
    "more",
    "my",
    "his",
    "her",
    "their",
    "its",
    "through",
    "around",
    "along",
    "until",
    "when",
    "so",
    "but",
    "then",
    "again",
]
_WORD = rf"(?!(?:{'|'.join(_STOPS)})\b|of (?:\$?\d+|{_COUNTS}|them|each|his|her|their|the)\b)[a-zA-Z][\w'’-]*"
NOUN = rf"{_WORD}(?: {_WORD}){{0,3}}"
MARKERS = re.compile(
    r"\b(left over|left|altogether|in total|in all|now|in the end|at the end|so far|then|at the start|at first"
    r"|at the beginning|in change)\b",
    re.I,
)
_TELLING = re.compile(
    rf"\b(half|twice|double|same|rest|each|every|all|dozens?|thirds?|quarters?|percent|times|fewer|less|than|another|both"
    rf"|except|more|some|several|few|many|most|none|nothing|equal|equally|remaining|others?|only|{_COUNTS}|\d)|%",
    re.I,
)
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
_MULTIPLE = re.compile(rf"(?:twice|half|{NUMBER} times) as ")
_DETERMINERS = {"the", "a", "an", "his", "her", "their", "its", "my", "each", "every", "one"}
_PRONOUNS = {"he", "she", "it", "they", "him", "her", "them"}
_ADVERBS = re.compile(
    r"^(?:also|then|only|later|already|still|first|finally|together|even|now|exactly|just|both) ", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A part of a clause that may hold a number of its own, such as `for 5 days` or `with 6 pens in each box`."""

    kind: str
    value: Fraction | None = None
    unit: str = ""


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
    """exactly; more, fewer or times, when compared with `other`; rest, when it is what remains; none, without amount."""  # noqa: E501
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
    return [part for part in re.split(r"(?<=[.?!])(?<!Mrs\.)(?<!Mr\.)(?<!Dr\.) (?=[A-Z\"“\[$\d])", flat) if part]


def split_clauses(sentence: str) -> list[str]:
    """Return the clauses that a sentence joins with `and`, `but` or `then`, each with a subject of its own."""
    pieces: list[str] = []
    rest = sentence.rstrip(".!? ")
    for part in re.split(r",? (?:and then|and later|and|but then|but|then|so) |; |, (?=then )", rest):
        if pieces and not (_starts_clause(part.strip(" ,")) and find_predicate(pieces[-1])):
            pieces[-1] = rest[: rest.index(part, rest.index(pieces[-1])) + len(part)][rest.index(pieces[-1]) :]
        else:
            pieces.append(part.strip(" ,"))
    return pieces


def _starts_clause(text: str) -> bool:
    text = _ADVERBS.sub("", text)
    if _MULTIPLE.match(text):
        return True
    first = text.split(" ", 1)[0]
    if find_verb(first) or re.match(rf"{_QUANTITY} |another \d|an? (?!{_WORD} {_WORD} (?:and|did|was))", text):
        return True
    predicate = find_predicate(text)
    return bool(predicate) and predicate[0] <= 6 if predicate else False


def find_predicate(text: str) -> tuple[int, int, Verb, bool] | None:
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
    if match and _LEAD.match(match[1]) and not find_predicate(match[1]):
        lead, text = match[1], text[match.end() :]
    text = _ADVERBS.sub("", text)
    if (
        before
        and (_MULTIPLE.match(text) or re.match(rf"{_QUANTITY} |another |an? ", text))
        and not find_predicate(text)
    ):
        subject, verb, past, rest = before.subject, before.verb, before.past, text
        original = f"{_again(subject)} {verb.past if past else verb.third} {text}"
    else:
        predicate = find_predicate(text)
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
    starts += [place for place, word in enumerate(words) if re.fullmatch(rf"{NUMBER}|some|several", word)]
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
    if match := re.fullmatch(rf"(?:another )?(?P<value>{_QUANTITY})(?P<more> more| other)? (?P<noun>{NOUN})", subject):
        fields = {"value": _value(match["value"]), "unit": match["noun"]}
        subject = ""
    else:
        fields, rest = _read_amount(rest, before.unit if before else "")
    phrases, tail = _read_phrases(rest)
    markers = frozenset(match[1].lower() for match in MARKERS.finditer(f"{lead} {tail}"))
    if not fields and not phrases:
        if verb.effect in {"have", "gain", "lose", "share", "pack"} or (
            verb.effect == "be" and subject.lower() == "there"
        ):
            raise Unsolvable(f"how many in {original!r}")
        _refuse_if_telling(original)
        return None
    if fields.get("value") is not None and rest and re.match(_WORD, rest) and fields.get("unit") != "$":
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


def _read_amount(text: str, unit_before: str) -> tuple[dict[str, object], str]:
    text = re.sub(r"^(?:only|exactly|a total of|also|already|together|with|about|out|there) ", "", text)
    fields: dict[str, object] = {}
    if match := re.match(rf"(him|her|them|(?:his|her|their|the) [a-z]+|[A-Z]\w+) (?={_QUANTITY}|an? )", text):
        fields["receiver"] = match[1]
        text = text[match.end() :]
    if match := re.match(
        rf"(?:(?P<value>{_QUANTITY}) )?(?P<size>more|fewer|less)(?: (?P<noun>{NOUN}))? than (?P<other>.+)", text
    ):
        noun = match["noun"] or ("$" if "$" in (match["value"] or "") else unit_before)
        size = "more" if match["size"] == "more" else "fewer"
        return fields | {"value": _value(match["value"] or ""), "size": size, "unit": noun, "other": match["other"]}, ""
    if match := re.match(
        rf"(?:(?P<value>{_QUANTITY}) times|(?P<word>twice|half)) as (?:many|much)(?: (?P<noun>{NOUN}))?(?P<tail> .*?)? as (?P<other>.+)",  # noqa: E501
        text,
    ):
        fixed = {"twice": Fraction(2), "half": Fraction(1, 2)}.get(match["word"] or "")
        value = fixed if fixed is not None else _value(match["value"])
        unit = match["noun"] or unit_before
        return fields | {
            "value": value,
            "size": "times",
            "unit": "$" if unit == "money" else unit,
            "other": match["other"],
        }, match["tail"] or ""
    if match := re.match(r"(?:with )?(?:a |one )(?:\$(?P<value>\d+)(?: note)?|note\b)", text):
        return fields | {"value": _value(match["value"] or ""), "unit": "$"}, text[match.end() :].strip()
    if match := re.match(
        rf"\$(?P<value>{NUMBER})(?P<more> more)?(?: of this money)?|(?:some (?:more )?|the same amount of )money\b|the same(?= each|$)",  # noqa: E501
        text,
    ):
        return fields | {"value": _value(match["value"] or ""), "unit": "$"}, text[match.end() :].strip()
    if match := re.match(
        rf"(?:them all|them|all of them|it all)\b|all the (?P<all>[a-z]+)|the (?:remaining|other|rest of the|leftover) (?P<noun>{NOUN})|the rest\b",  # noqa: E501
        text,
    ):
        noun = match["noun"] or match["all"] or unit_before
        return fields | {"size": "rest", "unit": "$" if noun == "money" else noun}, text[match.end() :].strip()
    if match := re.match(
        rf"(?:another )?(?P<value>{_QUANTITY}|an?\b|another\b)(?: more| other| extra| further| additional| new)?(?P<noun> (?:of them\b|{NOUN}))?",  # noqa: E501
        text,
    ):
        article = match["value"] in {"a", "an", "another"}
        noun = (match["noun"] or "").strip()
        noun = unit_before if noun in {"", "of them"} else noun
        if not noun:
            raise Unsolvable(f"no unit in {text!r}")
        value = Fraction(1) if article else _value(match["value"])
        return fields | {"value": value, "unit": noun}, text[match.end() :].strip()
    if match := re.match(rf"(?:all )?(?P<noun>{NOUN}) (?=at the same price|for \$)", text):
        return fields | {"size": "none", "unit": match["noun"]}, text[match.end() :]
    return ({}, text) if not fields else (fields | {"size": "none"}, text)


def _value(text: str) -> Fraction | None:
    text = text.strip("$ ").lower()
    if text in NUMBER_WORDS:
        return NUMBER_WORDS[text]
    return Fraction(text.replace(",", "")) if re.fullmatch(r"\d[\d,]*(?:\.\d+)?", text) else None


_OWN = r"(?:of )?(?:his |her |their |its |the )?"
_PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("contents", re.compile(rf"with (?P<value>{_QUANTITY}) (?P<unit>{NOUN}) (?:in|on|at) each(?: {_WORD})?")),
    ("contents", re.compile(rf"of (?P<value>{_QUANTITY}) (?P<unit>{NOUN})(?: each)?")),
    ("contents", re.compile(rf"with (?P<value>{_QUANTITY}) (?P<unit>{NOUN})")),
    ("price", re.compile(rf"(?:for|at) (?P<value>\$?{NUMBER}) (?:each|apiece|per {_WORD}|an? {_WORD})")),
    ("price", re.compile(r",? ?(?:each )?at (?P<value>the same price)(?: each)?")),
    ("total_price", re.compile(rf"for (?P<value>\${NUMBER}|some money)")),
    ("of_each", re.compile(rf"(?:for|to|in|into|on|from) each {_OWN}(?P<value>{_QUANTITY}) (?P<unit>{NOUN})")),
    ("for_each", re.compile(rf"(?:for|to|in|into|on) (?:each|every) (?P<unit>{_WORD})")),
    ("speed", re.compile(rf"at (?P<value>{NUMBER}|the same number of) (?P<unit>{_WORD}) (?:per|an|a) (?P<per>hour|minute|second)")),  # noqa: E501
    ("per", re.compile(r"(?:per|an?|each|every) (?P<unit>day|week|month|year|hour|minute|second|evening|morning|night|metre|meter|litre|kilogram|kilometre|game|lesson|trip)\b")),  # noqa: E501
    ("during", re.compile(rf"for (?P<value>{_QUANTITY}) (?P<unit>seconds?|minutes?|hours?|days?|weeks?|months?|years?|evenings|mornings|nights|games|lessons|trips)")),  # noqa: E501
    ("among", re.compile(rf"(?:equally )?(?:among|between|into|in|onto|on|with) {_OWN}(?P<value>{_QUANTITY}) (?P<unit>{NOUN})(?: equally)?")),  # noqa: E501
    ("sets", re.compile(rf"(?:into|in|onto) (?P<unit>{NOUN}) of (?P<value>{_QUANTITY}|equal size)(?: each)?")),
    ("receiver", re.compile(rf"(?:to|from) (?P<unit>[A-Z]\w+|(?:his|her|their|the|a) {_WORD}(?: {_WORD})?)(?= |$)")),
)  # fmt: skip


def _read_phrases(text: str) -> tuple[tuple[Phrase, ...], str]:
    phrases: list[Phrase] = []
    tail: list[str] = []
    rest = text.strip()
    while rest:
        for kind, pattern in _PHRASES:
            if match := re.match(rf"(?:{pattern.pattern})(?![\w$])", rest):
                groups = match.groupdict()
                value = _value(groups["value"]) if groups.get("value") else None
                phrases.append(Phrase(kind=kind, value=value, unit=groups.get("unit") or ""))
                if groups.get("per"):
                    phrases.append(Phrase(kind="per", unit=groups["per"]))
                rest = rest[match.end() :].lstrip(" ,")
                break
        else:
            word, _, rest = rest.partition(" ")
            tail.append(word)
    return tuple(phrases), " ".join(tail).strip(" ,")


def name_unit(unit: str, value: Fraction | None) -> str:
    """Return the unit as it stands after `value`."""
    return unit if unit == "$" else inflect(unit, one=value == 1)
