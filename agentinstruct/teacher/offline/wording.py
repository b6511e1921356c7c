"""The words a prompt offers for an answer: its sentences, names, numbers and the phrase it is about."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from agentinstruct.records import content_hash
from agentinstruct.teacher.offline.material import Material

_MATERIAL_FIRST = (
    "passage",
    "seed",
    "text",
    "document",
    "source",
    "problem",
    "statement",
    "code",
    "content",
    "material",
)
_SIGN_OFF = re.compile(r"\b(TERMINATE|APPROVE|APPROVED|DONE|FINISHED|COMPLETE|STOP|END|EXIT)\b")
_WORD = re.compile(r"[^\W_](?:[\w'’-]*[^\W_])?")
_SENTENCE = re.compile(r"\S[^.!?]*[.!?]+(?=\s|$)|\S[^.!?\n]*$", re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.,])\d{1,9}(?:\.\d{1,4})?(?![\w,])")
_TEXTS_KEPT = 256
"""An agent's prompts show the same text many times."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What can be said about a prompt's material in its own words; nothing in it is ever empty."""

    request: str
    sentences: tuple[str, ...]
    names: tuple[str, ...]
    numbers: tuple[float, ...]
    subject: str
    terms: tuple[tuple[str, str], ...]
    """The longest word of each sentence, with the sentence as the text writes it, line ends and all."""

    @classmethod
    def of(cls, material: Material) -> Wording:
        """Gather the words of `material`: of its main section, or of the whole request where it has none."""
        section = next((material.sections[name] for name in _MATERIAL_FIRST if name in material.sections), None)
        if section is None and material.sections:
            section = max(material.sections.values(), key=lambda section: len(section.text))
        text = section.text if section and section.text else material.user
        return replace(_read_words(text, section.attributes.get("title", "") if section else ""), request=material.user)

    def mentions(self, word: str) -> bool:
        """Whether the user's text holds `word` as a word of its own."""
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.request, re.I) is not None

    def choice(self, name: str, count: int) -> int:
        """Return a number below `count` that prompt and field name decide."""
        return int(content_hash(self.request, name), 16) % count

    def sentence(self, place: int) -> str:
        """Return a sentence; they come round again when all are used."""
        return self.sentences[place % len(self.sentences)]

    def name(self, place: int) -> str:
        """Return a telling word; later rounds are numbered, so no two places are equal."""
        turn, at = divmod(place, len(self.names))
        return f"{self.names[at]} {turn + 1}" if turn else self.names[at]

    def term(self, place: int) -> tuple[str, str]:
        """Return a term and a quotation that holds it; once all are used, a name and any sentence."""
        return self.terms[place] if place < len(self.terms) else (self.name(place), self.sentence(place))


@lru_cache(maxsize=_TEXTS_KEPT)
def _read_words(text: str, title: str) -> Wording:
    """Gather the words of `text`, for whatever request."""
    written = [found.group() for found in _SENTENCE.finditer(text) if len(_WORD.findall(found.group())) > 2]
    words = [word for word in _WORD.findall(text) if len(word) > 3]
    terms = {max(_WORD.findall(sentence), key=len): sentence for sentence in reversed(written)}
    frequent = Counter(word.lower() for word in words)
    return Wording(
        "",
        tuple(" ".join(sentence.split()) for sentence in written) or (" ".join(words[:12]) or "Nothing is said here.",),
        tuple(dict.fromkeys(words)) or ("nothing",),
        tuple(dict.fromkeys(float(figure) for figure in _NUMBER.findall(text))),
        title or (frequent.most_common(1)[0][0] if frequent else "the text"),
        tuple(reversed(terms.items())),
    )


def plain_reply(material: Material) -> str:
    """Answer a request that has no reply schema: the sentences of its material that share most words with it.

    Where the instruction asks for an upper-case word once all is done (`TERMINATE`), the reply ends with it.
    """
    wording = Wording.of(material)
    outside = re.sub(r"<([a-z_]+)[^>]*>.*?</\1>", " ", material.user, flags=re.S)
    wanted = {word.lower() for word in _WORD.findall(f"{outside} {material.text('question')}")}

    def distance(place: int) -> int:
        return -len(wanted & {word.lower() for word in _WORD.findall(wording.sentences[place])})

    nearest = sorted(range(len(wording.sentences)), key=lambda place: (distance(place), place))[:3]
    reply = " ".join(wording.sentences[place] for place in sorted(nearest))
    sign_off = _SIGN_OFF.search(material.system)
    return f"{reply}\n\n{sign_off[1]}" if sign_off else reply
