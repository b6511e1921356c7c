# SPDX-License-Identifier: CC0-1.0
"""A small double-entry ledger: money is never created or lost, it only moves between accounts.

Amounts are whole cents. Floating-point numbers cannot represent 0.10 exactly, so they are never used for money here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date


class LedgerError(Exception):
    """A transfer that the ledger refuses; nothing has been changed when it is raised."""


@dataclass(frozen=True)
class Transfer:
    """A movement of `cents` from one account to another on one day."""

    day: date
    source: str
    target: str
    cents: int
    note: str = ""


@dataclass
class Ledger:
    """Keeps all transfers in the order in which they were made and works out balances from them."""

    overdraft_allowed: frozenset[str] = frozenset({"cash"})
    transfers: list[Transfer] = field(default_factory=list)
    _balances: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def transfer(self, day: date, source: str, target: str, cents: int, note: str = "") -> Transfer:
        """Move money between two accounts.

        Raises LedgerError if the amount is not positive, if both accounts are the same, or if the source account
        would be overdrawn and is not allowed to be.
        """
        if cents <= 0:
            raise LedgerError(f"the amount must be positive, not {cents}")
        if source == target:
            raise LedgerError("an account cannot pay itself")
        if source not in self.overdraft_allowed and self.balance(source) < cents:
            raise LedgerError(f"{source} holds only {as_text(self.balance(source))}")
        entry = Transfer(day, source, target, cents, note)
        self.transfers.append(entry)
        self._balances[source] -= cents
        self._balances[target] += cents
        return entry

    def balance(self, account: str) -> int:
        """Return the balance in cents; an account that was never used holds nothing."""
        return self._balances.get(account, 0)

    def total(self) -> int:
        """Return the sum of all balances, which is always zero in double-entry bookkeeping."""
        return sum(self._balances.values())

    def statement(self, account: str) -> list[str]:
        """Return one line per transfer of the account, with the running balance at the end of each line."""
        lines = []
        running = 0
        for entry in self.transfers:
            if account not in (entry.source, entry.target):
                continue
            change = entry.cents if entry.target == account else -entry.cents
            running += change
            lines.append(f"{entry.day.isoformat()}  {as_text(change):>10}  {as_text(running):>10}  {entry.note}")
        return lines


def as_text(cents: int) -> str:
    """Write cents as an amount with two decimals, such as -12.05."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    return f"{sign}{whole}.{part:02d}"


if __name__ == "__main__":
    ledger = Ledger()
    ledger.transfer(date(2024, 3, 1), "cash", "anna", 20_000, "opening deposit")
    ledger.transfer(date(2024, 3, 4), "anna", "bakery", 1_250, "cake")
    print("\n".join(ledger.statement("anna")))
    print("sum of all accounts:", ledger.total())
