"""A declarative sentence as lead, subject, verb and rest, where its shape is plain enough to be sure of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentinstruct.teacher.offline.reading.lexicon import (
    AUXILIARIES,
    BASES,
    BE,
    CLAUSE_WORDS,
    DETERMINERS,
    PARTICIPLE_TO_BASE,
    PAST_TO_BASE,
    PREPOSITIONS,
    THIRD_TO_BASE,
    words_in,
)
from agentinstruct.teacher.offline.reading.sentences import PRONOUNS, SENTENCES_KEPT, without_connective

_LEAD = re.compile(
    r"^((?:In|By|During|On|At|From|After|Before|Around|About|Since|Until|Throughout|Under|Over|Near|Within|"
    r"Between|Along|Inside|"
    r"Outside|Across|Unlike|Like|With|Without|Among|Beyond|Despite|Because of|Through|For) [^,;]{2,60}), (?=[A-Za-z])"
)
"""A phrase of place, time or manner before the subject: `In the old harbour, `."""
_LEAD_YEAR = re.compile(
    r"^((?:In|By|Around|Since) (?:the year |(?:the )?(?:spring|summer|autumn|winter) of )?"
    r"(?:(?:January|February|March|April|May|June|July|August|September|October|November|December) )?"
    r"(?:1\d{3}|20\d{2})) (?=[A-Za-z])"
)
"""The same without a comma: `In May 1843 the …`."""
_APPOSITION = re.compile(r"^([A-Z][^,()]{2,40}), ((?:a|an|the|on|in|with|near|who|which) [^,()]{3,70}), (?=[a-z])")
"""`John Snow, a physician, `: the subject with words about it."""
_NEXT_CLAUSE = re.compile(
    r",? (?:but|so that|so|when|while|whereas|although|though|because|since|until|unless|if|yet|before|after) "
    r"(?=[A-Za-z]+ [a-z])"
    r"|, (?:and|or|who|which|whose|where|for|with|then|not|\w+ing|as|in|on|at|a|an|the) "
    r"| and (?=(?:the|a|an|it|he|she|they|its|his|her|their|there)\b[^,]*? (?:was|were|is|are|had|has|have|could|"
    r"can|will|would) )"
)
"""Where a second clause, or a phrase hung on by a comma, begins."""
_ADVERBS = frozenset(
    words_in(
        """
    also often usually first now still always never only mostly mainly later soon then originally finally quickly
    slowly therefore thus however then hence himself herself itself themselves alone together again eventually
    commonly generally typically normally sometimes rarely largely widely probably not once already even just
    """
    )
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A sentence taken apart: `[lead,] subject[, apposition,] [auxiliary | verb] rest`.

    `rest` stops before a second clause; `whole` tells whether it reaches the end of the sentence.
    """

    lead: str
    subject: str
    auxiliary: str
    verb: str
    base: str
    rest: str
    apposition: str = ""
    whole: bool = True

    @property
    def plural(self) -> bool:
        """Whether the subject takes a plural verb."""
        return _is_plural(self.subject)

    @property
    def statement(self) -> str:
        """The clause without its lead, as it reads inside a sentence (the subject's first letter is not touched)."""
        return " ".join(part for part in (self.subject, self.auxiliary or self.verb, self.rest) if part)

    @property
    def predicate(self) -> str:
        """What is said of the subject."""
        return f"{self.auxiliary or self.verb} {self.rest}"

    def question(self, opening: str, subject: str, rest: str | None = None, tail: str = "") -> str:
        """Ask for something other than the subject: `opening` + auxiliary + subject + the remaining words + `tail`."""
        remaining = self.rest if rest is None else rest
        if self.auxiliary:
            parts = [opening, self.auxiliary, subject, remaining, tail]
        else:
            parts = [opening, self._support(), subject, self.base, remaining, tail]
        return re.sub(r"\s+([,.])", r"\1", " ".join(part for part in parts if part)).rstrip(" ,.") + "?"

    def _support(self) -> str:
        if self.verb in PAST_TO_BASE and self.verb not in BASES:
            return "did"
        if self.verb in THIRD_TO_BASE and self.verb not in BASES:
            return "does"
        return "do" if self.verb in BASES and self.plural else "did"


@lru_cache(maxsize=SENTENCES_KEPT)
def clause_of(sentence: str) -> Clause | None:
    """Take `sentence` apart, or return None where its subject or verb is not certain."""
    text = without_connective(sentence).rstrip()
    if not text.endswith(".") or "?" in text:
        return None
    text = text[:-1]
    lead = ""
    match = _LEAD.match(text) or _LEAD_YEAR.match(text)
    if match:
        lead, text = match[1], text[match.end() :]
        if _has_verb(lead):
            return None
    apposition = ""
    if match := _APPOSITION.match(text):
        apposition, text = match[2], f"{match[1]} {text[match.end() :]}"
    words = text.split(" ")
    for place in range(1, min(len(words) - 1, 12)):
        found = _verb_at(words, place)
        if found and _is_subject(words[:place]):
            auxiliary, verb, base = found
            rest, whole = _first_clause(" ".join(words[place + 1 :]))
            clause = Clause(lead, " ".join(words[:place]), auxiliary, verb, base, rest, apposition, whole)
            return clause if _ends_well(rest) and _agrees(clause) else None
        if found and not _may_continue(words, place):
            return None
    return None


