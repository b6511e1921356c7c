"""A run as JSON lines for a machine that follows it: one object a line, each with `event` and `seconds`.

`seconds` counts from the start of the command and never goes back. The events, in the order they may come:

- `started`: what was asked (`directory`, `flows`, `teacher`, `concurrency`, `run_seed`, `limit`, `target`), and what
  the run held before: `items`, `done`, `failed`, `pending`.
- `skipped`: a source that was passed over: `source`, `reason`.
- `item`: one item ended: `state` (`done` or `failed`), `flow`, `seed`, `pairs`, `rejections` by reason, `error` (its
  last line). Items that an earlier call finished have no event. An item may end twice; then the last event counts.
- `wave`, in a run asked by batch: a wave was `submitted` or is `done` (`state`): its `batch` and `place` at the
  provider, how the batch `ended`, `questions`, and how many were `answered`.
- `progress`, every ten seconds: the figures so far, and in `teachers`, by role, what each teacher does and waits for.
- `stopping`: the run ends early: `type` and `message` of what stopped it. Calls in flight are still let finish.
- `unused`: seeds of a `kind` that no chosen flow takes: `seeds`, and `named`, the first of them.
- `summary`: what the directory holds now, as `status --json` says it.
- `error`, the last line when the command fails as a whole: `type`, `message`, `exit_code`.

Where items failed the last line is the summary, and the exit code 1.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import TextIO

from agentinstruct.errors import AgentInstructError
from agentinstruct.readers import Skipped
from agentinstruct.run import ItemEnd, Run, RunOptions


class Events:
    """Writes events to `out`; nowhere, where that is None. A reader that leaves early ends the writing, not the run."""

    def __init__(self, out: TextIO | None) -> None:
        self.out = out
        self._started = time.monotonic()

    def tell(self, event: str, **facts: object) -> None:
        """Write one line."""
        if self.out is None:
            return
        seconds = round(time.monotonic() - self._started, 3)
        try:
            print(json.dumps({"event": event, **facts, "seconds": seconds}), file=self.out, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.out.fileno())  # or the last flush would fail too

    def started(self, run: Run, options: RunOptions) -> None:
        """Tell what was asked, and what the run held before."""
        states = run.journal.states()
        asked = {"limit": options.limit, "target": options.target, "run_seed": options.run_seed}
        self.tell(
            "started",
            directory=str(options.out),
            flows=[skill.name for skill in run.skills],
            teacher={role: identity.get("model") for role, identity in run.stack.identities().items()},
            concurrency=options.teacher.concurrency,
            **asked,
            items=states.total(),
            **{state: states[state] for state in ("done", "failed", "pending")},
        )

    def skipped(self, skipped: Skipped) -> None:
        """Tell of a source that was passed over."""
        self.tell("skipped", source=skipped.source, reason=skipped.reason)

    def item(self, end: ItemEnd) -> None:
        """Tell how an item ended."""
        self.tell(
            "item",
            state="failed" if end.error else "done",
            flow=end.flow,
            seed=end.seed,
            pairs=len(end.pairs),
            rejections=Counter(rejection.reason for rejection in end.rejections),
            error=end.error.strip().splitlines()[-1] if end.error.strip() else None,
        )

    def stopping(self, reason: AgentInstructError) -> None:
        """Tell that the run ends early."""
        self.tell("stopping", type=type(reason).__name__, message=str(reason))

    def unused(self, run: Run) -> None:
        """Tell which seeds no flow took."""
        for kind, seeds in sorted(run.progress.unused_count.items()):
            self.tell("unused", kind=kind, seeds=seeds, named=run.progress.unused[kind])
