"""How much a clause speaks of: a plain number, a comparison, what remains, or so many for each of something."""

from __future__ import annotations

import re
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import Rate
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.teacher.offline.word_problems.words import same_thing

NO_AMOUNT = Quantity(constant=Fraction(0), unit="none")
"""What is counted in a clause that only sets a rate or a price."""


def find_amount(story: Story, clause: Clause, owner: str, label: str) -> Quantity:
    """Return the amount that `clause` tells of `owner`; `label` opens its line in the solution."""
    if clause.size == "rest":
        rest = story.held(owner, clause.unit, anyone=True)
        if rest is None:
            raise Unsolvable(f"nothing is known of {clause.unit!r}")
        return rest
    if clause.size == "none":
        return _by_speed(story, clause, label)
    quantity = story.number(clause.value, clause.unit)
    if clause.size == "exactly":
        return _repeated(story, clause, owner, quantity, label)
    if any(phrase.value is not None for phrase in clause.phrases):
        raise Unsolvable("a comparison with further numbers")
    base = _compared(story, clause, owner)
    if clause.size == "times" and quantity.constant == Fraction(1, 2):
        return story.compute("÷", base, Quantity(constant=Fraction(2)), label)
    if clause.size == "times":
        times = Quantity(constant=quantity.constant, slope=quantity.slope)
        return story.compute("×", times, base, label, base.unit)
    return story.compute("+" if clause.size == "more" else "−", base, quantity, label)


def _by_speed(story: Story, clause: Clause, label: str) -> Quantity:
    speed, during = clause.phrase("speed"), clause.phrase("during")
    if not speed or not during:
        price = clause.phrase("price")
        if price and clause.unit:
            story.rates.append(Rate(per=clause.unit, quantity=story.as_told(story.number(price.value, "$"), label)))
            return NO_AMOUNT
        if during:
            return story.as_told(story.number(during.value, during.unit), label)
        raise Unsolvable("no amount")
    per_one = story.number(speed.value, speed.unit)
    return story.compute("×", per_one, story.number(during.value, during.unit), label, speed.unit)


def _repeated(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> Quantity:
    used = {"contents", "price", "total_price", "receiver", "speed", "sets", "among"}
    for phrase in clause.phrases:
        match phrase.kind:
            case "of_each":
                quantity = story.compute("×", story.number(phrase.value, phrase.unit), quantity, label)
            case "for_each":
                count = story.held(owner, phrase.unit, anyone=True) or _done(story, phrase.unit)
                if count is None:
                    raise Unsolvable(f"how many {phrase.unit!r}")
                quantity = story.compute("×", count, quantity, label)
            case "during" if clause.phrase("per"):
                quantity = story.compute("×", story.number(phrase.value, phrase.unit), quantity, label)
            case "during":
                raise Unsolvable("a duration without a rate")
            case "per" if not clause.phrase("during") and clause.phrase("price") is None:
                story.rates.append(Rate(per=phrase.unit, quantity=story.as_told(quantity, label), owner=owner))
                return NO_AMOUNT
            case kind if kind not in used | {"per"}:
                raise Unsolvable(kind)
    return quantity


def _done(story: Story, unit: str) -> Quantity | None:
    found = [event.quantity for event in story.events if same_thing(unit, event.quantity.unit)]
    total = found[0] if found else None
    for quantity in found[1:]:
        total = story.compute("+", total, quantity, "That makes") if total else quantity
    return total


def _compared(story: Story, clause: Clause, owner: str) -> Quantity:
    other = re.sub(r" (?:did|does|do|has|had|have|was|were|is)\b.*$", "", clause.other).strip()
    if match := re.fullmatch(r"(?:in|on|during|the|at)\b.*?(\w+)(?: day| week| month| game)?", other):
        found = [event for event in story.events if event.owner == owner and event.verb == clause.verb.base]
        named = [event for event in found if match[1] in event.words.split()]
        if found and (named or match[1] in {"first", "before", "day", "previous"}):
            return (named or found)[0].quantity
        raise Unsolvable(f"compared with {other!r}")
    name = story.resolve(other)
    found = [event for event in story.events if event.owner == name and event.verb == clause.verb.base]
    found = [event for event in found if same_thing(clause.unit, event.quantity.unit)]
    held = story.held(name, clause.unit)
    if clause.verb.effect != "have" and len(found) == 1:
        return found[0].quantity
    if held is None:
        raise Unsolvable(f"compared with {other!r}")
    return held
