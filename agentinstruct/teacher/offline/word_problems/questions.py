"""Understands what the last sentence asks, finds that quantity in a story, and tells it as a fact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import MARKERS, NUMBER, Clause
from agentinstruct.teacher.offline.word_problems.facts import Event
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable, add, merge_steps, write_number
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.teacher.offline.word_problems.words import BASE_FORMS, Verb, find_verb, inflect, same_thing

_VERB = rf"(?P<verb>{'|'.join(BASE_FORMS)})"
_AUX = r"(?P<aux>do|does|did)"
_FORMS = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?P<kind>for) how many (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}(?P<tail>(?: .*)?)",
        rf"(?P<kind>among) how many (?P<unit>.+?) {_AUX} (?P<subject>.+?) (?P<verb>share|divide|split) (?P<tail>.+)",
        r"how many (?P<kind>times) as many (?P<unit>.+?) as (?P<other>.+?) (?P<aux>do|does|did) (?P<subject>.+?) (?P<verb>have)(?P<tail>)",  # noqa: E501
        rf"how many (?P<kind>more|fewer) (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}\b(?P<tail>.*?) than (?P<other>.+)",  # noqa: E501
        rf"how (?:many|much) (?P<unit>.+?) {_AUX} (?P<subject>.+?) {_VERB}\b(?P<tail>(?: .*)?)",
        rf"how much {_AUX} (?P<subject>.+?) (?P<verb>cost|pay|spend|earn|save)(?P<tail>(?: .*)?)",
        r"how (?:many|much) (?P<unit>.+?) (?P<verb>is|are|was|were)(?: there)?(?P<tail>(?: .*)?)",
        r"how much (?P<verb>is|was) the (?P<kind>note) worth(?P<tail>)",
        r"how many (?P<unit>.+?) (?P<verb>left|arrived)(?P<tail>(?: .*)?)",
    )
)
_START = {"at the start", "at first", "at the beginning"}
_SUM = {"altogether", "in total", "in all"}
_IDLE = {
    "the",
    "a",
    "an",
    "in",
    "on",
    "at",
    "of",
    "by",
    "to",
    "for",
    "from",
    "with",
    "her",
    "his",
    "their",
    "its",
    "it",
    "them",
    "she",
    "he",
    "they",
    "this",
    "that",
    "each",
    "all",
    "money",
}


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


def find_answer(story: Story, question: Question) -> Quantity:
    """Return the quantity asked for; raises `Unsolvable` when the story does not tell it."""
    owner = story.resolve(question.subject)
    match question.kind:
        case "note":
            if len(story.paid) != 1:
                raise Unsolvable("which note")
            return story.paid[0][1]
        case "for" | "among":
            return _find_unknown(story, question)
        case "times":
            raise Unsolvable("a factor")
        case "more" | "fewer":
            mine, theirs = (
                _of_owner(story, question, owner),
                _of_owner(story, question, story.resolve(_bare(question.other))),
            )
            return story.computed(
                "−", *((mine, theirs) if question.kind == "more" else (theirs, mine)), "That is a difference of"
            )
    if each := re.fullmatch(r"(?:each|every|one|an?) (?P<thing>.+)", question.subject, re.I):
        return _for_each(story, question.unit, each["thing"])
    if each := re.search(r"\b(?:in|on|for|per) (?:each|every) (?P<thing>[a-z]+)", question.tail):
        return _for_each(story, question.unit, each["thing"])
    if re.search(r"\beach (?:day|week|month|hour|year|game|evening)\b", question.tail):
        return _find_unknown(story, question)
    if question.unit == "$" and (money := _money(story, question, owner)):
        return money
    return _of_owner(story, question, owner)


def _bare(other: str) -> str:
    return re.sub(r" (?:did|does|do|has|had)\b.*$", "", other)


def _find_unknown(story: Story, question: Question) -> Quantity:
    numbers = re.findall(r"\d+", question.tail)
    if (
        not story.unknown
        or not same_thing(question.unit, story.unknown)
        or any(number not in story.told for number in numbers)
    ):
        raise Unsolvable("the question asks for something else")
    return Quantity(constant=Fraction(0), slope=Fraction(1), unit=question.unit)


def _for_each(story: Story, unit: str, thing: str) -> Quantity:
    rate = story.rate(unit, thing)
    if rate is None and story.unknown and same_thing(unit, story.unknown) and thing in story.told:
        return Quantity(constant=Fraction(0), slope=Fraction(1), unit=unit)
    if rate is None:
        raise Unsolvable(f"how many {unit} each {thing} has")
    return rate


def _money(story: Story, question: Question, owner: str) -> Quantity | None:
    spent = [cost for name, cost in story.spent if name == owner or not question.subject]
    paid = [amount for name, amount in story.paid if name == owner]
    if "change" in question.text_unit or "in change" in question.markers:
        if not spent or len(paid) != 1:
            raise Unsolvable("change of what")
        return story.computed("−", paid[0], _total(story, spent, "Altogether the price is"), "That leaves")
    if question.verb.base == "spend" and _content_words(question):
        return _total(story, [event.quantity for event in _events(story, question, owner)], "Together that is")
    if question.verb.base in {"pay", "spend"} and (spent or paid):
        return _total(story, spent, "Together that is") if spent else paid[0]
    if question.verb.base == "need":
        held = story.held(owner, "$")
        prices = [rate.quantity for rate in story.rates if rate.quantity.unit == "$"]
        if held is None or len(prices) != 1:
            raise Unsolvable("what is needed")
        return story.computed("−", prices[0], held, "Money still needed")
    if question.verb.base in {"take", "earn", "make", "get", "receive"}:
        earned = [
            event.quantity
            for event in story.events
            if event.verb in {"take", "earn", "make"} and event.quantity.unit == "$"
        ]
        if earned:
            return _total(story, earned, "Together that is")
    return None


def _total(story: Story, quantities: list[Quantity], label: str) -> Quantity:
    total = quantities[0]
    if len(quantities) == 1:
        return total
    for quantity in quantities[1:]:
        total = add(total, quantity)
    parts = " + ".join(str(quantity) for quantity in quantities)
    parts = parts if total.known else parts.replace("$", "")
    result = f"{parts} = {total}" if parts != str(total) else parts
    unit = "" if total.unit in {"$", ""} else f" {total.unit}"
    start = Quantity(constant=total.constant, slope=total.slope, unit=total.unit, steps=merge_steps(*quantities))
    return story.noted(start, f"{label} {result}{unit}.")


def _of_owner(story: Story, question: Question, owner: str) -> Quantity:
    known = any(event.owner == owner for event in story.events) or any(key[0] == owner for key in story.holdings)
    group = bool(re.match(r"they\b|.+ and |the two\b", question.subject, re.I)) or (
        re.fullmatch(r"the \w+s", question.subject, re.I) is not None and not known
    )
    possession = question.verb.effect in {"have", "be"} or "left" in question.markers
    events = _events(story, question, "" if group or not owner else owner)
    if possession and question.markers & _START:
        starts = [value for key, value in story.starts.items() if key[0] == owner and same_thing(question.unit, key[1])]
        if len(starts) != 1:
            raise Unsolvable("several starts")
        return starts[0]
    if possession and not (
        question.verb.effect == "have" and not group and not story.held(owner, question.unit, anyone=True)
    ):
        return _possession(story, question, owner, group)
    if events:
        return _total(story, [event.quantity for event in events], "Together that is")
    return _derived(story, question, owner)


def _possession(story: Story, question: Question, owner: str, group: bool) -> Quantity:
    if group or (question.verb.effect == "be" and question.markers & _SUM):
        named = question.subject.split(" and ") if " and " in question.subject else []
        wanted = {story.resolve(name) for name in named}
        found = [
            value
            for key, value in story.holdings.items()
            if same_thing(question.unit, key[1]) and (not wanted or key[0] in wanted)
        ]
        if len(found) < 2 or (wanted and len(found) != len(wanted)):
            raise Unsolvable("whose")
        return _total(story, found, "Together that is")
    _check_words(story, question, [])
    held = story.held(owner, question.unit, anyone=question.subject.lower() in {"", "there"})
    if held is None and story.unknown and same_thing(question.unit, story.unknown):
        return _find_unknown(story, question)
    if held is None:
        raise Unsolvable(f"how many {question.unit!r} there are")
    return held


def _events(story: Story, question: Question, owner: str) -> list[Event]:
    base = question.verb.base
    found = [
        event
        for event in story.events
        if event.verb == base and (not owner or event.owner == owner) and same_thing(question.unit, event.quantity.unit)
    ]
    words = _content_words(question)
    precise = [event for event in found if words and words <= set(re.findall(r"\w+", event.words.lower()))]
    if not question.markers & _SUM and precise:
        return precise
    _check_words(story, question, found)
    return found


def _content_words(question: Question) -> set[str]:
    plain = MARKERS.sub("", question.tail).lower()
    return set(re.findall(r"[a-z]+", plain)) - _IDLE


def _check_words(story: Story, question: Question, found: list[Event]) -> None:
    told = set(re.findall(r"[a-z]+", story.told.lower()))
    strange = {word for word in _content_words(question) if word not in told and word.rstrip("s") not in told}
    if strange - {"read", "sisters", "now", "still", "get", "back", "time", "days", "weeks"}:
        raise Unsolvable(f"the question speaks of {', '.join(sorted(strange))}")
    if len(found) > 1 and _content_words(question) & {
        "first",
        "second",
        "third",
        "monday",
        "tuesday",
        "saturday",
        "sunday",
    }:
        raise Unsolvable("which of several events")


def _derived(story: Story, question: Question, owner: str) -> Quantity:
    """Find a quantity through a rate: hours worked times pay an hour, or money paid over the price of one."""
    for rate in story.rates:
        if rate.parts:
            continue
        if same_thing(question.unit, rate.quantity.unit):
            counts = [event.quantity for event in story.events if same_thing(rate.per, event.quantity.unit)]
            if counts:
                return story.computed("×", _total(story, counts, "Together that is"), rate.quantity, "That makes")
        if same_thing(question.unit, rate.per):
            paid = [amount for name, amount in story.paid if name == owner]
            if rate.quantity.unit == "$" and len(paid) == 1:
                return story.computed("÷", paid[0], rate.quantity, "That is enough for", question.unit)
    raise Unsolvable(f"how many {question.unit!r}")
