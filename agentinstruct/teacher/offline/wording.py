"""The words a prompt offers for an answer: its sentences, names, numbers and the phrase it is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from agentinstruct.records import content_hash
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.finding import content_words, share_found
from agentinstruct.teacher.offline.reading.lexicon import STOP_WORDS
from agentinstruct.teacher.offline.reading.passages import PASSAGES_KEPT, read_passage
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.terms import terms_of

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


@dataclass(frozen=True, slots=True)
class Wording:
    """What can be said about a prompt's material in its own words; nothing in it is ever empty."""

    request: str
    sentences: tuple[str, ...]
    names: tuple[str, ...]
    numbers: tuple[float, ...]
    subject: str
    terms: tuple[tuple[str, str], ...]
    """Terms, each with the sentence about it as the text writes it, line ends and all."""

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
        """Return a name or telling word; later rounds are numbered, so no two places are equal."""
        turn, at = divmod(place, len(self.names))
        return f"{self.names[at]} {turn + 1}" if turn else self.names[at]

    def term(self, place: int) -> tuple[str, str]:
        """Return a term and a quotation that holds it; once all are used, a name and any sentence."""
        return self.terms[place] if place < len(self.terms) else (self.name(place), self.sentence(place))


@lru_cache(maxsize=PASSAGES_KEPT)
def _read_words(text: str, title: str) -> Wording:
    """Gather the words of `text`, for whatever request: an agent's prompts show the same text many times."""
    passage = read_passage(text)
    sentences = [sentence.text for sentence in passage.sentences if sentence.plain]
    if not sentences:
        lines = [re.sub(r"\s+", " ", line).strip() for line in re.split(r"\n+|(?<=[.!?])\s+", text)]
        sentences = [line for line in lines if len(words_of(line)) > 2]
    words = [word for word in words_of(text) if len(word) > 2 and word.lower() not in STOP_WORDS]
    numbers = [float(figure) for figure in re.findall(r"(?<![\w.,])\d{1,9}(?:\.\d{1,4})?(?![\w,])", text)]
    return Wording(
        "",
        tuple(sentences) or (" ".join(words[:12]) or "Nothing is said here.",),
        tuple(dict.fromkeys([*passage.kinds, *words])) or ("nothing",),
        tuple(dict.fromkeys(numbers)),
        title or _subject(text, words, tuple(passage.kinds)),
        tuple(terms_of(passage)) or tuple(_line_terms(text)),
    )


def _line_terms(text: str) -> Iterator[tuple[str, str]]:
    """Yield the longest word of each line of a text that has no sentences, with the line."""
    for line in text.splitlines():
        words = [word for word in words_of(line) if len(word) > 3 and word.isalpha()]
        if len(words) > 2:
            yield max(words, key=len), line.strip()


def _subject(text: str, words: list[str], names: tuple[str, ...]) -> str:
    heading = text.strip().split("\n")[0].strip("# ").strip()
    if 0 < len(words_of(heading)) <= 9 and not heading.endswith((".", "?", ":", ",")) and "\n" in text.strip():
        return heading
    common = Counter(name for name in names for _ in range(text.count(name)))
    if common and common.most_common(1)[0][1] > 1:
        return common.most_common(1)[0][0]
    frequent = Counter(word.lower() for word in words if len(word) > 3)
    return frequent.most_common(1)[0][0] if frequent else "the text"


def plain_reply(material: Material) -> str:
    """Answer a request that has no reply schema: the sentences of its material that bear on it most.

    Where the instruction asks for an upper-case word once all is done (`TERMINATE`), the reply ends with it.
    """
    wording = Wording.of(material)
    outside = re.sub(r"<([a-z_]+)[^>]*>.*?</\1>", " ", material.user, flags=re.S)
    wanted = content_words(f"{outside} {material.text('question')}") or content_words(wording.subject)
    ranked = sorted(
        range(len(wording.sentences)), key=lambda place: (-share_found(wanted, wording.sentences[place]), place)
    )
    reply = " ".join(wording.sentences[place] for place in sorted(ranked[:3]))
    sign_off = _SIGN_OFF.search(material.system)
    return f"{reply}\n\n{sign_off[1]}" if sign_off else reply
