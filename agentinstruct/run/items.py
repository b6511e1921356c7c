"""What one call of `generate` is asked for: its items in seed order, and which of them are not done yet."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice

from pydantic import JsonValue

from agentinstruct.flow import Skill
from agentinstruct.journal import Journal, item_id
from agentinstruct.readers import Skipped
from agentinstruct.records import Seed, content_hash
from agentinstruct.run.options import RunOptions
from agentinstruct.run.progress import Progress
from agentinstruct.run.seeds import first_seeds

_CHUNK = 16
"""Seeds read ahead in a thread, so that parsing a long PDF does not hold up the questions in flight."""
_NAMED = 3
"""Unused seeds of a kind that are named; there may be thousands."""
_FLUSH = 1_000
"""Finished items passed over before a wait for the journal, so that its queue stays short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An item that is to be run, and the fingerprint under which it will be done."""

    skill: Skill
    seed: Seed
    item: int
    fingerprint: str


class Scope:
    """The items of a call: every seed with every flow that takes it. `identities` are those of the teachers.

    `on_skip` hears of every source that was passed over.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        skills: tuple[Skill, ...],
        identities: dict[str, dict[str, JsonValue]],
        journal: Journal,
        progress: Progress,
        on_skip: Callable[[Skipped], None],
    ) -> None:
        self.call = int(journal.meta("calls") or 0) + 1
        """The number of this call in its run."""
        self.stopped = False
        """Set by whoever wants no more items."""
        self._options = options
        self._skills = skills
        self._journal = journal
        self._progress = progress
        self._on_skip = on_skip
        common = (version("agentinstruct"), identities, options.run_seed)
        self._conditions = {skill.name: content_hash(skill.fingerprint, *common) for skill in skills}
        self._seeds_read = hashlib.sha256()

    def seed_fingerprint(self) -> str | None:
        """Identify this call's seeds, in their order; None when it did not read them all."""
        return self._seeds_read.hexdigest()[:16] if self._progress.all_read else None

    async def begin(self) -> None:
        """Number the call, and reopen what was finished under other conditions than today's."""
        await self._journal.set_meta("calls", str(self.call))
        await self._journal.begin_scope(self._conditions)

    async def end(self) -> None:
        """Leave out what only earlier calls were asked for."""
        await self._journal.end_scope(self.call)

    async def work(self) -> AsyncIterator[Work]:
        """Yield the items that are not done, registering every item on the way."""
        position = 0
        async for seed in self._seeds():
            if self.stopped:  # a million seeds may need nothing more and be passed over
                return
            takers = [skill for skill in self._skills if seed.kind in skill.flow.kinds]
            self._progress.seeds += 1
            self._seeds_read.update(content_hash(seed.id, seed.kind, seed.text).encode())
            if not takers:
                self._note_unused(seed)
            for skill in takers:
                self._journal.register(seed, skill.name, position=position, call=self.call)
                position += 1
                self._progress.items += 1
                if each := self._pending(skill, seed):
                    yield each
                elif self._progress.reused % _FLUSH == 0:
                    await self._journal.write()

    def work_on(self, skill: Skill, seed: Seed) -> Work:
        """Return the item of a seed and a flow, done or not."""
        # the whole seed: a corrected licence or source must reach the lineage, though nothing is asked anew for it
        fingerprint = self._conditions[skill.name] + content_hash(seed.model_dump(mode="json"))
        return Work(skill=skill, seed=seed, item=item_id(skill.name, seed.id), fingerprint=fingerprint)

    def _pending(self, skill: Skill, seed: Seed) -> Work | None:
        """Return the item unless an earlier call finished it with the same flow, teacher and seed."""
        work = self.work_on(skill, seed)
        state, finished_under, pairs = self._journal.state_of(work.item)
        if state != "done":
            return work
        if finished_under != work.fingerprint:
            self._journal.reopen(work.item)
            return work
        self._progress.done += 1
        self._progress.reused += 1
        self._progress.pairs += pairs
        return None

    def _note_unused(self, seed: Seed) -> None:
        self._progress.unused_count[seed.kind] += 1
        named = self._progress.unused[seed.kind]
        place = str(seed.meta.get("path") or seed.source or seed.id)
        if len(named) < _NAMED and place not in named:
            named.append(place)

    async def _seeds(self) -> AsyncIterator[Seed]:
        seeds = first_seeds(self._options, {kind for skill in self._skills for kind in skill.flow.kinds})
        while chunk := await asyncio.to_thread(lambda: list(islice(seeds, _CHUNK))):
            for each in chunk:
                if isinstance(each, Seed):
                    yield each
                else:
                    self._progress.skipped += 1
                    self._on_skip(each)
