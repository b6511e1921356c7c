"""How questions are asked by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentinstruct.errors import ConfigurationError

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
            raise ConfigurationError(f"a wave holds 1 to {MOST_QUESTIONS} questions, not {self.size}")
        if not 1 <= self.bytes <= MOST_BYTES:
            raise ConfigurationError(f"a wave holds 1 to {MOST_BYTES} bytes, not {self.bytes}")
        if self.poll <= 0:
            raise ConfigurationError(f"the time between looks at a batch must be over 0 seconds, not {self.poll:g}")
