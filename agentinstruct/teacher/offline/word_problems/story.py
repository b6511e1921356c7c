"""Follows a story clause by clause: who owns how many of what, what was done, and what each thing holds or costs."""

from __future__ import annotations

import re
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import (
    Event,
    Rate,
    make_label,
    owner_name,
    refuse_pieces,
    unit_after,
    write_operation,
)
from agentinstruct.teacher.offline.word_problems.linear import (
    Quantity,
    Unsolvable,
    add,
    divide,
    explained,
    multiply,
)
from agentinstruct.teacher.offline.word_problems.words import inflect, same_thing

_EACH = re.compile(r"(?:each|every|one)(?: of (?:the|his|her|their))? (?P<thing>.+)", re.I)
_ANY = re.compile(r"(?:each|every|one|an?) (?P<thing>.+)", re.I)
_FINAL = {
    "left",
    "left over",
    "altogether",
    "in total",
    "in all",
    "now",
    "in the end",
    "at the end",
    "so far",
    "in change",
}


class Story:
    """What is known after the clauses read so far."""

    def __init__(self) -> None:
        self.holdings: dict[tuple[str, str], Quantity] = {}
        self.starts: dict[tuple[str, str], Quantity] = {}
        self.events: list[Event] = []
        self.rates: list[Rate] = []
        self.spent: list[tuple[str, Quantity]] = []
        self.paid: list[tuple[str, Quantity]] = []
        self.told = ""
        """The story's text so far."""
        self.unknown = ""
        """The noun phrase that the missing number counts, once there is one."""
        self._order = 0
        self._people: list[str] = []
        self._pronouns: dict[str, str] = {}

    def read(self, clause: Clause) -> None:
        """Take one clause in; raises `Unsolvable` when it does not fit."""
        self._order += 1
        label = make_label(clause.text)
        if each := (_ANY if clause.verb.effect in {"cost", "need"} else _EACH).fullmatch(clause.subject):
            self._read_rate(clause, inflect(each["thing"], one=True), label)
            return
        owner = "" if clause.verb.effect == "cost" else self.resolve(clause.subject)
        quantity = self._amount(clause, owner, label)
        match clause.verb.effect:
            case "share" | "pack":
                self._distribute(clause, owner, quantity, label)
            case "cost":
                self._price(clause, quantity)
            case "pay":
                self.paid.append((owner, self._noted(quantity, label)))
            case "have" | "be":
                self._own(clause, owner, quantity, label)
            case "need":
                raise Unsolvable("a need")
            case _:
                self._happen(clause, owner, quantity, label)

    def resolve(self, subject: str) -> str:
        """Return one name for whoever or whatever `subject` means."""
        lower = subject.lower()
        if lower in {"he", "him", "she", "her", "it"}:
            lower = {"him": "he", "her": "she"}.get(lower, lower)
            taken = {name for pronoun, name in self._pronouns.items() if pronoun != lower}
            if lower not in self._pronouns:
                free = [
                    name
                    for name in self._people
                    if name not in taken and (name[0].islower() if lower == "it" else True)
                ]
                named = [name for name in free if name[0].isupper()] if lower != "it" else []
                self._pronouns[lower] = (named or free or [lower])[-1]
            return self._pronouns[lower]
        name = owner_name(subject)
        if name and name != "there" and not re.search(r"\d", name):
            if name in self._people:
                self._people.remove(name)
            self._people.append(name)
        return name

    def held(self, owner: str, unit: str, *, anyone: bool = False) -> Quantity | None:
        """Return what `owner` has of `unit` now; with `anyone`, what its only holder has."""
        found = [key for key in self.holdings if key[0] == owner and same_thing(unit, key[1])]
        if not found and anyone:
            found = [key for key in self.holdings if same_thing(unit, key[1])]
            found = found if len({key[0] for key in found}) == 1 else []
        if not found:
            return self._contents(owner, unit, anyone=anyone)
        total = self.holdings[found[0]]
        for key in found[1:]:
            total = self.computed("+", total, self.holdings[key], "That makes")
        return total

    def _contents(self, owner: str, unit: str, *, anyone: bool) -> Quantity | None:
        for rate in self.rates:
            if not same_thing(unit, rate.quantity.unit) or rate.parts or unit == "$" or same_thing(unit, rate.per):
                continue
            count = self.held(owner, rate.per, anyone=anyone)
            if count:
                total = self.computed("×", count, rate.quantity, f"Number of {rate.quantity.unit}")
                holder = next(
                    key[0] for key, value in self.holdings.items() if value is count or same_thing(rate.per, key[1])
                )
                self.holdings[holder, rate.quantity.unit] = total
                return total
        return None

    def computed(self, sign: str, left: Quantity, right: Quantity, label: str, unit: str = "") -> Quantity:
        """Return the result of one operation, with its line in the solution."""
        match sign:
            case "+" | "−":
                result = add(left, right, minus=sign == "−")
            case "×":
                result = multiply(left, right, unit or right.unit)
            case _:
                result = divide(left, right, unit or left.unit)
        written = write_operation(sign, left, right, str(result))
        joint = " " if label.startswith(("That", "The price", "Together", "Altogether")) else ": "
        return explained(result, self._order, f"{label}{joint}{written}{unit_after(result)}.")

    def number(self, value: Fraction | None, unit: str) -> Quantity:
        """Return a number of the text as a quantity; the first missing one becomes n, a second is refused."""
        if value is not None:
            return Quantity(constant=value, unit=unit)
        if self.unknown:
            raise Unsolvable("two numbers are missing")
        self.unknown = unit
        return Quantity(constant=Fraction(0), slope=Fraction(1), unit=unit)

    def noted(self, quantity: Quantity, line: str) -> Quantity:
        """Return the quantity with `line` as its newest step."""
        return explained(quantity, self._order, line) if line else quantity

    def _noted(self, quantity: Quantity, label: str) -> Quantity:
        if quantity.steps:
            return quantity
        if not quantity.known:
            return explained(quantity, self._order, f"{label}: {quantity}{unit_after(quantity)}.")
        return explained(quantity, self._order, f"{label}.")

    def _amount(self, clause: Clause, owner: str, label: str) -> Quantity:
        if clause.size == "rest":
            rest = self.held(owner, clause.unit, anyone=True)
            if rest is None:
                raise Unsolvable(f"nothing is known of {clause.unit!r}")
            return rest
        if clause.size == "none":
            return self._by_speed(clause, label)
        quantity = self.number(clause.value, clause.unit)
        if clause.size == "exactly":
            return self._repeated(clause, owner, quantity, label)
        if any(phrase.value is not None for phrase in clause.phrases):
            raise Unsolvable("a comparison with further numbers")
        base = self._compared(clause, owner)
        if clause.size == "times" and quantity.constant == Fraction(1, 2):
            return self.computed("÷", base, Quantity(constant=Fraction(2)), label)
        if clause.size == "times":
            times = Quantity(constant=quantity.constant, slope=quantity.slope)
            return self.computed("×", times, base, label, base.unit)
        return self.computed("+" if clause.size == "more" else "−", base, quantity, label)

    def _by_speed(self, clause: Clause, label: str) -> Quantity:
        speed, during = clause.phrase("speed"), clause.phrase("during")
        if not speed or not during:
            price = clause.phrase("price")
            if price and clause.unit:
                self.rates.append(Rate(per=clause.unit, quantity=self._noted(self.number(price.value, "$"), label)))
                return Quantity(constant=Fraction(0), unit="none")
            if during:
                return self._noted(self.number(during.value, during.unit), label)
            raise Unsolvable("no amount")
        per_one = self.number(speed.value, speed.unit)
        return self.computed("×", per_one, self.number(during.value, during.unit), label, speed.unit)

    def _repeated(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> Quantity:
        used = {"contents", "price", "total_price", "receiver", "speed", "sets", "among"}
        for phrase in clause.phrases:
            match phrase.kind:
                case "of_each":
                    quantity = self.computed("×", self.number(phrase.value, phrase.unit), quantity, label)
                case "for_each":
                    count = self.held(owner, phrase.unit, anyone=True) or self._done(phrase.unit)
                    if count is None:
                        raise Unsolvable(f"how many {phrase.unit!r}")
                    quantity = self.computed("×", count, quantity, label)
                case "during" if clause.phrase("per"):
                    quantity = self.computed("×", self.number(phrase.value, phrase.unit), quantity, label)
                case "during":
                    raise Unsolvable("a duration without a rate")
                case "per" if not clause.phrase("during") and clause.phrase("price") is None:
                    self.rates.append(Rate(per=phrase.unit, quantity=self._noted(quantity, label), owner=owner))
                    return Quantity(constant=Fraction(0), unit="none")
                case kind if kind not in used | {"per"}:
                    raise Unsolvable(kind)
        return quantity

    def _done(self, unit: str) -> Quantity | None:
        found = [event.quantity for event in self.events if same_thing(unit, event.quantity.unit)]
        total = found[0] if found else None
        for quantity in found[1:]:
            total = self.computed("+", total, quantity, "That makes") if total else quantity
        return total

    def _compared(self, clause: Clause, owner: str) -> Quantity:
        other = re.sub(r" (?:did|does|do|has|had|have|was|were|is)\b.*$", "", clause.other).strip()
        if match := re.fullmatch(r"(?:in|on|during|the|at)\b.*?(\w+)(?: day| week| month| game)?", other):
            found = [event for event in self.events if event.owner == owner and event.verb == clause.verb.base]
            named = [event for event in found if match[1] in event.words.split()]
            if found and (named or match[1] in {"first", "before", "day", "previous"}):
                return (named or found)[0].quantity
            raise Unsolvable(f"compared with {other!r}")
        name = self.resolve(other)
        found = [event for event in self.events if event.owner == name and event.verb == clause.verb.base]
        found = [event for event in found if same_thing(clause.unit, event.quantity.unit)]
        held = self.held(name, clause.unit)
        if clause.verb.effect != "have" and len(found) == 1:
            return found[0].quantity
        if held is None:
            raise Unsolvable(f"compared with {other!r}")
        return held

    def _read_rate(self, clause: Clause, thing: str, label: str) -> None:
        if clause.size != "exactly" or any(phrase.value is not None for phrase in clause.phrases):
            raise Unsolvable(f"a rate for each {thing}")
        quantity = self._noted(self.number(clause.value, clause.unit), label)
        self.rates.append(Rate(per=thing, quantity=quantity))

    def _price(self, clause: Clause, quantity: Quantity) -> None:
        thing = re.sub(r"^(?:the|these|those|this|that) ", "", clause.subject, flags=re.I)
        if quantity.unit != "$":
            raise Unsolvable("a price without money")
        self.rates.append(Rate(per=inflect(thing, one=True), quantity=self._noted(quantity, make_label(clause.text))))

    def _distribute(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
        among, sets = clause.phrase("among"), clause.phrase("sets")
        if among:
            parts = self.number(among.value, among.unit)
            share = quantity
            if parts.known:
                share = self.computed("÷", quantity, parts, label)
                refuse_pieces(share)
            self.rates.append(Rate(per=inflect(among.unit, one=True), quantity=share, parts=parts))
            return
        if not sets or quantity.unit == "none":
            raise Unsolvable("shared among how many")
        size = self.number(sets.value, quantity.unit)
        if not size.known:
            self.rates.append(Rate(per=sets.unit, quantity=quantity, parts=size))
            return
        boxes = self.computed("÷", quantity, size, label, sets.unit)
        refuse_pieces(boxes)
        self._start(owner, boxes)
        self.events.append(Event(owner=owner, verb="fill", quantity=boxes, words=clause.text))

    def _own(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
        if clause.verb.effect == "be" and clause.subject.lower() not in {"", "there"}:
            raise Unsolvable("what somebody is")
        if quantity.unit == "none" or any(
            phrase.kind in {"price", "total_price", "among"} for phrase in clause.phrases
        ):
            raise Unsolvable("owning for a price")
        self._gain(clause, owner, quantity, label)

    def _happen(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
        if quantity.unit == "none":
            return
        if any(phrase.kind in {"among", "sets"} and phrase.value is not None for phrase in clause.phrases):
            raise Unsolvable("an unread number")
        quantity = self._noted(quantity, label)
        self.events.append(
            Event(owner=owner, verb=clause.verb.base, quantity=quantity, words=f"{clause.text} {clause.tail}")
        )
        cost = self._cost(clause, quantity, label)
        if clause.verb.base == "sell" and cost:
            if not self._change(owner, cost, 1, "Money now"):
                self._start(owner, cost)
            self.events.append(Event(owner=owner, verb="take", quantity=cost, words=clause.text))
        elif cost and clause.verb.effect == "gain":
            self.spent.append((owner, cost))
            self._change(owner, cost, -1, "Money left")
        if clause.verb.base == "spend" and quantity.unit == "$":
            self.spent.append((owner, quantity))
        self._move(clause, owner, quantity, label)

    def _move(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
        receiver = clause.receiver or getattr(clause.phrase("receiver"), "unit", "")
        incoming = clause.verb.effect == "gain" or clause.verb.base == "arrive"
        if receiver and not incoming:
            name = self.resolve(receiver)
            if self.held(name, quantity.unit):
                self._change(name, quantity, 1, label)
            if not self.held(owner, quantity.unit):
                return
        if incoming:
            self._gain(clause, owner, quantity, label)
        elif clause.verb.effect == "lose":
            self._change(owner, quantity, -1, label, anyone=not owner[:1].isupper() or "of them" in clause.text)

    def _gain(self, clause: Clause, owner: str, quantity: Quantity, label: str) -> None:
        contents = clause.phrase("contents")
        if contents:
            inner = self.number(contents.value, contents.unit)
            alone = quantity.known and quantity.constant == 1
            total = self._noted(inner, label) if alone else self.computed("×", quantity, inner, label)
            self.rates.append(Rate(per=inflect(quantity.unit, one=True), quantity=inner))
            if not self._change(owner, total, 1, label):
                self._start(owner, total)
            if clause.verb.effect not in {"have", "be"}:
                self.events.append(Event(owner=owner, verb=clause.verb.base, quantity=total, words=clause.text))
        quantity = self._noted(quantity, label) if not contents else quantity
        if not self._change(owner, quantity, 1, label, anyone=owner == ""):
            self._start(owner, quantity)

    def _start(self, owner: str, quantity: Quantity) -> None:
        self.holdings[owner, quantity.unit] = self.starts[owner, quantity.unit] = quantity

    def _change(self, owner: str, quantity: Quantity, sign: int, label: str, *, anyone: bool = False) -> bool:
        held = self.held(owner, quantity.unit)
        key = next((key for key in self.holdings if key[0] == owner and same_thing(quantity.unit, key[1])), None)
        if held is None and anyone:
            held = self.held(owner, quantity.unit, anyone=True)
            key = next((key for key in self.holdings if same_thing(quantity.unit, key[1])), None)
        if held is None or key is None:
            return False
        if key[1] != quantity.unit and not same_thing(key[1], quantity.unit) and sign > 0:
            return False
        bare = [step for step in quantity.steps if not step.text.startswith(label) or ": " in step.text]
        plain = Quantity(constant=quantity.constant, slope=quantity.slope, unit=quantity.unit, steps=tuple(bare))
        line = label if len(bare) == 0 else "That makes" if sign > 0 else "That leaves"
        self.holdings[key] = self.computed("+" if sign > 0 else "−", held, plain, line)
        return True

    def _cost(self, clause: Clause, quantity: Quantity, label: str) -> Quantity | None:
        price, total = clause.phrase("price"), clause.phrase("total_price")
        if total:
            return self._noted(self.number(total.value, "$"), label)
        earlier = tuple(step for step in quantity.steps if step.text != f"{label}.")
        bare = Quantity(constant=quantity.constant, slope=quantity.slope, unit=quantity.unit, steps=earlier)
        if price:
            each = self.number(price.value, "$")
            self.rates.append(Rate(per=quantity.unit, quantity=each))
            return self.computed("×", bare, each, label)
        rate = self.rate("$", quantity.unit)
        return self.computed("×", bare, rate, label) if rate else None

    def rate(self, unit: str, per: str) -> Quantity | None:
        """Return how many of `unit` one `per` has, costs or gets."""
        per = inflect(per, one=True)
        found = [rate for rate in self.rates if same_thing(unit, rate.quantity.unit) and same_thing(per, rate.per)]
        return found[-1].quantity if found and not (found[-1].parts and not found[-1].parts.known) else None

    def is_final(self, clause: Clause) -> bool:
        """Say whether the clause tells a result instead of something new."""
        if clause.size != "exactly" or clause.value is None or clause.phrase("price"):
            return False
        if _EACH.fullmatch(clause.subject):
            return any(rate.parts for rate in self.rates) or "in the end" in clause.markers
        if clause.verb.effect == "need":
            return "more" in clause.text
        if clause.verb.effect == "be" and "then" in clause.markers and not clause.text.startswith("Then"):
            return self.held("", clause.unit, anyone=True) is not None
        if clause.verb.effect == "have":
            return bool(self.held(self.resolve(clause.subject), clause.unit)) or bool(clause.markers & _FINAL)
        return bool(clause.markers & _FINAL)
