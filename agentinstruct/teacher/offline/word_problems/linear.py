"""Quantities that are known or depend on the one unknown n, each with the steps that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class Step(NamedTuple):
    """One line of a solution; `order` is its place in the telling."""

    order: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """The number `constant + slope × n`, of `unit` (a noun phrase, or `$`)."""

    constant: Fraction
    slope: Fraction = Fraction(0)
    unit: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it does not depend on the unknown."""
        return self.slope == 0

    @property
    def divisor(self) -> int:
        """The number by which an expression is shown divided; 1 where decimals show it as well."""
        decimal = abs(self.slope) > 1 and (self.slope * 100).denominator == 1
        return 1 if decimal else self.slope.denominator

    def at(self, unknown: Fraction) -> Fraction:
        """Return its value once the unknown is known."""
        return self.constant + self.slope * unknown

    def __str__(self) -> str:
        if self.known:
            return write_number(self.constant, self.unit)
        parts = self.divisor
        if parts > 1:
            inner = Quantity(constant=self.constant * parts, slope=self.slope * parts)
            return f"{inner.bracketed()} ÷ {parts}"
        times = "n" if self.slope == 1 else f"{write_number(self.slope)} × n"
        if self.slope == -1:
            return f"{write_number(self.constant)} − n"
        if self.slope < 0:
            return f"{write_number(self.constant)} − {write_number(-self.slope)} × n"
        if self.constant == 0:
            return times
        sign = "+" if self.constant > 0 else "−"
        return f"{times} {sign} {write_number(abs(self.constant))}"

    def bracketed(self) -> str:
        """Return the text to stand inside a longer sum or product."""
        text = str(self)
        return f"({text})" if not self.known and " " in text else text


class Unsolvable(Exception):
    """The reader does not follow the text, or the text does not decide the answer."""


def write_number(value: Fraction, unit: str = "") -> str:
    """Return `value` for a reader: commas, and dollars before the figure."""
    sign, value = ("−" if value < 0 else ""), abs(value)
    if value.denominator == 1:
        text = f"{value.numerator:,}"
    elif unit == "$" and (value * 100).denominator == 1:
        text = f"{float(value):,.2f}"
    elif (value * 10**6).denominator == 1:
        text = f"{float(value):,.6f}".rstrip("0")
    else:
        text = f"{value.numerator}/{value.denominator}"
    return f"{sign}$ {text}".replace("$ ", "$") if unit == "$" else sign + text


def add(left: Quantity, right: Quantity, *, minus: bool = False) -> Quantity:
    """Return the sum or the difference, without a step of its own."""
    sign = -1 if minus else 1
    return Quantity(
        constant=left.constant + sign * right.constant,
        slope=left.slope + sign * right.slope,
        unit=left.unit,
        steps=merge_steps(left, right),
    )


def multiply(left: Quantity, right: Quantity, unit: str) -> Quantity:
    """Return the product in `unit`; one factor at least has to be known."""
    if not left.known and not right.known:
        raise Unsolvable("the unknown is multiplied by itself")
    fixed, other = (left, right) if left.known else (right, left)
    return Quantity(
        constant=fixed.constant * other.constant,
        slope=fixed.constant * other.slope,
        unit=unit,
        steps=merge_steps(left, right),
    )


def divide(left: Quantity, right: Quantity, unit: str) -> Quantity:
    """Return the quotient in `unit`; the divisor has to be known."""
    if not right.known or right.constant == 0:
        raise Unsolvable("the unknown divides")
    return Quantity(
        constant=left.constant / right.constant,
        slope=left.slope / right.constant,
        unit=unit,
        steps=merge_steps(left, right),
    )


def explained(quantity: Quantity, order: int, text: str) -> Quantity:
    """Return the quantity with one more step."""
    step = Step(order, text)
    steps = quantity.steps if step in quantity.steps else (*quantity.steps, step)
    return Quantity(constant=quantity.constant, slope=quantity.slope, unit=quantity.unit, steps=steps)


def merge_steps(*quantities: Quantity) -> tuple[Step, ...]:
    """Return the steps of all of them once, in the order of the telling."""
    seen = {step: None for quantity in quantities for step in quantity.steps}
    return tuple(sorted(seen, key=lambda step: step.order))
