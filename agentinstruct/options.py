"""What a person asks of a run: seeds, flows, teacher, and limits. The CLI, a job file and the API all fill these in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from autogen_core.models import ChatCompletionClient

from agentinstruct.errors import ConfigurationError
from agentinstruct.readers import ReadOptions
from agentinstruct.records import Seed
from agentinstruct.teacher.spec import Sampling

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """Who answers, how it is sampled, and how hard it may be pressed.

    `roles` gives agents a teacher of their own: the key is an agent's name or the last part of it (`judge`).
    A client object serves one call, which closes it. `budget` is in dollars, `budget_tokens` in tokens; both count
    what earlier calls of the same run have spent. The run stops when at least the share `max_error_rate` of a
    teacher's last 50 calls failed after all attempts, and more than ten items with them; at 1 it never does.
    """

    teacher: str | ChatCompletionClient = "offline"
    roles: Mapping[str, str | ChatCompletionClient] = field(default_factory=dict)
    base_url: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    budget_tokens: int | None = None
    prices: Path | None = None
    max_error_rate: float = 0.5

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ConfigurationError(f"a concurrency of {self.concurrency} would ask nothing: give 1 or more")
        if not 0 < self.max_error_rate <= 1:
            raise ConfigurationError(
                f"a max_error_rate of {self.max_error_rate:g} is none: give a share over 0, such as 0.5; 1 never stops"
            )


MOST_QUESTIONS, MOST_BYTES = 50_000, 200 * 10**6
"""What one file of OpenAI's Batch API may hold."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How questions are asked by batch: `via` the provider (`openai`), or brought elsewhere and back (`export`).

    A wave holds at most `size` questions and `bytes` bytes; as many items are in flight. `poll` is in seconds. A wave
    leaves when nothing has moved for `quiet` seconds: flows may do other things than ask.
    """

    via: Literal["openai", "export"] = "openai"
    size: int = 10_000
    bytes: int = MOST_BYTES // 2
    poll: float = 30.0
    quiet: float = 0.5

    def __post_init__(self) -> None:
        if self.via not in ("openai", "export"):
            raise ConfigurationError(f"no way to ask by batch is called {self.via!r}: there are openai and export")
        if not 1 <= self.size <= MOST_QUESTIONS:
            raise ConfigurationError(f"a wave of {self.size} questions cannot be: give 1 to {MOST_QUESTIONS}")
        if not 1 <= self.bytes <= MOST_BYTES:
            raise ConfigurationError(f"a wave of {self.bytes} bytes cannot be: give 1 to {MOST_BYTES}")
        if self.poll <= 0:
            raise ConfigurationError(f"a batch cannot be looked at every {self.poll:g} seconds: give more than 0")


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
            raise ConfigurationError("a budget cannot hold for questions that are sent elsewhere: leave it away")

    @property
    def batching(self) -> BatchOptions | None:
        """How questions are asked by batch, if they are."""
        return BatchOptions(via=cast(Any, self.batch)) if isinstance(self.batch, str) else self.batch
