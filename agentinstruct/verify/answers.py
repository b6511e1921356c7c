"""Whether a student's reply comes to the wanted answer: exact for numbers, math-verify for formulas, else its words.

Orca-Math lets a teacher draw the short answer out of each reply; here a program tries first, and says so when it
cannot read one (`UNREADABLE`), because a guess would label a reply wrongly. Replies are hostile text.
"""

from __future__ import annotations

import re
from enum import StrEnum

from agentinstruct.verify.expressions import same_expression
from agentinstruct.verify.numbers import find_numbers, parse_number, same_number

_LONGEST = 20_000
"""Characters of a reply's end that are looked at: an answer stands there, and the time stays bounded."""
_LONGEST_ANSWER = 200

_MARKED = re.compile(r"^[ \t]*####[ \t]+(?P<answer>[^\n]+)$", re.M)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]*\{")
_STATED = re.compile(
    r"(?:\b(?:the|my|our|your)[ \t](?:final[ \t]|correct[ \t]|right[ \t])?answer[ \t]+"
    r"(?:is|would[ \t]be|comes[ \t]to)\b(?![ \t]+(?:not|no)\b)"
    r"|^[ \t>*_-]*(?:final[ \t])?answer(?=[ \t*_]*[:=]))[ \t*_]*[:=]?[ \t*_]*",
    re.I | re.M,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[*_)\"”’]*[ \t]+(?=\S)")
_NO_STATEMENT = re.compile(r"\bnot\b|n['’]t\b|\?\W*$", re.I)
_AFTERTHOUGHT = re.compile(r"[,;]?\s*(?:(?<=\S)\s\(\s*(?=[a-z])|\b(?:because|since|as)\b).*", re.I | re.S)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(\d{1,30})\s*\}\s*\{\s*(\d{1,30})\s*\}")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_BOXED_WHOLE = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}", re.S)
_LETTER = re.compile(r"[(\[]?([a-z])[)\].]?")


class Outcome(StrEnum):
    """What a program makes of a reply; `UNREADABLE` when it found no answer, or several, where one was wanted."""

    RIGHT = "right"
    WRONG = "wrong"
    UNREADABLE = "unreadable"


def mark(reply: str, wanted: str) -> Outcome:
    r"""Compare what `reply` comes to with `wanted`, the answer alone (`42`, `3/4`, `\sqrt{2}`, `Paris`).

    A wrong answer is one that could be read. Raises `MissingExtra` for formulas where math-verify is not installed.
    """
    given = final_answer(reply)
    if given is None:
        return Outcome.UNREADABLE
    if same_answer(given, wanted):
        return Outcome.RIGHT
    if parse_number(_plain(wanted)) is None:
        return Outcome.WRONG
    return Outcome.UNREADABLE if _number(_plain(given)) is None else Outcome.WRONG


def final_answer(reply: str) -> str | None:
    r"""Return the answer a reply states, as it is written there, or None when it states none.

    The last of `#### x`, `\boxed{x}`, `The answer is x` and `Answer: x` holds. Where there is none of them, it is the
    number of the last sentence, or the last result of a computation in it, if there is but one: an earlier number may
    be anything.
    """
    text = reply[-_LONGEST:].strip()
    found = [*_marked(text), *_boxed(text), *_stated(text)]
    if found:
        return max(found)[1]
    return _last_number(text)


def same_answer(given: str, wanted: str) -> bool:
    """Say whether two short answers are the same: two numbers exactly, formulas as formulas, others word for word.

    A sentence about one number counts as that number, a chain of equations as what it ends in.
    """
    one, other = _plain(given), _plain(wanted)
    if not one or not other:
        return False
    if parse_number(other) is not None and (number := _number(one)) is not None:
        return same_number(number, other)
    if _words(one) == _words(other):
        return True
    return same_expression(one, other)


def _marked(text: str) -> list[tuple[int, str]]:
    """`####` also opens headings, so it marks an answer on the last line, or before a number that stands alone."""
    found = [(match.end(), match["answer"].strip()) for match in _MARKED.finditer(text)]
    return [(end, answer) for end, answer in found if end == len(text) or parse_number(_plain(answer)) is not None]


def _boxed(text: str) -> list[tuple[int, str]]:
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return []
    start, depth = boxes[-1].end(), 1
    for place in range(start, min(len(text), start + _LONGEST_ANSWER)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            answer = text[start:place].strip()
            return [(place, answer)] if answer else []
    return []


def _stated(text: str) -> list[tuple[int, str]]:
    found = []
    for match in _STATED.finditer(text):
        line = text[match.end() :].partition("\n")[0][: _LONGEST_ANSWER * 5]
        answer = _SENTENCE_END.split(line, maxsplit=1)[0]
        answer = _AFTERTHOUGHT.sub("", answer).strip(' \t*_`"“”.:;,')
        if answer and len(answer) <= _LONGEST_ANSWER:
            found.append((match.end(), answer))
    return found


def _last_number(text: str) -> str | None:
    line = text[text.rfind("\n") + 1 :].strip()
    sentence = _SENTENCE_END.split(line)[-1]
    if _NO_STATEMENT.search(sentence):
        return None
    result = _plain(sentence.rpartition("=")[2])
    numbers = find_numbers(result)
    if len(result) > _LONGEST_ANSWER * 2 or len(numbers) != 1:
        return None
    return result if parse_number(result) is not None else _signed(result, numbers[0].start, numbers[0].end)


def _number(text: str) -> str | None:
    """Return the one number that a short answer comes to, or None when it holds none or several."""
    if parse_number(text) is not None:
        return text
    if len(text) > _LONGEST_ANSWER or "\\" in text or "," in text.replace(", ", ""):
        return None
    if "=" in text and " and " not in text and ", " not in text:
        text = text.rpartition("=")[2].strip()
        return text if parse_number(text) is not None else None
    numbers = find_numbers(text)
    if len(numbers) != 1 or not re.search(r"[a-zA-Z]{2}", text):  # without words it is a formula
        return None
    return _signed(text, numbers[0].start, numbers[0].end)


def _signed(text: str, start: int, end: int) -> str:
    """Return the digits at a place with the minus before them, past a sign of currency."""
    before = text[:start].rstrip("$€£¥₹")
    return ("-" if before.endswith(("-", "−")) and not before[:-1].endswith(tuple("0123456789")) else "") + text[
        start:end
    ]


def _plain(answer: str) -> str:
    """Return an answer without the dress of Markdown and LaTeX, so that a number in it can be read as one."""
    text = answer.strip()[: _LONGEST_ANSWER * 5]
    if box := _BOXED_WHOLE.fullmatch(text):
        text = box[1]
    for pair in ("$$", "$", "**", "__", "`"):
        if len(text) > 2 * len(pair) and text.startswith(pair) and text.endswith(pair):
            text = text[len(pair) : -len(pair)].strip()
    text = _FRACTION.sub(r" \1/\2", _TEXT.sub(r" \1", text))
    for dressed, bare in {"{,}": ",", "\\$": "$", "\\%": "%", "\\,": "", "\\!": "", "\\ ": " ", "^\\circ": "°"}.items():
        text = text.replace(dressed, bare)
    text = text.replace("\\(", "").replace("\\)", "").replace("\\[", "").replace("\\]", "")
    return re.sub(r"^([-−–]) (?=\d)", r"\1", text.strip().strip("*_` \t").rstrip(".").strip())


def _words(text: str) -> str:
    plain = " ".join(text.casefold().split()).strip(" .,:;!?'\"“”")
    letter = _LETTER.fullmatch(plain)
    return letter[1] if letter else plain
