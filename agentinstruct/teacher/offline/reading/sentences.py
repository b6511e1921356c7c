"""A passage taken apart into the sentences of its running prose; headings, lists, tables and code are left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentinstruct.teacher.offline.reading.lexicon import words_in

_ABBREVIATIONS = frozenset(
    words_in(
        """
    mr mrs ms dr prof st jr sr vs etc e.g i.e fig figs no vol pp ca cf approx inc ltd co corp dept est gen col capt
    lt rev hon jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k a.m p.m b.c a.d al ed eds op cit ch sec
    """
    )
)
_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]?[A-Z0-9])|[.!?]+[\"'”’)\]]*\s*$")
"""The end of a sentence: its mark, closing quotes, then a capital or figure, or nothing."""
_NOT_PROSE = re.compile(
    r"https?://|\S+@\S+\.|[{}<>|`=\\^~_$%]{1}\S*[{}<>|`=\\^~_$]|::|\(\)|^\s*[#$>%]|//|\*\*|\]\(|[A-Za-z]_(?:[a-z]|\b)|--\w"
)
"""Addresses, markup, code and option names."""
_LIST_LINE = re.compile(r"^\s*(?:[-*+•‣]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+")
_SPEAKER = re.compile(r"^(?:\*\*)?([A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,3})(?: \([^)]*\))?(?:\*\*)?:(?:\*\*)?\s+(?=\S)")
"""`Anna:` or `**Dr Lee** (surgeon):` at the start of a line."""
_SLIP = re.compile(r"\s[.,?!]|\b(?!that|had)([a-z]+) \1\b|\w\(\d|\.\.|,,", re.I)
"""Traces of careless typing or extraction: ` ,`, `the the`, `word(1`, `..`."""
_RULE = re.compile(r"^\s*([-=~^*_#+.|]\s*){3,}$")
"""A line drawn with characters."""
_WORD = re.compile(r"[^\W_]+(?:[-'’.,][^\W_]+)*")

SENTENCES_KEPT = 2_048
"""What is read once in a sentence is kept for so many of them: about those of the passages in hand at one time."""

PRONOUNS = frozenset(
    words_in(
        """
    it he she they we i you this that these those its his her their our my your such here there one another others
    both either neither each some few several many most none all any him them us which who
    """
    )
)
_LEANING = frozenset(
    words_in(
        """
    it he she they we i you this that these those its his her their our my your such here there both either neither
    another others then afterwards later next finally instead otherwise similarly likewise consequently therefore
    thus hence so but and or yet nor also however moreover furthermore meanwhile nevertheless nonetheless still
    besides accordingly again too conversely for none all
    """
    )
)
_CONNECTIVE = re.compile(
    r"^(?:however|moreover|furthermore|in addition|for example|for instance|in fact|indeed|as a result|therefore|thus|"
    r"consequently|in contrast|by contrast|on the other hand|similarly|likewise|in particular|in general|generally|"
    r"nevertheless|nonetheless|meanwhile|overall|typically|usually|today|finally|in practice|of course|instead|also|"
    r"additionally|still|hence|accordingly|in other words|as such|above all|at first|at the same time), ",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of prose: its words on one line, where it stands in the passage as written, and its paragraph."""

    text: str
    start: int
    end: int
    index: int
    paragraph: int
    speaker: str = ""

    @property
    def words(self) -> list[str]:
        """The words, as written."""
        return words_of(self.text)

    @property
    def leans(self) -> bool:
        """Whether it needs the sentence before it to be understood (a pronoun or connective opens it)."""
        first = self.words[0].lower() if self.words else ""
        return first in _LEANING or bool(_CONNECTIVE.match(self.text))

    @property
    def plain(self) -> bool:
        """Whether it can be quoted alone as a statement: a whole clean sentence of a sensible length."""
        return _is_plain(self.text)

    @property
    def stands_alone(self) -> bool:
        """Whether it is plain and says whom and what it is about without help."""
        return self.plain and not self.leans and not _mentions_unresolved(self.text)


def words_of(text: str) -> list[str]:
    """Return the words and numbers of `text` without punctuation; `1,200` and `well-known` are one each."""
    return _WORD.findall(text)


def placed_words(text: str) -> list[tuple[str, int]]:
    """Return the words of `text`, each with the place where it starts."""
    return [(match.group(), match.start()) for match in _WORD.finditer(text)]


def split_sentences(text: str) -> list[str]:
    """Return the sentences of running prose."""
    return [sentence for _, sentence in _split(text)]


