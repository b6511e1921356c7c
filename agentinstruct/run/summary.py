"""What a run directory holds, counted from its journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agentinstruct.dataset import Counts
from agentinstruct.dedup import settle
from agentinstruct.errors import AgentInstructError
from agentinstruct.journal import Journal, JournalReader
from agentinstruct.run.progress import Progress
from agentinstruct.teacher import Prices, State

_PUBLISHED = TypeAdapter(tuple[str, int, dict[str, int]])
"""The call that published, its pairs, and its rejections by `flow/stage/reason`."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run directory holds after a call: seeds × flows = done + failed + pending, always."""

    directory: Path
    items: int
    done: int
    failed: int
    pending: int
    pairs: int
    rejections: dict[str, int]
    """Rejections by `flow/stage/reason`."""
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    """What all calls of this run have cost; None when a model's price is not known."""
    stopped: AgentInstructError | None = None
    """Why the run ended early, if it did."""
    progress: Progress | None = field(default=None, repr=False)
    """What this call did, as opposed to the run as a whole."""
    teachers: Mapping[str, State] = field(default_factory=dict, repr=False)
    """How this call's teachers did, by role; `""` is everyone else's."""


def summarise(
    directory: Path,
    journal: JournalReader,
    prices: Prices,
    *,
    stopped: AgentInstructError | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Count what the journal holds."""
    states = journal.states()
    usage = journal.usage()
    pairs, rejections = _counted(journal)
    return Summary(
        directory=directory,
        items=states.total(),
        done=states["done"],
        failed=states["failed"],
        pending=states["pending"],
        pairs=pairs,
        rejections=rejections,
        calls=sum(calls for calls, _, _ in usage.values()),
        prompt_tokens=sum(prompt for _, prompt, _ in usage.values()),
        completion_tokens=sum(completion for _, _, completion in usage.values()),
        dollars=prices.total(usage),
        stopped=stopped,
        progress=progress,
    )


def _counted(journal: JournalReader) -> tuple[int, dict[str, int]]:
    """Return pairs and rejections as published, or as finished so far where the last call has not published yet."""
    with suppress(ValidationError):  # nobody vouches for a journal that came from elsewhere: then it is counted
        call, pairs, rejections = _PUBLISHED.validate_json(journal.meta("published") or "")
        if call == journal.meta("calls"):
            return pairs, rejections
    so_far = Counts()
    for outcome in settle(journal):
        for pair in outcome.pairs:
            so_far.add_pair(pair)
        for rejection in outcome.rejections:
            so_far.add_rejection(rejection, outcome.flow)
    return so_far.pairs, so_far.reasons()


async def keep_counts(journal: Journal, counts: Counts) -> None:
    """Keep what this call has published, which nobody needs to count again then."""
    await journal.set_meta("published", json.dumps([journal.meta("calls"), counts.pairs, counts.reasons()]))
