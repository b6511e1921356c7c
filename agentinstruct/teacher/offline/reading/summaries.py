"""Summaries that keep to a passage's own words, and the questions that ask for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from agentinstruct.teacher.offline.reading.asking import VAGUE
from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.finding import content_words
from agentinstruct.teacher.offline.reading.passages import Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence, without_connective, words_of
from agentinstruct.teacher.offline.reading.statements import NEEDS_CONTEXT


def summaries(asker: Asker) -> Iterator[Draft]:
    """Yield one task: say in exactly three sentences what the passage tells, without any opinion."""
    chosen = _telling_sentences(asker.passage, 3)
    if sum(len(words_of(sentence.text)) for sentence in chosen) > 90:
        return
    if len(chosen) == 3 and len(asker.passage.sentences) >= 8:
        yield Draft(
            question="Summarise the passage in exactly three sentences and at most 90 words, keeping its order "
            "and adding no opinion.",
            answer="; ".join(sentence.text.rstrip(".") for sentence in chosen)
            + "; exactly three sentences; at most 90 words; no opinion.",
            evidence=tuple(sentence.text for sentence in chosen),
        )


def _telling_sentences(passage: Passage, count: int) -> list[Sentence]:
    """Return the opening sentence and those that say most of what the passage keeps coming back to, in order."""
    usable = [sentence for sentence in passage.asked() if 8 <= len(words_of(sentence.text)) <= 28]
    usable = [sentence for sentence in usable if _clear(passage, sentence)]
    weight = Counter(word for sentence in passage.sentences for word in set(content_words(sentence.text)))
    spoken = {sentence.speaker for sentence in passage.sentences} - {""}
    chosen: list[Sentence] = usable[:1] if usable and usable[0].index < (8 if spoken else 2) else []
    opens = {sentence.paragraph: sentence.index for sentence in reversed(passage.sentences)}

    def rank(sentence: Sentence) -> tuple[float, int]:
        """Prefer a sentence that opens its paragraph, and one whose subject is plain."""
        leading = 1.4 if opens[sentence.paragraph] == sentence.index else 1.0
        plain = 1.3 if passage.clause(sentence) else 1.0
        return -_weight(sentence, weight) * leading * plain, sentence.index

    ranked = sorted(usable, key=rank)
    apart = 3 if len(passage.sentences) >= 15 else 1
    few = len({sentence.paragraph for sentence in passage.sentences}) < count
    for sentence in ranked:
        near = any(
            (sentence.paragraph == other.paragraph and not few)
            or abs(sentence.index - other.index) < apart
            or sentence.text == other.text
            for other in chosen
        )
        if len(chosen) < count and not near and _bears(sentence, weight):
            chosen.append(sentence)
    return sorted(chosen, key=lambda sentence: sentence.index) if len(chosen) == count else []


def _clear(passage: Passage, sentence: Sentence) -> bool:
    """Whether everything the sentence speaks of is named in it."""
    if NEEDS_CONTEXT.search(sentence.text) or _VAGUE.search(sentence.text):
        return False
    clause = passage.clause(sentence)
    bare = re.fullmatch(r"The ([a-z-]+)", clause.subject) if clause else None
    if bare and bare[1] not in words_of(passage.text[:_OPENING].lower()):
        return False
    pronoun = _PRONOUN.search(sentence.text)
    return pronoun is None or any(name.start < pronoun.start() for name in passage.names(sentence))


def _bears(sentence: Sentence, weight: Counter[str]) -> bool:
    """Whether it speaks of what other sentences speak of too."""
    return sum(weight[word] >= 3 for word in set(content_words(sentence.text))) >= 2


_OPENING = 300
"""The characters at the start of a passage within which its subject is named."""
_VAGUE = re.compile(
    r"^The (?:" + "|".join(sorted(VAGUE)) + r")s?\b|\bthe (?:two|three|four) (?![a-z-]+s\b)|^The (?:other|remaining)\b|"
    r"^\w+ing it\b|^(?:What|That|Whoever|Whatever) |^The only |, however,|, for example,|"
    r"\b(?:the same|the opposite|that second)\b|"
    r"\b(?:any|some|one|none)\.$"
)
_PRONOUN = re.compile(r"\b(?:he|she|they|his|her)\b")


def summary_of(passage: Passage, count: int) -> str:
    """Return a summary of exactly `count` sentences, or nothing."""
    return " ".join(without_connective(sentence.text) for sentence in _telling_sentences(passage, count))


def _weight(sentence: Sentence, weight: Counter[str]) -> float:
    words = set(content_words(sentence.text))
    return sum(weight[word] - 1 for word in words) / (len(words) + 4)
