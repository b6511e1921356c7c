"""Who answers, how it is sampled, and how hard it may be pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autogen_core.models import ChatCompletionClient

from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher.spec import Sampling


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """Who answers, how it is sampled, and how hard it may be pressed.

    `roles` gives agents a teacher of their own: the key is an agent's name or the last part of it (`judge`).
    A client object serves one call, which closes it. `budget` is in dollars, `budget_tokens` in tokens; both count
    what earlier calls of the same run have spent. The run stops when at least the share `max_error_rate` of a
    teacher's last 50 calls failed after all attempts, and more than ten items with them; at 1 it never does.
    """

    teacher: str | ChatCompletionClient | None = None
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
            raise ConfigurationError(f"concurrency must be at least 1, not {self.concurrency}")
        if not 0 < self.max_error_rate <= 1:
            raise ConfigurationError(
                f"max_error_rate must be over 0 and at most 1 (1 never stops), not {self.max_error_rate:g}"
            )
