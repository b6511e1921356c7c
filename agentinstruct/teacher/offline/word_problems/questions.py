"""Understands what the last sentence of a problem asks, and tells it as a fact once the answer is known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import MARKERS, Clause
from agentinstruct.teacher.offline.word_problems.linear import Unsolvable, write_number
from agentinstruct.teacher.offline.word_problems.phrases import NUMBER
from agentinstruct.teacher.offline.word_problems.words import BASE_FORMS, Verb, find_verb, inflect

_VERB = rf"(?P<verb>{'|'.join(BASE_FORMS)})"
_AUX = r"(?P<aux>do|does|did)"
_FORMS = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?P<kind>for) how many (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}(?P<tail>(?: .*)?)",
        rf"(?P<kind>among) how many (?P<unit>.+?) {_AUX} (?P<subject>.+?) (?P<verb>share|divide|split) (?P<tail>.+)",
        rf"how many (?P<kind>times) as many (?P<unit>.+?) as (?P<other>.+?) {_AUX} (?P<subject>.+?) (?P<verb>have)"
        r"(?P<tail>)",
        rf"how many (?P<kind>more|fewer) (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}\b(?P<tail>.*?)"
        r" than (?P<other>.+)",
        rf"how (?:many|much) (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}\b(?P<tail>(?: .*)?)",
        rf"how much {_AUX} (?P<subject>.+?) (?P<verb>cost|pay|spend|earn|save)(?P<tail>(?: .*)?)",
        r"how (?:many|much) (?P<unit>.+?) (?P<verb>is|are|was|were)(?: there)?(?P<tail>(?: .*)?)",
        r"how much (?P<verb>is|was) the (?P<kind>note) worth(?P<tail>)",
        r"how many (?P<unit>.+?) (?P<verb>left|arrived)(?P<tail>(?: .*)?)",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: `verb` is None when a thing is only counted (`How many are left?`)."""

    text: str
    kind: str
    subject: str
    verb: Verb
    past: bool
    unit: str
    tail: str
    other: str
    markers: frozenset[str]

    def statement(self, value: Fraction) -> str:
        """Return the question told as a fact with its answer, such as `Amina had 17 stickers left.`"""
        amount = write_number(value, "$" if self.unit == "$" else "")
        unit = re.sub(r"^(?:more )?(?:money|change)$", "", self.text_unit)
        amount = amount if self.unit == "$" else f"{amount} {inflect(unit, one=value == 1)}"
        subject, verb = self.subject[:1].upper() + self.subject[1:], self._verb_form()
        tail = f" {self.tail}" if self.tail else ""
        if self.kind in {"for", "among", "times", "note"}:
            return ""
        if self.kind in {"more", "fewer"}:
            return f"{subject} {verb} {amount.replace(' ', f' {self.kind} ', 1)}{tail} than {self.other}."
        if "change" in self.text_unit:
            tail = " in change"
        if not self.subject:
            return f"{self._there(value)} {amount}{tail}."
        if "more" in self.text_unit.split():
            amount = f"{amount} more" if self.unit == "$" else amount
        return f"{subject} {verb} {amount}{tail}."

    @property
    def text_unit(self) -> str:
        """The unit in the question's own words, such as `money`."""
        match = re.match(
            r"(?:how (?:many|much)) (?:(?:more|fewer) (?!money))?(.+?) (?:do|does|did|is|are|was|were|left|arrived)\b",
            self.text,
            re.I,
        )
        return match[1] if match else ""

    def _verb_form(self) -> str:
        many = bool(re.match(r"they\b|.* and ", self.subject, re.I)) or self.text_aux == "do"
        if self.verb.base == "be":
            return ("were" if many else "was") if self.past else ("are" if many else "is")
        return self.verb.past if self.past else self.verb.base if many else self.verb.third

    @property
    def text_aux(self) -> str:
        """The question's auxiliary verb."""
        match = re.search(r" (do|does|did) ", self.text)
        return match[1] if match else ""

    def _there(self, value: Fraction) -> str:
        if self.past:
            return "There was" if value == 1 else "There were"
        return "There is" if value == 1 else "There are"


def read_question(text: str) -> Question:
    """Return what `text` asks; raises `Unsolvable` for a form that is not known."""
    body = text.strip().rstrip("?").strip()
    lead = ""
    if match := re.match(r"([^,]+), (how .+)", body, re.I):
        lead, body = match[1], match[2]
    body = re.sub(r"\b(does|did|do) (.+?) (?:still|now|then) ", r"\1 \2 ", body)
    for form in _FORMS:
        match = form.fullmatch(body)
        if match:
            return _question(text, match, lead)
    raise Unsolvable(f"the question {text!r}")


def _question(text: str, match: re.Match[str], lead: str) -> Question:
    groups = match.groupdict("")
    verb_text = groups["verb"].lower()
    found = find_verb(verb_text)
    verb = BASE_FORMS.get(verb_text) or (found[0] if found else None)
    countless = groups["tail"] if groups.get("kind", "").lower() != "for" else ""
    if verb is None or re.search(rf"\d|%|{NUMBER}", f"{lead} {countless} {groups.get('subject', '')}"):
        raise Unsolvable(f"the question {text!r}")
    past = groups["aux"].lower() == "did" if groups.get("aux") else verb_text in {"was", "were", "left", "arrived"}
    unit = groups.get("unit", "")
    money = not unit or re.fullmatch(r"(?:more )?(?:money|change)", unit) is not None
    markers = frozenset(found.lower() for found in MARKERS.findall(f"{lead} {groups['tail']} {text}"))
    if verb_text == "left":
        markers -= {"left"}
    return Question(
        text=text, kind=groups.get("kind", "").lower(), subject=groups.get("subject", ""), verb=verb, past=past,
        unit="$" if money else unit, tail=groups["tail"].strip(), other=groups.get("other", ""), markers=markers,
    )  # fmt: skip


def question_of(clause: Clause) -> Question:
    """Return the question that a clause telling a result answers."""
    return Question(
        text=clause.text, kind="", subject=clause.subject, verb=clause.verb, past=clause.past, unit=clause.unit,
        tail=clause.tail, other="", markers=clause.markers,
    )  # fmt: skip
