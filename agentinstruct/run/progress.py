"""What a run has done so far, and the recorder that counts it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from agentinstruct.batch import Waves
from agentinstruct.journal import ItemRecorder, Journal
from agentinstruct.teacher import Exchange


@dataclass(slots=True)
class Progress:
    """What a run has done so far; read by whoever shows it. Dataset counts are provisional until it is published."""

    started: float = field(default_factory=time.monotonic)
    seeds: int = 0
    items: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    reused: int = 0
    pairs: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usage: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    skipped: int = 0
    unused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Where the seeds that no chosen flow takes are, by kind; only the first of each kind are named."""
    unused_count: Counter[str] = field(default_factory=Counter)
    all_read: bool = False


class CountingRecorder(ItemRecorder):
    """Counts what an item asks into the run's progress."""

    def __init__(self, journal: Journal, item: int, progress: Progress, waves: Waves | None = None) -> None:
        super().__init__(journal, item)
        self._progress = progress
        self._waves = waves

    def find(self, key: str) -> str | None:
        """Return a recorded reply, counting it as replayed."""
        known = super().find(key)
        self._progress.replayed += known is not None
        return known

    async def record(self, exchange: Exchange) -> None:
        """Keep a new reply, counting it and its tokens."""
        if self._waves is None:
            await super().record(exchange)
        else:
            await self._waves.record(self._item, self.question(exchange.key), exchange)
        progress = self._progress
        progress.calls += 1
        progress.prompt_tokens += exchange.prompt_tokens
        progress.completion_tokens += exchange.completion_tokens
        calls, prompt, completion = progress.usage.get(exchange.model, (0, 0, 0))
        progress.usage[exchange.model] = (
            calls + 1,
            prompt + exchange.prompt_tokens,
            completion + exchange.completion_tokens,
        )
