"""Summaries that keep to a passage's own words, and the questions that ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.finding import content_words
from agentinstruct.teacher.offline.reading.passages import Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence, without_connective, words_of
from agentinstruct.teacher.offline.reading.statements import POINTING


def summaries(asker: Asker) -> Iterator[Draft]:
    """Yield one task: say in exactly three sentences what the passage tells, without any opinion."""
    chosen = telling_sentences(asker.passage, 3)
    if len(chosen) == 3 and len(asker.passage.sentences) >= 8:
        yield Draft(
            question="Summarise the passage in exactly three sentences and at most 90 words, keeping its order "
            "and adding no opinion.",
            answer="; ".join(sentence.text.rstrip(".") for sentence in chosen)
            + "; exactly three sentences; at most 90 words; no opinion.",
            evidence=tuple(sentence.text for sentence in chosen),
        )


def telling_sentences(passage: Passage, count: int) -> list[Sentence]:
    """Return the opening sentence and those that say most of what the passage keeps coming back to, in order."""
    usable = [sentence for sentence in passage.asked() if 8 <= len(words_of(sentence.text)) <= 30]
    usable = [sentence for sentence in usable if not POINTING.search(sentence.text)]
    weight = Counter(word for sentence in passage.sentences for word in set(content_words(sentence.text)))
    chosen: list[Sentence] = usable[:1] if usable and usable[0].index < 3 else []
    ranked = sorted(usable, key=lambda s: (-_weight(s, weight), s.index))
    for apart in ("paragraph", "index"):
        for sentence in ranked:
            if len(chosen) < count and all(getattr(sentence, apart) != getattr(other, apart) for other in chosen):
                chosen.append(sentence)
    return sorted(chosen, key=lambda sentence: sentence.index) if len(chosen) == count else []


def summary_of(passage: Passage, count: int) -> str:
    """Return a summary of exactly `count` sentences, or nothing."""
    return " ".join(without_connective(sentence.text) for sentence in telling_sentences(passage, count))


def _weight(sentence: Sentence, weight: Counter[str]) -> float:
    words = set(content_words(sentence.text))
    return sum(weight[word] - 1 for word in words) / (len(words) + 4)