def _is_plural(phrase: str) -> bool:
    """Whether the noun phrase is plural, judged by its head."""
    if " and " in phrase.split(" of ", maxsplit=1)[0] and not phrase.lower().startswith(("each", "every")):
        return True
    words = phrase.split(" ")
    for place, word in enumerate(words[1:], 1):
        if word.lower() in PREPOSITIONS:
            words = words[:place]
            break
    if words[0].lower() in (
        "most",
        "many",
        "some",
        "few",
        "several",
        "all",
        "both",
        "these",
        "those",
        "two",
        "three",
        "four",
        "five",
    ):
        return True
    head = words[-1].lower()
    if head in (
        "people",
        "men",
        "women",
        "children",
        "fish",
        "mice",
        "geese",
        "feet",
        "teeth",
        "bacteria",
        "cattle",
        "sheep",
        "police",
    ):
        return True
    return head.endswith("s") and not head.endswith(("ss", "us", "is", "ics", "'s", "’s"))


def _first_clause(rest: str) -> tuple[str, bool]:
    """Cut `rest` before a second clause, unless the commas belong to a list."""
    if re.search(r"[^,]+, [^,]+,? (?:and|or) [^,]+$", rest) and not _NEXT_CLAUSE.search(
        re.sub(r",? (?:and|or) [^,]+$", "", rest)
    ):
        return rest, True
    for match in re.finditer(r" and ([a-z]+)(?= )", rest):
        finite = match[1] in AUXILIARIES or match[1] in THIRD_TO_BASE
        if finite or (match[1] in PAST_TO_BASE and match[1] not in BASES):
            first = rest[: match.start()]
            if " " in first and not re.search(r"\b(?:between|both|from)\b", first):
                return _first_clause(first)[0], False
    following = _NEXT_CLAUSE.search(rest)
    return (rest[: following.start()].rstrip(","), False) if following else (rest, True)


def _ends_well(rest: str) -> bool:
    last = rest.rsplit(" ", maxsplit=1)[-1].lower()
    if re.search(r"\b(?:whose|which|who|that) [\w-]+$", rest):
        return False
    return bool(rest) and last not in PREPOSITIONS | DETERMINERS | CLAUSE_WORDS | {
        "be",
        "been",
        "not",
        "therefore",
        "even",
        "only",
    }


def _has_verb(lead: str) -> bool:
    return any(word in BE or word in ("that", "which", "who", "when", "has", "had") for word in lead.split(" "))


def _verb_at(words: list[str], place: int) -> tuple[str, str, str] | None:
    """Return (auxiliary, verb, base) if the word at `place` may be the finite verb."""
    word, following = words[place], words[place + 1] if place + 1 < len(words) else ""
    if word in ("has", "have", "had"):
        participle = (
            following in PARTICIPLE_TO_BASE
            or following.endswith("ed")
            or following in ("been", "become", "not")
            or following in _ADVERBS
        )
        return (word, "", "") if participle else ("", word, "have")
    if word in AUXILIARIES:
        return word, "", ""
    if not word.islower():
        return None
    if word in PAST_TO_BASE:
        return "", word, PAST_TO_BASE[word]
    if word in THIRD_TO_BASE:
        return "", word, THIRD_TO_BASE[word]
    return ("", word, word) if word in BASES else None


def _is_subject(words: list[str]) -> bool:
    low = [word.lower() for word in words]
    if (
        any("," in word or "(" in word for word in words)
        or low[0] in PRONOUNS
        or low[0] in PREPOSITIONS
        or low[0] in CLAUSE_WORDS
    ):
        return False
    if any(word in CLAUSE_WORDS and word not in ("and", "or") for word in low) or low[
        -1
    ] in DETERMINERS | PREPOSITIONS | {"and", "or"}:
        return False
    if any(word in PRONOUNS for word in low[1:]) or low[-1] in _ADVERBS or len(words) > 9:
        return False
    if low[0] in (
        "there",
        "when",
        "not",
        "once",
        "even",
        "only",
        "according",
        "today",
        "here",
        "whether",
        "if",
        "to",
        "no",
        "nothing",
    ):
        return False
    if (low[0].endswith("ing") and len(low) > 1) or low[0].endswith(("ly", "ed")):
        return False
    return words[0][0].isalnum() and not (len(low) > 1 and low[-1].endswith("ly"))


def _agrees(clause: Clause) -> bool:
    word = clause.auxiliary or clause.verb
    plural = clause.plural
    if word in ("is", "was", "has") or (word in THIRD_TO_BASE and word not in BASES | set(PAST_TO_BASE)):
        agreed = not plural
    elif word in ("are", "were", "have") or (not clause.auxiliary and word in BASES and word not in PAST_TO_BASE):
        agreed = plural
    else:
        agreed = True
    return agreed and not _reduced(clause)


def _reduced(clause: Clause) -> bool:
    """Whether the verb may be a participle that only describes the subject (`the bridge designed by …`)."""
    if clause.auxiliary:
        return False
    later = re.split(r",| and | but | because | while | that | which | who | where | when ", clause.rest)[0].split(" ")
    by_somebody = clause.verb in PARTICIPLE_TO_BASE and later[0] in ("by", "as")
    return by_somebody or any(word in AUXILIARIES for word in later)


def _may_continue(words: list[str], place: int) -> bool:
    """Whether the word at `place` may be a noun after all, so that the verb is still to come."""
    return (
        words[place] not in AUXILIARIES and words[place - 1].lower() in DETERMINERS | {"and", "or", "of"} | set(BASES)
    ) or (words[place] in BASES and words[place] not in PAST_TO_BASE and place < 4)
