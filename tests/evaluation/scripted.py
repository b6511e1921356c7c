"""A model that answers as told, for tests of what becomes of its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue


class ScriptedStudent:
    """Gives what `reply` says; its calls are kept, and after `fail_after` of them it breaks as if killed."""

    def __init__(
        self,
        reply: Callable[[str], str | None],
        *,
        name: str = "scripted",
        at_once: int = 4,
        fail_after: int | None = None,
    ) -> None:
        self.reply, self.at_once, self.fail_after = reply, at_once, fail_after
        self.identity: Mapping[str, JsonValue] = {"model": name}
        self.calls: list[list[str]] = []
        self.closed = False

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(list(prompts))
        return [self.reply(prompt) for prompt in prompts]

    def close(self) -> None:
        self.closed = True
