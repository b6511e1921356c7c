"""Finds the quantity that a question asks for in what a story has told."""

from __future__ import annotations

import re
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import MARKERS
from agentinstruct.teacher.offline.word_problems.facts import Event
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable, add, merge_steps
from agentinstruct.teacher.offline.word_problems.questions import Question
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.teacher.offline.word_problems.words import same_thing

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
            return story.compute(
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
        return story.compute("−", paid[0], _total(story, spent, "Altogether the price is"), "That leaves")
    if question.verb.base == "spend" and _content_words(question):
        return _total(story, [event.quantity for event in _events(story, question, owner)], "Together that is")
    if question.verb.base in {"pay", "spend"} and (spent or paid):
        return _total(story, spent, "Together that is") if spent else paid[0]
    if question.verb.base == "need":
        held = story.held(owner, "$")
        prices = [rate.quantity for rate in story.rates if rate.quantity.unit == "$"]
        if held is None or len(prices) != 1:
            raise Unsolvable("what is needed")
        return story.compute("−", prices[0], held, "Money still needed")
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
    return story.note(start, f"{label} {result}{unit}.")


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
                return story.compute("×", _total(story, counts, "Together that is"), rate.quantity, "That makes")
        if same_thing(question.unit, rate.per):
            paid = [amount for name, amount in story.paid if name == owner]
            if rate.quantity.unit == "$" and len(paid) == 1:
                return story.compute("÷", paid[0], rate.quantity, "That is enough for", question.unit)
    raise Unsolvable(f"how many {question.unit!r}")
