"""What asking by batch takes: a batcher that collects questions, and a back end that has them answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher import Place

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """How a batch stands: its state and counts, once it has ended its files, and why it failed if it did."""

    state: str
    total: int = 0
    done: int = 0
    files: tuple[str, ...] = ()
    code: str = ""
    problem: str = ""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in ENDED


class BackEnd(Protocol):
    """A provider of batches. Everything raises `TeacherUnavailable` for what another try may cure."""

    url: str
    """The path each line names."""

    async def submit(self, wave: str, lines: BinaryIO) -> str:
        """Hand over a file of questions under our own name `wave`; return the batch's id."""
        ...

    async def find(self, wave: str, created: float) -> str | None:
        """Return the id of the batch that was submitted as `wave` at about `created` (Unix time), if it was."""
        ...

    async def retrieve(self, batch: str) -> BatchStatus:
        """Return how a batch stands."""
        ...

    def fetch(self, file: str) -> AsyncIterator[bytes]:
        """Yield a file's lines; raises `Lost` where it is no more."""
        ...

    def scrub(self, text: str) -> str:
        """Return `text` without anything secret."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as it is parked: where in the run it is asked, who is to answer it, and its body as JSON."""

    asked: Place
    place: str
    body: str

    @property
    def id(self) -> str:
        """Its id in the run."""
        return self.asked.id


class Batcher(Protocol):
    """Collects questions, and has them answered together."""

    async def answer(self, question: Question, back_end: BackEnd | None) -> str:
        """Return the answer, as `lines.read_answer` reads it, whenever there is one."""
        ...

    async def discard(self, question: str) -> None:
        """Forget an answer that is of no use, so that the question can be asked again."""
        ...


class Lost(TeacherUnavailable):
    """What should be at the provider is not there, or not all of it."""
