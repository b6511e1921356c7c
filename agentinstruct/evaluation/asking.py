"""Asks a model every question once: replies are kept as they come, and a killed evaluation asks only the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.records import content_hash
from agentinstruct.training.practice.lines import Ledger


class Solve(Protocol):
    """A model that answers greedily: `prompts -> replies`, None where one could not be had."""

    identity: Mapping[str, JsonValue]
    """What answers, and how it is told to; replies are kept under it, so it must change when they might."""
    at_once: int
    """Prompts of one call, which is also what a kill can cost."""

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """Return the replies in the order of `prompts`."""
        ...

    def close(self) -> None:
        """Let go of memory and connections; a later call opens them again."""
        ...


class KeptReplies:
    """Replies by model and prompt in a ledger, which outlives a kill at any moment."""

    def __init__(self, path: Path) -> None:
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a link: give --out a directory of its own")
        self._ledger = Ledger(path)
        self._replies: dict[str, str] = {key: reply for row in self._ledger.rows() for key, reply in row.items()}

    def get(self, key: str) -> str | None:
        """Return the reply kept under `key`, if there is one."""
        return self._replies.get(key)

    def keep(self, replies: Mapping[str, str]) -> None:
        """Write replies through to the disk; one that is there already stays as it is."""
        if fresh := {key: reply for key, reply in replies.items() if key not in self._replies}:
            self._ledger.append(fresh)
            self._replies |= fresh


def ask_all(
    solve: Solve,
    prompts: Sequence[str],
    kept: KeptReplies,
    *,
    on_reply: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, str]:
    """Return the reply to every prompt; raises `AgentInstructError` when some could not be had: another call asks them.

    Prompts are asked in chunks that depend on nothing but their order: a model computes a batch together, so that a
    resumed evaluation must group them as an unbroken one does.
    """
    keys = {prompt: content_hash("reply", dict(solve.identity), prompt) for prompt in prompts}
    missing = 0
    with closing(solve):
        for start in range(0, len(prompts), solve.at_once):
            chunk = prompts[start : start + solve.at_once]
            if any(kept.get(keys[prompt]) is None for prompt in chunk):
                replies = zip(chunk, solve(chunk), strict=True)
                kept.keep({keys[prompt]: reply for prompt, reply in replies if reply is not None})
            missing += sum(kept.get(keys[prompt]) is None for prompt in chunk)
            on_reply(start + len(chunk), len(prompts))
    if missing:
        raise AgentInstructError(f"{missing} of {len(prompts)} questions have no reply yet: run the same command again")
    return {prompt: reply for prompt in prompts if (reply := kept.get(keys[prompt])) is not None}
