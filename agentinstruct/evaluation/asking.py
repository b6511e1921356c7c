"""Asks a model every question once: replies are kept as they come, and a killed evaluation asks only the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.records import content_hash


class Solve(Protocol):
    """A model that answers greedily: `prompts -> replies`, None where one could not be had."""

    @property
    def identity(self) -> Mapping[str, JsonValue]:
        """What answers, and how it is told to; replies are kept under it, so it must change when they might."""
        ...

    @property
    def at_once(self) -> int:
        """Prompts of one call, which is also what a kill can cost."""
        ...

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """Return the replies in the order of `prompts`."""
        ...

    def close(self) -> None:
        """Let go of memory and connections; a later call opens them again."""
        ...


class KeptReplies:
    """Replies by model and prompt in a file of JSON lines; a last line torn by a kill is dropped when it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies: dict[str, str] = {}
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a link: give --out a directory of its own")
        if path.exists():
            self._load()

    def _load(self) -> None:
        whole = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    key, reply = json.loads(line)
                except ValueError as error:
                    raise ConfigurationError(f"{self._path}, line {number}: is damaged ({error}): remove it") from error
                self._replies[str(key)] = str(reply)
                whole += len(line)
        os.truncate(self._path, whole)

    def get(self, key: str) -> str | None:
        """Return the reply kept under `key`, if there is one."""
        return self._replies.get(key)

    def keep(self, replies: Mapping[str, str]) -> None:
        """Write replies through to the disk; one that is there already stays as it is."""
        fresh = {key: reply for key, reply in replies.items() if key not in self._replies}
        if not fresh:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps([key, reply]) + "\n" for key, reply in fresh.items()))
            file.flush()
            os.fsync(file.fileno())
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
