"""Bytes to text: byte order marks, UTF-8, and a guess by charset-normalizer for what is neither.

charset-normalizer (MIT, no dependencies of its own) weighs how natural the decoded text looks, which is
the only evidence an unlabelled file gives. It is asked last and only about encodings people have saved text in.
"""

from __future__ import annotations

import codecs
import re

from agentinstruct.readers.document import Unreadable, foreign_parser

SAMPLE = 65_536
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the first half of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "shift_jis", "euc_jp"]
_LEGACY += ["gb18030", "big5", "euc_kr", "utf_16_le", "utf_16_be"]
_SIGN_IN_WORD = re.compile(r"[^\W\d_][¢£¥¦§©¬®°±²³´¶¹¼½¾¿][^\W\d_]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\u200b\ufeff]")


def decode(data: bytes, declared: str = "") -> str:
    """Return `data` as text; `declared` is an encoding the file names itself. Raises `Unreadable` if it is not text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding)
    if is_binary(data):
        raise Unreadable("is binary")
    for encoding in ("utf-8", declared):
        try:
            if encoding:
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return _guessed(data)


def encoding_of(sample: bytes) -> str:
    """Return the encoding of a file that begins with `sample`, for files too large to decode at once."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if is_binary(sample):
        raise Unreadable("is binary")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # the sample may end within a character
    except UnicodeDecodeError:
        return _guess(sample)
    return "utf-8"


def is_binary(data: bytes) -> bool:
    """Tell whether bytes without a mark are no text: NULs in the first kilobytes that UTF-16 does not explain."""
    sample = data[:8192]
    if b"\0" not in sample:
        return False
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2 or 1
    return not (max(even, odd) > 0.4 * half and min(even, odd) < 0.02 * half)


def tidy(text: str, *, empty_lines: int = 1) -> str:
    """Return text with Unix line ends, no control characters, no trailing blanks and at most `empty_lines` in a row.

    Lone surrogates, which JSON can smuggle in and no file can store, become replacement characters.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n").replace("\xa0", " ")
    text = _CONTROL.sub("", text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    stripped = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return re.sub(rf"\n{{{empty_lines + 2},}}", "\n" * (empty_lines + 1), stripped)


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is marked as {encoding} and is not, at byte {error.start}") from error


def _guessed(data: bytes) -> str:
    encoding = _guess(data[:SAMPLE])
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"looks like {encoding} and breaks at byte {error.start}: save it as UTF-8") from error


def _guess(sample: bytes) -> str:
    import charset_normalizer

    with foreign_parser("text"):
        best = charset_normalizer.from_bytes(sample, cp_isolation=_LEGACY).best()
    if best is None:
        raise Unreadable("is in no encoding that could be told: save it as UTF-8")
    return "cp1252" if best.encoding == "cp1250" and _reads_as_western(sample) else best.encoding


def _reads_as_western(sample: bytes) -> bool:
    """Tell Western from Central European text, which charset-normalizer finds alike: it took French for Hungarian.

    The letters that only the latter has fall on signs of the former, which do not stand within words.
    """
    try:
        return not _SIGN_IN_WORD.search(sample.decode("cp1252"))
    except UnicodeDecodeError:
        return False
