"""The answering reader's work with several items: putting events in order, matching pairs, and tracing a pronoun."""

from __future__ import annotations

import re
from itertools import pairwise

from agentinstruct.teacher.offline.reading.finding import Found, best_sentence
from agentinstruct.teacher.offline.reading.sentences import Sentence, words_of
from agentinstruct.teacher.offline.reading.timing import year_of


def arrange(sentences: tuple[Sentence, ...], options: tuple[str, ...]) -> list[tuple[int, int, str]] | None:
    """Return (place of the option, year, sentence) in order of time, if every option has a year of its own."""
    dated = []
    for place, option in enumerate(options):
        year = year_of(sentences, option)
        if year is None:
            return None
        dated.append((place, *year))
    return sorted(dated, key=lambda entry: entry[1]) if len({year for _, year, _ in dated}) == len(dated) else None


def pair_up(
    sentences: tuple[Sentence, ...], question: str, options: tuple[str, ...]
) -> list[tuple[str, int, str]] | None:
    """Return (left item, place of its option, sentence) for each numbered item of the question."""
    items = re.findall(r"^\d+\. (.+)$", question, re.M)
    told = [best_sentence(sentences, option, enough=0.95) for option in options]
    pairs = []
    for item in items:
        fitting = [place for place, sentence in enumerate(told) if sentence and _about(sentence.text, item)]
        if len(fitting) != 1:
            return None
        sentence = told[fitting[0]]
        assert sentence is not None
        pairs.append((item, fitting[0], sentence.text))
    return pairs if len({place for _, place, _ in pairs}) == len(options) and pairs else None


def _about(sentence: str, item: str) -> bool:
    words, wanted = words_of(sentence.lower()), words_of(item.lower())
    if wanted and wanted[0].isdigit():
        return wanted[0] in words
    return any(words[start : start + len(wanted)] == wanted for start in range(min(len(words), 12)))


def referent(sentences: tuple[Sentence, ...], opening: str) -> Found | None:
    """Return the one person named in the sentence before the one that begins with `opening`."""
    for before, sentence in pairwise(sentences):
        if sentence.text.startswith(opening):
            start = re.match(r"([A-Z][\w'’-]+(?: (?:(?:de|van|von|der) )?[A-Z][\w'’-]+)*)\b", before.text)
            return Found(start[1], (before.text, sentence.text)) if start else None
    return None
