"""A passage as the writers of questions see it: its sentences, and what kind of thing each name stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from agentinstruct.teacher.offline.reading.clauses import Clause, clause_of
from agentinstruct.teacher.offline.reading.lexicon import (
    AUXILIARIES,
    BASES,
    DETERMINERS,
    PAST_TO_BASE,
    PREPOSITIONS,
    THIRD_TO_BASE,
    words_in,
)
from agentinstruct.teacher.offline.reading.sentences import Sentence, sentences_of, words_of
from agentinstruct.teacher.offline.reading.spans import Name, NameKind, Number, names_of, numbers_of

_PROPER_ENDINGS = ("ish", "ese", "ean", "ian", "can")
_NOT_PROPER = frozenset(
    words_in(
        """
    human urban ocean clean mean median organ finish polish median can
    """
    )
)


_NO_VERB_AFTER = DETERMINERS | PREPOSITIONS | {"and", "or"}


PASSAGES_KEPT = 128
"""What is read once in a passage is kept for so many of them: twice as many as a run has in hand at one time."""


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A passage taken apart once, and asked many times; it equals only itself, so that it can be a cache's key."""

    text: str
    title: str
    sentences: tuple[Sentence, ...]
    kinds: dict[str, NameKind]
    lower: frozenset[str]

    def names(self, sentence: Sentence) -> list[Name]:
        """Return the names in `sentence`, each with the kind the whole passage suggests."""
        return [Name(n.text, n.start, self.kinds.get(n.text, n.kind)) for n in names_of(sentence.text, self.kinds)]

    def numbers(self, sentence: Sentence) -> list[Number]:
        """Return the numbers and years in `sentence`."""
        return numbers_of(sentence.text)

    def clause(self, sentence: Sentence) -> Clause | None:
        """Return the sentence as subject, verb and rest, if its shape is plain enough to be sure of."""
        return clause_of(sentence.text)

    def exact(self, words: Iterable[str]) -> list[str]:
        """Return those of `words` that are sentences here, each once, as the passage writes them, line ends and all."""
        written = {sentence.text: self.text[sentence.start : sentence.end] for sentence in self.sentences}
        return [written[sentence] for sentence in dict.fromkeys(words) if sentence in written]

    def asked(self) -> list[Sentence]:
        """Return the sentences a question can safely be about."""
        return list(_asked(self))

    def inside(self, phrase: str) -> str:
        """Return `phrase`, which opened a sentence, as it reads inside one."""
        first, _, rest = phrase.partition(" ")
        return phrase[:1].lower() + phrase[1:] if self._common(first, rest) else phrase

    def _common(self, first: str, rest: str) -> bool:
        low = first.lower()
        if low in ("nobody", "everyone", "everybody", "nothing", "everything", "somebody"):
            return True
        if first in self.kinds and low not in DETERMINERS:
            return False
        if low in DETERMINERS or low in PREPOSITIONS or low in self.lower or low.removesuffix("s") in self.lower:
            return True
        if first in self.kinds or any(name.startswith(first + " ") for name in self.kinds) or not first[1:].islower():
            return False
        if low.endswith(_PROPER_ENDINGS) and low not in _NOT_PROPER:
            return False
        if rest[:1].islower() and rest.split(" ", maxsplit=1)[0] not in ("and", "or", "of"):
            return True
        return low.endswith(
            ("ium", "sis", "tion", "ity", "ness", "ment", "ing", "ism", "ure", "s")
        ) and not low.endswith(("us", "ss"))


@lru_cache(maxsize=PASSAGES_KEPT)
def _asked(passage: Passage) -> tuple[Sentence, ...]:
    return tuple(sentence for sentence in passage.sentences if sentence.stands_alone and _tells(sentence))


def _tells(sentence: Sentence) -> bool:
    """Whether it is a statement with a finite verb, and neither a request nor a title."""
    words = sentence.words
    if words[0] in ("Please", "Note", "Yes", "No", "Copyright", "Let", "Available", "Imagine", "Suppose", "Consider"):
        return False
    if (words[0].lower() in BASES and words[1].lower() in DETERMINERS) or _without_subject(words):
        return False
    finite = (word in AUXILIARIES or word in PAST_TO_BASE or word in THIRD_TO_BASE or word in BASES for word in words)
    before = ["the", *words]
    return any(verb and before[place].lower() not in _NO_VERB_AFTER for place, verb in enumerate(finite))


_NO_SUBJECT = frozenset(
    words_in(
        """
    useful suitable handy ideal optional required deprecated used called same similar equivalent good necessary
    possible default defaults returns creates decodes encodes searches parses prints gets sets computes initialises
    initializes allocates loads saves checks like such reuse use see
    """
    )
)


def _without_subject(words: list[str]) -> bool:
    """Whether a sentence of a manual leaves its subject out (`Creates the structures`), or has lost its verb."""
    first, second = words[0].lower(), words[1].lower()
    if first in _NO_SUBJECT or (first in THIRD_TO_BASE and second in DETERMINERS | PREPOSITIONS):
        return True
    return first == "only" and words[2].lower() in ("any", "all")


@lru_cache(maxsize=PASSAGES_KEPT)
def read_passage(text: str, title: str = "") -> Passage:
    """Take `text` apart; the last few passages are kept, as one passage is asked about many times in a row."""
    sentences = tuple(sentences_of(text))
    kinds: dict[str, NameKind] = {}
    lower: set[str] = set()
    for sentence in sentences:
        lower.update(word for word in words_of(sentence.text) if word[0].islower())
        for name in names_of(sentence.text):
            if kinds.get(name.text, "other") == "other":
                kinds[name.text] = name.kind
    for full, kind in list(kinds.items()):
        last = full.split(" ")[-1]
        if kind == "person" and last != full:
            kinds[last] = "person"
    return Passage(text, title, sentences, kinds, frozenset(lower))
