"""What is known of a story: who owns how many of what, what was done, and what each thing holds or costs."""

from __future__ import annotations

import re
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import (
    Event,
    Rate,
    owner_name,
    unit_after,
    write_operation,
)
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable, add, divide, explained, multiply
from agentinstruct.teacher.offline.word_problems.words import inflect, same_thing

EACH = re.compile(r"(?:each|every|one)(?: of (?:the|his|her|their))? (?P<thing>.+)", re.I)
"""A subject that stands for every one of its kind: `each box`, `every one of her friends`."""
_RESULT_MARKERS = {
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
        self.order = 0
        """How many clauses were read: the place of the next step of a solution."""
        self._people: list[str] = []
        self._pronouns: dict[str, str] = {}

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
            total = self.compute("+", total, self.holdings[key], "That makes")
        return total

    def _contents(self, owner: str, unit: str, *, anyone: bool) -> Quantity | None:
        for rate in self.rates:
            if not same_thing(unit, rate.quantity.unit) or rate.parts or unit == "$" or same_thing(unit, rate.per):
                continue
            count = self.held(owner, rate.per, anyone=anyone)
            if count:
                total = self.compute("×", count, rate.quantity, f"Number of {rate.quantity.unit}")
                holder = next(
                    key[0] for key, value in self.holdings.items() if value is count or same_thing(rate.per, key[1])
                )
                self.holdings[holder, rate.quantity.unit] = total
                return total
        return None

    def compute(self, sign: str, left: Quantity, right: Quantity, label: str, unit: str = "") -> Quantity:
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
        return explained(result, self.order, f"{label}{joint}{written}{unit_after(result)}.")

    def number(self, value: Fraction | None, unit: str) -> Quantity:
        """Return a number of the text as a quantity; the first missing one becomes n, a second is refused."""
        if value is not None:
            return Quantity(constant=value, unit=unit)
        if self.unknown:
            raise Unsolvable("two numbers are missing")
        self.unknown = unit
        return Quantity(constant=Fraction(0), slope=Fraction(1), unit=unit)

    def note(self, quantity: Quantity, line: str) -> Quantity:
        """Return the quantity with `line` as its newest step."""
        return explained(quantity, self.order, line)

    def as_told(self, quantity: Quantity, label: str) -> Quantity:
        """Return the quantity with the text's own words as its step, unless it has steps already."""
        if quantity.steps:
            return quantity
        if not quantity.known:
            return explained(quantity, self.order, f"{label}: {quantity}{unit_after(quantity)}.")
        return explained(quantity, self.order, f"{label}.")

    def start(self, owner: str, quantity: Quantity) -> None:
        """Let `owner` have this much of what nobody was said to have before."""
        self.holdings[owner, quantity.unit] = self.starts[owner, quantity.unit] = quantity

    def change(self, owner: str, quantity: Quantity, sign: int, label: str, *, anyone: bool = False) -> bool:
        """Add to what `owner` has, or with sign -1 take away; return False where it is not known what there was."""
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
        self.holdings[key] = self.compute("+" if sign > 0 else "−", held, plain, line)
        return True

    def rate(self, unit: str, per: str) -> Quantity | None:
        """Return how many of `unit` one `per` has, costs or gets."""
        per = inflect(per, one=True)
        found = [rate for rate in self.rates if same_thing(unit, rate.quantity.unit) and same_thing(per, rate.per)]
        return found[-1].quantity if found and not (found[-1].parts and not found[-1].parts.known) else None

    def is_final(self, clause: Clause) -> bool:
        """Say whether the clause tells a result instead of something new."""
        if clause.size != "exactly" or clause.value is None or clause.phrase("price"):
            return False
        if EACH.fullmatch(clause.subject):
            return any(rate.parts for rate in self.rates) or "in the end" in clause.markers
        if clause.verb.effect == "need":
            return "more" in clause.text
        if clause.verb.effect == "be" and "then" in clause.markers and not clause.text.startswith("Then"):
            return self.held("", clause.unit, anyone=True) is not None
        if clause.verb.effect == "have":
            return bool(self.held(self.resolve(clause.subject), clause.unit)) or bool(clause.markers & _RESULT_MARKERS)
        return bool(clause.markers & _RESULT_MARKERS)
