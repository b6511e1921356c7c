"""The reader who answers: finds in a passage what a question asks for, knowing nothing of who asked it or how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentinstruct.teacher.offline.reading.lexicon import PREPOSITIONS, STOP_WORDS, lemma, words_in
from agentinstruct.teacher.offline.reading.sentences import SENTENCES_KEPT, Sentence, placed_words, words_of
from agentinstruct.teacher.offline.reading.spans import MONTHS, NUMBER_WORDS, numbers_of, value_of, years_of
from agentinstruct.teacher.offline.reading.statements import OPPOSITES

_ASKING = frozenset(
    words_in(
        """
    who whom what which when where why how many much year day according passage text did do does please said give
    given
    """
    )
)
_MONTH = "|".join(MONTHS)
_ENOUGH = 0.85
"""The share of a question's content words that a sentence must hold before it is taken to be about the question."""


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and the sentences it rests on."""

    answer: str
    evidence: tuple[str, ...]


def content_words(text: str) -> list[str]:
    """Return the words that carry the meaning, in base form."""
    return [lemma(word) for word in words_of(text) if word.lower() not in STOP_WORDS and word.lower() not in _ASKING]


def share_found(wanted: list[str], text: str) -> float:
    """Return which share of `wanted` (base forms) occurs in `text`."""
    held = _lemmas_of(text)
    return sum(word in held for word in wanted) / len(wanted) if wanted else 0.0


@lru_cache(maxsize=SENTENCES_KEPT)
def _lemmas_of(text: str) -> frozenset[str]:
    return frozenset(map(lemma, words_of(text)))


def best_sentence(sentences: tuple[Sentence, ...], words: str, enough: float = _ENOUGH) -> Sentence | None:
    """Return the sentence that speaks most plainly of `words`, if one clearly does."""
    wanted = content_words(words)
    if len(wanted) < 2:
        return None
    scored = sorted(
        ((share_found(wanted, s.text), -len(s.text), -s.index, s) for s in sentences),
        key=lambda entry: entry[:3],
        reverse=True,
    )
    return scored[0][3] if scored and scored[0][0] >= enough else None


def find_answer(sentences: tuple[Sentence, ...], question: str) -> Found | None:
    """Answer a plain question about one sentence, or return None if no sentence tells."""
    question = re.sub(r", according to the passage|^According to the passage, ", "", question.strip())
    for pattern, extract in _SHAPES:
        match = re.match(pattern, question, re.I)
        if match is None:
            continue
        rest = match["rest"].rstrip("?").strip()
        if extract is _defined:
            return _define(sentences, rest)
        sentence = best_sentence(sentences, f"{match.groupdict().get('unit') or ''} {rest}")
        answer = extract(sentence.text, rest, match.groupdict().get("unit") or "") if sentence else None
        return Found(answer, (sentence.text,)) if sentence and answer else None
    return None


def _year_in(sentence: str, rest: str, unit: str) -> str | None:
    asked = {number.value for number in years_of(rest)}
    years = [number.text for number in years_of(sentence) if number.value not in asked]
    return years[0] if len(years) == 1 else None


def _day_in(sentence: str, rest: str, unit: str) -> str | None:
    days = re.findall(r"\b\d{1,2} (?:Jan|Febr|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)[a-z]*", sentence)
    return days[0] if len(days) == 1 else None


def _quantity_in(sentence: str, rest: str, unit: str) -> str | None:
    heads = {lemma(word) for word in words_of(re.split(r" (?:of|in|on|with|for) ", unit)[0])}
    fitting = []
    for number in numbers_of(sentence):
        following = words_of(sentence[number.end :])[:4]
        for place, word in enumerate(following):
            if (
                heads
                and lemma(word) in heads
                and (place == 0 or not any(following[i] in PREPOSITIONS for i in range(place)))
            ):
                fitting.append(f"{number.text} {' '.join(following[: _unit_length(following, heads)])}")
                break
    return fitting[0] if len(fitting) == 1 else None


def _unit_length(following: list[str], heads: set[str]) -> int:
    return max(
        place + 1 for place, word in enumerate(following) if lemma(word) in heads and word.lower() not in _SIZE_WORDS
    )


_SIZE_WORDS = frozenset(["tall", "high", "long", "wide", "deep", "thick", "old", "heavy"])


def _doer_in(sentence: str, rest: str, unit: str) -> str | None:
    """Return what stands before the words of the predicate `rest`."""
    predicate = words_of(rest)[:3]
    low = [word.lower() for word in predicate]
    tokens = placed_words(sentence)
    for place in range(1, len(tokens)):
        here = [token.lower() for token, _ in tokens[place : place + len(low)]]
        if here == low:
            before = sentence[: tokens[place][1]].strip(" ,")
            return _last_phrase(before)
    return None


def _last_phrase(before: str) -> str | None:
    """Cut a lead and an apposition off the words before a verb."""
    parts = [part.strip() for part in before.split(",")]
    if len(parts) == 1:
        return re.sub(r"^(?:In|By|Since) \d{4} ", "", before)
    if (
        len(parts) == 2
        and parts[0].split(" ")[0].lower() not in PREPOSITIONS
        and parts[1].split(" ")[0] in ("a", "an", "the")
    ):
        return parts[0]
    if parts[0].split(" ")[0].lower() in PREPOSITIONS or parts[0].lower() in ("however", "in fact", "today"):
        return _last_phrase(", ".join(parts[1:]))
    return None


def _agent_in(sentence: str, rest: str, unit: str) -> str | None:
    names = re.findall(r"\bby ((?:[A-Z][\w'’.-]+)(?: (?:(?:de|van|von|der) )?[A-Z][\w'’-]+)*)", sentence)
    return names[0] if len(names) == 1 else None


def _place_in(sentence: str, rest: str, unit: str) -> str | None:
    asked = set(words_of(rest))
    places = re.findall(r"\b(?:in|at|near) ((?:the )?[A-Z][\w'’-]+(?: (?:of |and )?(?:the )?[A-Z][\w'’-]+)*)", sentence)
    fitting = [place for place in places if not set(words_of(place)) & asked and not re.match(_MONTH, place)]
    return fitting[0] if len(fitting) == 1 else None


def _defined(sentence: str, rest: str, unit: str) -> str | None:
    match = re.match(
        rf"(?:The )?{re.escape(rest)}(?:, ((?:a|an|the) [^,]+),| (?:is|was) ((?:a|an|the) .+?)(?=,| that | which "
        rf"| who | whose | where | when |\.$))",
        sentence,
        re.I,
    )
    return (match[1] or match[2]) if match else None


def _define(sentences: tuple[Sentence, ...], rest: str) -> Found | None:
    for sentence in sentences:
        answer = _defined(sentence.text, rest, "")
        if answer:
            return Found(answer.removesuffix(" in"), (sentence.text,))
    return None


def _reason_in(sentence: str, rest: str, unit: str) -> str | None:
    match = re.search(r"\bbecause (?!of\b)([^;]+?)(?:, but [^;]+)?\.$", sentence)
    return match[1] if match else None


_SHAPES = (
    (r"(?:In which|In what) year (?:was|were|did|had|has|is) (?P<rest>.+)", _year_in),
    (r"On (?:which|what) (?:day|date) (?:was|were|did|had) (?P<rest>.+)", _day_in),
    (
        r"How many (?P<unit>[a-z -]+?) (?:tall |high |long |wide |deep |thick |old |heavy )?(?:is|are|was|were|"
        r"do|does|did|has|have|had|can|could|will|would) (?P<rest>.+)",
        _quantity_in,
    ),
    (r"Where (?:was|were|did|do|does|is|are|had) (?P<rest>.+)", _place_in),
    (r"By whom (?:was|were) (?P<rest>.+)", _agent_in),
    (
        r"(?:What|Who) (?:is|was) (?P<rest>(?:[A-Z][\w'’-]*(?: (?:of |the |de |von |van )*[A-Z][\w'’-]*)*|(?:an? "
        r"|the )?[a-z-]+(?: [a-z-]+){0,2}))\?$",
        _defined,
    ),
    (r"Why (?:was|were|did|do|does|is|are|had|can|could) (?P<rest>.+)", _reason_in),
    (r"(?:Who|What) (?P<rest>.+)", _doer_in),
)


def find_filler(sentences: tuple[Sentence, ...], gapped: str) -> Found | None:
    """Return the words that fill `____`, by the one place of the passage that reads the same around the gap."""
    before, _, after = gapped.partition("____")
    left, right = _comparable(before), _comparable(after)
    fillers = []
    for sentence in sentences:
        words = words_of(sentence.text)
        low = _comparable(sentence.text)
        for start in range(len(left), len(words) - len(right) + 1):
            for length in (1, 2, 3):
                end = start + length
                if (
                    end + len(right) <= len(words)
                    and low[start - len(left) : start] == left
                    and low[end : end + len(right)] == right
                ):
                    fillers.append(Found(" ".join(words[start:end]), (sentence.text,)))
    answers = {found.answer.lower() for found in fillers}
    return fillers[0] if len(answers) == 1 and len(left) + len(right) >= 4 else None


@lru_cache(maxsize=SENTENCES_KEPT)
def _comparable(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in words_of(text))


def judge(sentences: tuple[Sentence, ...], statement: str) -> tuple[bool, str] | None:
    """Return whether the passage makes `statement` true, with the sentence that says so; None if it is silent."""
    wanted = _comparable(statement)
    for sentence in sentences:
        if _contains(_comparable(sentence.text), wanted) or _contains(
            _comparable(_without_apposition(sentence.text)), wanted
        ):
            return True, sentence.text
    for sentence in sentences:
        if _differs(_comparable(sentence.text), wanted, sentence.text) or _differs(
            _comparable(_without_apposition(sentence.text)), wanted, sentence.text
        ):
            return False, sentence.text
    return None


def _without_apposition(text: str) -> str:
    return re.sub(r"^([A-Z][^,]{2,40}), (?:a|an|the) [^,]{3,70}, (?=[a-z])", r"\1 ", text)


def _contains(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))


def _differs(words: tuple[str, ...], wanted: tuple[str, ...], original: str) -> bool:
    """Whether the two run alike but for one stretch in which figures, names or opposites clash."""
    first = 0
    while first < min(len(words), len(wanted)) and words[first] == wanted[first]:
        first += 1
    best = 0
    for end in range(len(words), first, -1):
        best = 0
        while best < min(end, len(wanted)) - first and words[end - 1 - best] == wanted[len(wanted) - 1 - best]:
            best += 1
        here, there = words[first : end - best], wanted[first : len(wanted) - best]
        if (
            first + best >= 4
            and first + best + max(len(here), len(there)) >= len(wanted)
            and _clash(here, there, original)
        ):
            return True
    return False


def _clash(here: tuple[str, ...], there: tuple[str, ...], original: str) -> bool:
    if not here or not there or len(here) > 4 or len(there) > 4:
        return False
    one, other = value_of(" ".join(here)), value_of(" ".join(there))
    if one is not None and other is not None:
        return one != other
    if (len(here) == len(there) == 1 and OPPOSITES.get(here[0]) == there[0]) or (
        there[0] in OPPOSITES and OPPOSITES[there[0]] == here[0]
    ):
        return True
    capitals = {word.lower() for word in words_of(original) if word[0].isupper()}
    return (
        here[-1] in capitals
        and here[0] in capitals
        and " ".join(here) not in NUMBER_WORDS
        and there[-1] not in STOP_WORDS
        and here[-1] != there[-1]
    )
