"""What a person asks of a run: seeds, flows, teacher, and limits. The CLI, a job file and the API all fill these in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agentinstruct.batch import BatchOptions
from agentinstruct.errors import ConfigurationError
from agentinstruct.readers import ReadOptions
from agentinstruct.records import Seed
from agentinstruct.teacher import TeacherOptions

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """One run: `seeds` (sources to read, or seeds themselves) through `flows` (names or folders) into `out`.

    `limit` bounds the seeds that a flow takes, `target` the pairs that are published; `run_seed` decides every chance.
    `tracer`, of any OpenTelemetry provider, gets a span for the run, each item, stage and call; no text is in them.
    """

    seeds: Iterable[str | Path | Seed]
    flows: tuple[str | Path, ...]
    out: Path
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    reading: ReadOptions = field(default_factory=ReadOptions)
    run_seed: int = 0
    limit: int | None = None
    target: int | None = None
    tracer: Tracer | None = None
    batch: BatchOptions | str | None = None
    """Ask by batch: options, or only the way (`openai`, `export`)."""

    def __post_init__(self) -> None:
        capped = self.teacher.budget is not None or self.teacher.budget_tokens is not None
        if capped and (batching := self.batching) and batching.via == "export":
            raise ConfigurationError("a budget cannot hold for questions that are sent elsewhere: leave it out")

    @property
    def batching(self) -> BatchOptions | None:
        """How questions are asked by batch, if they are."""
        return BatchOptions(via=cast(Any, self.batch)) if isinstance(self.batch, str) else self.batch