def without_connective(text: str) -> str:
    """Drop an opening `However,` or `For example,` and capitalise what follows."""
    shorter = _CONNECTIVE.sub("", text)
    return shorter[:1].upper() + shorter[1:]


def sentences_of(passage: str) -> list[Sentence]:
    """Return the prose sentences of `passage`; `passage[s.start:s.end]` is `s.text` but for line ends in it."""
    found: list[Sentence] = []
    for number, (start, block) in enumerate(_blocks(passage)):
        for line_start, line, speaker in _prose(start, block):
            for offset, text in _split(line):
                start_at = line_start + offset
                one_line = " ".join(text.split())
                found.append(Sentence(one_line, start_at, start_at + len(text), len(found), number, speaker))
    return found


def _blocks(passage: str) -> list[tuple[int, str]]:
    blocks = []
    inside_fence = False
    for match in re.finditer(r"(?:[^\n]|\n(?![ \t]*\n))+", passage):
        block = match.group()
        fences = block.count("```")
        if not inside_fence and not fences:
            blocks.append((match.start(), block))
        inside_fence ^= fences % 2 == 1
    return blocks


def _prose(start: int, block: str) -> list[tuple[int, str, str]]:
    """Return (place, text, speaker) of each piece of running prose in a block of non-empty lines."""
    lines = block.split("\n")
    spoken = [line for line in lines if _SPEAKER.match(line)]
    if spoken and len(spoken) * 2 >= len(lines) and all(len(line) > 12 for line in spoken):
        return _speeches(start, lines)
    if any(line.startswith(("    ", "\t", "#", ">", "..", "|")) or _RULE.match(line) for line in lines):
        return []
    if any(_LIST_LINE.match(line) for line in lines):
        return []
    widest = max(len(line) for line in lines)
    ragged = sum(len(line) < 40 for line in lines[:-1])
    if widest < 30 or ragged * 2 > len(lines):
        return []
    if not re.search(r"[.!?][\"'”’)]*\s*$", block):
        return []
    return [(start, block, "")]


def _speeches(start: int, lines: list[str]) -> list[tuple[int, str, str]]:
    pieces = []
    for line in lines:
        match = _SPEAKER.match(line)
        if match:
            pieces.append((start + match.end(), line[match.end() :], match[1]))
        start += len(line) + 1
    return pieces


def _split(text: str) -> list[tuple[int, str]]:
    pieces: list[tuple[int, str]] = []
    begin = 0
    for match in _END.finditer(text):
        before = text[begin : match.start()].split()
        last = before[-1].lower().lstrip("(\"'“") if before else ""
        initial = len(last) == 1 and last.isalpha() and match.group().startswith(".") and last != "i"
        if (last in _ABBREVIATIONS or initial) and match.end() < len(text.rstrip()):
            continue
        _add(pieces, text, begin, match.end())
        begin = match.end()
    return pieces


def _add(pieces: list[tuple[int, str]], text: str, begin: int, end: int) -> None:
    piece = text[begin:end]
    offset = begin + len(piece) - len(piece.lstrip())
    if piece.strip():
        pieces.append((offset, piece.strip()))


@lru_cache(maxsize=SENTENCES_KEPT)
def _is_plain(text: str) -> bool:
    return 5 <= len(words_of(text)) <= 45 and text.endswith(".") and _clean(text)


_BETWEEN_LETTERS = " ,.'’-"
_ONLY_LETTERS = str.maketrans("", "", _BETWEEN_LETTERS)


def _clean(text: str) -> bool:
    if not re.match(r"[A-Z]", text) or _NOT_PROSE.search(text) or text.count('"') % 2:
        return False
    if text.count("(") != text.count(")") or text.count("“") != text.count("”") or re.search(r"[\"“”;:*\[\]/—]", text):
        return False
    if _SLIP.search(text):
        return False
    if any(len(word) > 5 and word.isupper() for word in words_of(text)):
        return False
    return _mostly_letters(text) and not re.search(r"\b(?:you|your|we|our|I|me|my|us)\b", text)


def _mostly_letters(text: str) -> bool:
    if text.translate(_ONLY_LETTERS).isalpha():
        return True
    return sum(character.isalpha() or character in _BETWEEN_LETTERS for character in text) >= 0.85 * len(text)


def _mentions_unresolved(text: str) -> bool:
    """Whether the opening clause leans on something said before (`the latter`, `as described above`)."""
    return bool(
        re.search(r"\b(?:the latter|the former|above|below|following|aforementioned|see|figure|table)\b", text, re.I)
    )
