"""Follows a story clause by clause, and keeps in it what each one changes."""

from __future__ import annotations

import re

from agentinstruct.teacher.offline.word_problems.amounts import NO_AMOUNT, find_amount
from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import Event, Rate, make_label, refuse_pieces
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable
from agentinstruct.teacher.offline.word_problems.story import EACH, Story
from agentinstruct.teacher.offline.word_problems.words import inflect

_ANY = re.compile(r"(?:each|every|one|an?) (?P<thing>.+)", re.I)
"""The subject of a price or a need, where `a pen` means every pen."""


def follow(story: Story, clause: Clause) -> None:
    """Take one clause in; raises `Unsolvable` when it does not fit."""
    story.order += 1
    label = make_label(clause.text)
    if each := (_ANY if clause.verb.effect in {"cost", "need"} else EACH).fullmatch(clause.subject):
        _read_rate(story, clause, inflect(each["thing"], one=True), label)
        return
    owner = "" if clause.verb.effect == "cost" else story.resolve(clause.subject)
    quantity = find_amount(story, clause, owner, label)
    match clause.verb.effect:
        case "share" | "pack":
            _distribute(story, clause, owner, quantity, label)
        case "cost":
            _price(story, clause, quantity)
        case "pay":
            story.paid.append((owner, story.as_told(quantity, label)))
        case "have" | "be":
            _own(story, clause, owner, quantity, label)
        case "need":
            raise Unsolvable("a need")
        case _:
            _happen(story, clause, owner, quantity, label)


def _read_rate(story: Story, clause: Clause, thing: str, label: str) -> None:
    if clause.size != "exactly" or any(phrase.value is not None for phrase in clause.phrases):
        raise Unsolvable(f"a rate for each {thing}")
    quantity = story.as_told(story.number(clause.value, clause.unit), label)
    story.rates.append(Rate(per=thing, quantity=quantity))


def _price(story: Story, clause: Clause, quantity: Quantity) -> None:
    thing = re.sub(r"^(?:the|these|those|this|that) ", "", clause.subject, flags=re.I)
    if quantity.unit != "$":
        raise Unsolvable("a price without money")
    story.rates.append(Rate(per=inflect(thing, one=True), quantity=story.as_told(quantity, make_label(clause.text))))


def _distribute(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
    among, sets = clause.phrase("among"), clause.phrase("sets")
    if among:
        parts = story.number(among.value, among.unit)
        share = quantity
        if parts.known:
            share = story.compute("÷", quantity, parts, label)
            refuse_pieces(share)
        story.rates.append(Rate(per=inflect(among.unit, one=True), quantity=share, parts=parts))
        return
    if not sets or quantity.unit == NO_AMOUNT.unit:
        raise Unsolvable("shared among how many")
    size = story.number(sets.value, quantity.unit)
    if not size.known:
        story.rates.append(Rate(per=sets.unit, quantity=quantity, parts=size))
        return
    boxes = story.compute("÷", quantity, size, label, sets.unit)
    refuse_pieces(boxes)
    story.start(owner, boxes)
    story.events.append(Event(owner=owner, verb="fill", quantity=boxes, words=clause.text))


def _own(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
    if clause.verb.effect == "be" and clause.subject.lower() not in {"", "there"}:
        raise Unsolvable("what somebody is")
    if quantity.unit == NO_AMOUNT.unit or any(
        phrase.kind in {"price", "total_price", "among"} for phrase in clause.phrases
    ):
        raise Unsolvable("owning for a price")
    _gain(story, clause, owner, quantity, label)


def _happen(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
    if quantity.unit == NO_AMOUNT.unit:
        return
    if any(phrase.kind in {"among", "sets"} and phrase.value is not None for phrase in clause.phrases):
        raise Unsolvable("an unread number")
    quantity = story.as_told(quantity, label)
    story.events.append(
        Event(owner=owner, verb=clause.verb.base, quantity=quantity, words=f"{clause.text} {clause.tail}")
    )
    cost = _cost(story, clause, quantity, label)
    if clause.verb.base == "sell" and cost:
        if not story.change(owner, cost, 1, "Money now"):
            story.start(owner, cost)
        story.events.append(Event(owner=owner, verb="take", quantity=cost, words=clause.text))
    elif cost and clause.verb.effect == "gain":
        story.spent.append((owner, cost))
        story.change(owner, cost, -1, "Money left")
    if clause.verb.base == "spend" and quantity.unit == "$":
        story.spent.append((owner, quantity))
    _move(story, clause, owner, quantity, label)


def _move(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
    receiver = clause.receiver or getattr(clause.phrase("receiver"), "unit", "")
    incoming = clause.verb.effect == "gain" or clause.verb.base == "arrive"
    if receiver and not incoming:
        name = story.resolve(receiver)
        if story.held(name, quantity.unit):
            story.change(name, quantity, 1, label)
        if not story.held(owner, quantity.unit):
            return
    if incoming:
        _gain(story, clause, owner, quantity, label)
    elif clause.verb.effect == "lose":
        story.change(owner, quantity, -1, label, anyone=not owner[:1].isupper() or "of them" in clause.text)


def _gain(story: Story, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
    contents = clause.phrase("contents")
    if contents:
        inner = story.number(contents.value, contents.unit)
        alone = quantity.known and quantity.constant == 1
        total = story.as_told(inner, label) if alone else story.compute("×", quantity, inner, label)
        story.rates.append(Rate(per=inflect(quantity.unit, one=True), quantity=inner))
        if not story.change(owner, total, 1, label):
            story.start(owner, total)
        if clause.verb.effect not in {"have", "be"}:
            story.events.append(Event(owner=owner, verb=clause.verb.base, quantity=total, words=clause.text))
    quantity = story.as_told(quantity, label) if not contents else quantity
    if not story.change(owner, quantity, 1, label, anyone=owner == ""):
        story.start(owner, quantity)


def _cost(story: Story, clause: Clause, quantity: Quantity, label: str) -> Quantity | None:
    price, total = clause.phrase("price"), clause.phrase("total_price")
    if total:
        return story.as_told(story.number(total.value, "$"), label)
    earlier = tuple(step for step in quantity.steps if step.text != f"{label}.")
    bare = Quantity(constant=quantity.constant, slope=quantity.slope, unit=quantity.unit, steps=earlier)
    if price:
        each = story.number(price.value, "$")
        story.rates.append(Rate(per=quantity.unit, quantity=each))
        return story.compute("×", bare, each, label)
    rate = story.rate("$", quantity.unit)
    return story.compute("×", bare, rate, label) if rate else None
