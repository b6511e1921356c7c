"""Terms that a text says something definite about, each with the sentence that says it, exactly as written."""

from __future__ import annotations

import re

from agentinstruct.teacher.offline.reading.asking import VAGUE
from agentinstruct.teacher.offline.reading.lexicon import BE, DETERMINERS, STOP_WORDS
from agentinstruct.teacher.offline.reading.passages import Passage
from agentinstruct.teacher.offline.reading.sentences import PRONOUNS, Sentence, words_of

_LONGEST = 4
"""More words than these make a description of something, not its name."""

_NO_NAME = frozenset(["nobody", "everybody", "everyone", "somebody", "nothing", "everything", "more", "less", "other"])


def terms_of(passage: Passage) -> list[tuple[str, str]]:
    """Return (term, quote) pairs, each term once: first what is defined, then what is spoken of, then telling words."""
    ranked: list[tuple[int, int, int, str, str]] = []
    for sentence in passage.asked():
        subject = _subject(passage, sentence)
        if subject:
            ranked.append(
                (subject[0], -passage.text.count(subject[1]), sentence.index, subject[1], _written(passage, sentence))
            )
    for sentence in passage.sentences:
        names = [name.text for name in passage.names(sentence) if " " in name.text]
        long = [word for word in words_of(sentence.text) if len(word) > 6 and word.islower() and word not in STOP_WORDS]
        if names or long:
            term = names[0] if names else max(long, key=len)
            ranked.append((2 if names else 3, 0, sentence.index, term, _written(passage, sentence)))
    terms: dict[str, tuple[str, str]] = {}
    for *_, term, quote in sorted(ranked):
        if term in quote:
            terms.setdefault(term.casefold(), (term, quote))
    return list(terms.values())


def _written(passage: Passage, sentence: Sentence) -> str:
    return passage.text[sentence.start : sentence.end]


def _subject(passage: Passage, sentence: Sentence) -> tuple[int, str] | None:
    """Return (rank, noun phrase) of the sentence's subject, if that is short and names something."""
    clause = passage.clause(sentence)
    if clause is None:
        return None
    term = re.sub(r"^(?:the|an?) ", "", clause.subject, flags=re.I)
    words = term.split(" ")
    pointing = words[0].lower() in DETERMINERS | PRONOUNS | _NO_NAME or words[-1].lower() in VAGUE or " and " in term
    if len(words) > _LONGEST or pointing or not term[0].isalpha():
        return None
    defined = clause.auxiliary in BE and re.match(r"(?:an?|the) ", clause.rest) and clause.whole
    return 0 if defined else 1, term
