"""Statements about a passage: true ones it makes, and false ones made by changing one decisive word or figure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random

from agentinstruct.teacher.offline.reading.events import DATE_PHRASE, events_of
from agentinstruct.teacher.offline.reading.lexicon import words_in
from agentinstruct.teacher.offline.reading.passages import PASSAGES_KEPT, Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence, without_connective, words_of
from agentinstruct.teacher.offline.reading.spans import MONTHS, NUMBER_WORDS, Number, numbers_of, plain_number, value_of

_OPPOSITE_PAIRS = """
north south|east west|northern southern|eastern western|hot cold|warm cool|warmer cooler|high low|higher lower
large small|larger smaller|largest smallest|longest shortest|longer shorter|highest lowest|increased decreased
increases decreases|rose fell|rises falls|above below|before after|upper lower|always never|heavier lighter
harder softer|wider narrower|deeper shallower|thicker thinner|faster slower|oldest youngest|older younger
summer winter|male female|inside outside|cheap expensive|cheaper dearer|easier harder|strong weak
stronger weaker|early late|earlier later|best worst|most fewest|empty full|wet dry|light dark|hard soft
safe dangerous|rich poor|success failure|more less|succeeded failed|accepted rejected|private public|heavy light
quickly slowly|gained lost|northwest southeast|begins ends|began ended|narrow wide|shallow deep|thin thick
rarely often|left right|clockwise anticlockwise|hottest coldest|widest narrowest|coarse fine|sweet bitter
liquid solid
"""
OPPOSITES: dict[str, str] = {}
for _pair in re.split(r"[|\n]", _OPPOSITE_PAIRS.strip()):
    _one, _other = _pair.split(" ")
    OPPOSITES.setdefault(_one, _other)
    OPPOSITES.setdefault(_other, _one)
_AMBIGUOUS = frozenset(
    words_in(
        """
    left right light fine soft hard early late full hard lower fell most began ended before after more less lost
    """
    )
)
"""Words with a second meaning in which their opposite makes nonsense."""
_ROUND = re.compile(
    r"\b(?:more than|over|at least|up to|less than|fewer than|under|almost|nearly|between|from|only)\s*$", re.I
)
"""Words before a figure that another figure would leave true, or make odd."""
_MONTH_AFTER = re.compile(r" (?:" + "|".join(MONTHS) + r")\b")
_SECOND_CLAUSE = re.compile(r", (?:and|but|so|because|since|while|whereas|although|yet|for) ")
_POINTS_BACK = re.compile(
    r"^(?:In|On|At|By|From|After|Before|For|With|Only|During|To|Under) (?:\S+ ){0,7}"
    r"(?:it|its|she|her|he|his|they|their)\b"
)
"""A lead with a pronoun, whose meaning lies in an earlier sentence."""
_VAGUE_OPENING = re.compile(
    r"^(?:The (?:rest|remaining|other|result|reason|story|case|answer|idea|same)\b|Part of )|, however,|"
    r"\b(?:any|some|one|none)\.$"
)
"""Openings and endings that make a statement empty when it stands alone."""
NEEDS_CONTEXT = re.compile(
    r"\b(?:then|therefore|this|these|those|him|them|also|themselves|himself|herself|itself|another|later|earlier|"
    r"too|such|former|latter|"
    r"as much|thus|at the time|by that time|instead|that (?:system|part|problem|method|time|year|day|idea|view|"
    r"feature))\b|"
    r"\bthere\b(?! (?:is|are|was|were|has|had))|\bthere (?:is|are|was|were) \w+(?:ed|wn|ft)\b|"
    r"^(?:Half|After less|In all|On the (?:following|next|same)|At "
    r"first|The (?:next|following|same))\b"
)
"""Words by which a statement leans on the sentences around it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be judged, whether the passage makes it true, and the sentence that settles it."""

    text: str
    true: bool
    sentence: Sentence


@lru_cache(maxsize=PASSAGES_KEPT)
def true_statements(passage: Passage) -> tuple[Statement, ...]:
    """Return what the passage states, in its own words, each able to stand alone."""
    found = []
    for sentence in passage.asked():
        text = without_connective(sentence.text)
        clause = passage.clause(sentence)
        if clause and not clause.whole and not clause.apposition and not clause.lead and "," not in clause.statement:
            following = text.removeprefix(clause.statement)
            if _SECOND_CLAUSE.match(following) and len(words_of(clause.statement)) >= 6:
                text = clause.statement + "."
        unsure = re.search(r"\b(?:if|unless|believed|thought|supposed|may|might|perhaps)\b", text)
        vague = _VAGUE_OPENING.search(text) or NEEDS_CONTEXT.search(text)
        if 6 <= len(words_of(text)) <= 28 and not (unsure or vague or _POINTS_BACK.search(text)):
            found.append(Statement(text, True, sentence))
    return tuple(found)


def false_statement(passage: Passage, statement: Statement, chance: Random) -> Statement | None:
    """Change one figure, year, name or telling word of a true statement, so that the passage contradicts it."""
    for change in (_other_number, _other_name, _opposite):
        text = change(passage, statement.text, chance)
        if text is not None:
            return Statement(text, False, statement.sentence)
    return None


def order_statements(passage: Passage, chance: Random) -> Iterator[tuple[Statement, Sentence]]:
    """Yield true and false claims about which of two dated events came first, with the second sentence needed."""
    events = events_of(passage)
    pairs = [(a, b) for a in events for b in events if a.year < b.year and a.sentence.index != b.sentence.index]
    chance.shuffle(pairs)
    for earlier, later in pairs:
        if (
            len(words_of(earlier.inside)) + len(words_of(later.inside)) <= 36
            and " before " not in earlier.inside + later.inside
        ):
            true = f"{earlier.statement[:-1]} before {later.inside}."
            yield Statement(true, True, earlier.sentence), later.sentence
            yield Statement(f"{later.statement[:-1]} before {earlier.inside}.", False, earlier.sentence), later.sentence


def near_numbers(number: Number, taken: set[float], chance: Random) -> Iterator[str]:
    """Yield other figures of the same look and a like size, none of them in `taken`, without end."""
    while True:
        if number.year:
            value: float = int(number.value) + chance.choice((-1, 1)) * chance.randint(2, 20)
        elif number.value == int(number.value) and number.value >= 10:
            unit = 10 ** max(0, len(plain_number(number.value).rstrip("0")) and _zeros(number.value))
            value = number.value + chance.choice((-1, 1)) * unit * chance.randint(1, 9)
        elif number.value == int(number.value):
            value = number.value + chance.choice((-3, -2, -1, 1, 2, 3, 4))
        else:
            value = round(number.value * chance.choice((0.5, 0.6, 0.7, 1.4, 1.6, 2.0, 1.2)), 1)
        if value > 1 and value not in taken and (not number.year or value < 2025):
            taken.add(value)
            yield _written_like(number, value)
        elif len(taken) > 60:
            return
        else:
            taken.add(-len(taken) - 1.5)


def _zeros(value: float) -> int:
    digits = plain_number(value)
    return len(digits) - len(digits.rstrip("0"))


def _written_like(number: Number, value: float) -> str:
    """Write `value` the way `number` is written: words for words, commas for commas, `million` for `million`."""
    magnitude = re.search(r" (hundred|thousand|million|billion)$", number.text)
    if magnitude:
        value = value / {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9}[magnitude[1]]
    if not number.text[0].isdigit():
        for word, known in NUMBER_WORDS.items():
            if known == value:
                return word + (magnitude.group() if magnitude else "")
    figure = (
        f"{int(value):,}"
        if value == int(value) and (value >= 10_000 or "," in number.text) and not number.year
        else plain_number(value)
    )
    return figure + (magnitude.group() if magnitude else "")


def _other_number(passage: Passage, text: str, chance: Random) -> str | None:
    numbers = [number for number in numbers_of(text) if not number.hedged or number.year]
    numbers = [number for number in numbers if _changeable(text, number)]
    if not numbers or len(numbers_of(text)) > 2:
        return None
    number = chance.choice(numbers)
    if number.year and not DATE_PHRASE.search(text) and not re.search(r"\b(?:in|In) $", text[: number.start]):
        return None
    taken = {other.value for sentence in passage.sentences for other in passage.numbers(sentence)}
    if _MONTH_AFTER.match(text[number.end :]):
        day = chance.choice([day for day in range(1, 29) if day not in taken])
        return text[: number.start] + str(day) + text[number.end :]
    share = text[number.end :].startswith((" per cent", "%"))
    for figure in near_numbers(number, taken, chance):
        if share and (value_of(figure) or 0) >= 100:
            continue
        return text[: number.start] + _capital(figure, number.start) + text[number.end :]
    return None


def _changeable(text: str, number: Number) -> bool:
    """Whether another figure in this place would still make sense, and would make the statement false."""
    before, after = text[: number.start], text[number.end :]
    part_of_name = re.search(r"(?:[A-Z][\w.-]*|\bnumber|\bunder) $", before) and not re.search(
        r"^(?:In|On|At|By|From|The|Since|After|Before|About|Some|For|All|With|Within) $|\b(?:"
        + "|".join(MONTHS)
        + r") $",
        before,
    )
    labelled = re.search(r"[A-Za-z]-$|\b(?:type|class|grade|phase|level) $|\d (?:and|or) $", before)
    labelled = labelled or re.match(r" (?:and|or) \d", after)
    address = re.match(r"(?:,? [A-Z]|,? BC|,? AD|–|-)", after) and not _MONTH_AFTER.match(after)
    return number.value > 1 and not (part_of_name or labelled) and not address and not _ROUND.search(before)


def _capital(words: str, start: int) -> str:
    return words[:1].upper() + words[1:] if start == 0 else words


def _other_name(passage: Passage, text: str, chance: Random) -> str | None:
    sentence = Sentence(text, 0, len(text), 0, 0)
    names = [name for name in passage.names(sentence) if name.kind == "person" and " " in name.text and name.start < 60]
    here = set(words_of(text))
    others = [
        name
        for name, kind in passage.kinds.items()
        if kind == "person" and " " in name and not here & set(name.split(" "))
    ]
    if len(names) != 1 or not others or text.count(names[0].text) != 1:
        return None
    name = names[0]
    if text[name.end :].startswith((",", "'", "’")) or not re.search(r"\bby $|^(?:The )?$", text[: name.start]):
        return None
    return text[: name.start] + chance.choice(sorted(others)) + text[name.end :]


_FIXED = re.compile(
    r"\b(?:best|worst|most|least|well)[- ]known\b|\b(?:deep|light|dark) (?:blue|red|green|brown|sleep)\b|"
    r"\b(?:success|failure) rate\b|\b(?:keep|keeps|kept|no) longer\b|\b(?:high|low) tides?\b|"
    r"\bhigh (?:school|street|priest)\b",
    re.I,
)
"""Phrases in which the opposite word makes no sense, or makes no difference."""


def _opposite(passage: Passage, text: str, chance: Random) -> str | None:
    words = opposite_words(text)
    if not words:
        return None
    word = chance.choice(words)
    return re.sub(rf"\b{word}\b", OPPOSITES[word], text)


def opposite_words(text: str) -> list[str]:
    """Return the words of a statement whose opposite, put in their place, makes it false and leaves it sound."""
    if re.search(r"\b(?:not|no|never|than|both|either|whether)\b", text) or _FIXED.search(text):
        return []
    words = words_of(text)
    single = [word for word in words if word in OPPOSITES and word not in _AMBIGUOUS and words.count(word) == 1]
    articles = {word: before.lower() for before, word in pairwise(words)}
    return [
        word
        for word in single
        if OPPOSITES[word] not in words
        and (articles.get(word) not in ("a", "an") or (articles[word] == "an") == (OPPOSITES[word][0] in "aeiou"))
    ]
