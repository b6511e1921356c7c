"""Spans: a way to watch a run's work as a tree of run, item, stage and call, handed to whoever does that work.

What becomes of them is the business of an implementation; without one they are `UNWATCHED` and cost next to nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol, Self

Kind = Literal["run", "item", "stage", "call"]
Attribute = str | bool | int | float


class Span(Protocol):
    """A piece of work while it is being done; parts of it that run side by side open spans of their own in it.

    Nothing that a seed, a prompt or a reply says may be told to a span, and no key: only names, ids and numbers.
    """

    def open(self, kind: Kind, name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
        """Begin a span within this one, for a `with` block; an error that leaves the block is told to it."""
        ...

    def note(self, **attributes: Attribute) -> None:
        """Add what is known of the work only now."""
        ...

    def fail(self, error: BaseException) -> None:
        """Say what ended the work, where no error leaves the block."""
        ...


class _Unwatched:
    """A span, and the block it is open in, of which nothing is kept."""

    __slots__ = ()

    def open(self, kind: Kind, name: str, **attributes: Attribute) -> Self:
        return self

    def note(self, **attributes: Attribute) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass


UNWATCHED: Span = _Unwatched()
"""For work that nobody watches."""
