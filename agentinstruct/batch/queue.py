"""The questions of one model that have not left yet, and what may leave of them just now."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentinstruct.batch.protocols import BackEnd


@dataclass(slots=True, kw_only=True)
class BatchQueue:
    """Questions that wait to leave for one place, and how much its provider takes."""

    place: str
    back_end: BackEnd | None
    """None where questions are taken out, and nothing is sent."""
    most: int
    """Questions in one wave."""
    unsent: dict[str, int] = field(default_factory=dict)
    """The sizes of the bodies by question, in the order they came."""
    size: int = 0
    refusals: int = 0
    """How often in a row it held too many waiting tokens; while it did, one wave is out at a time."""
    holds: int = 0
    """How many waves that were refused so it waits for."""
    out: int = 0

    @property
    def may_send(self) -> bool:
        """Whether there is something to send, and room for it."""
        return bool(self.unsent) and not self.holds and not (self.refusals and self.out)

    def add(self, question: str, size: int) -> None:
        """Let a question wait for the next wave."""
        self.unsent[question] = size
        self.size += size

    def drop(self, question: str) -> int:
        """Take a question back; returns its size."""
        size = self.unsent.pop(question, 0)
        self.size -= size
        return size

    def take(self, most_bytes: int) -> dict[str, int]:
        """Take out what fits into one wave, at least one question."""
        taken: dict[str, int] = {}
        total = 0
        for question, size in self.unsent.items():
            if taken and (len(taken) >= self.most or total + size > most_bytes):
                break
            total += size
            taken[question] = size
        for question in taken:
            self.drop(question)
        return taken
