"""What is noted while a student is taught: a line of `training.jsonl` a step, a line for the reader now and then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import WHOLE, write_whole

_BETWEEN_LINES = 10.0
"""Seconds between two lines for the reader: an hour's training stays on a few screens."""
_KEPT = {"loss": "loss", "learning_rate": "learning_rate", "grad_norm": "gradient_norm"}


def read_log(out: Path) -> list[dict[str, Any]]:
    """Return the steps of `training.jsonl`: step, loss, learning_rate, tokens and seconds so far, what else trl told.

    A last line that a kill cut short is left out.
    """
    try:
        lines = (out / "training.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    steps = []
    for line in lines:
        try:
            steps.append(json.loads(line))
        except ValueError:
            break
    return steps


def callbacks(out: Path, say: Callable[[str], None]) -> list[Any]:
    """Return what a trl trainer is to call: one writes the log and speaks, one marks whole checkpoints.

    Only the main process writes and speaks.
    """
    base = need("transformers").TrainerCallback
    log = _Log(out, say)

    class Logging(base):  # type: ignore[misc, valid-type]  # known only once transformers is loaded
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                log.begin(state.global_step, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if state.is_world_process_zero and logs and "loss" in logs:
                log.note(state.global_step, state.num_input_tokens_seen, logs)

    class Marking(base):  # type: ignore[misc, valid-type]
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            args.distributed_state.wait_for_everyone()  # each process writes a part
            if state.is_world_process_zero:
                write_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE, "")

    return [Logging(), Marking()]


class _Log:
    """The log of one phase over all the calls that it takes."""

    def __init__(self, out: Path, say: Callable[[str], None]) -> None:
        self._path = out / "training.jsonl"
        self._say = say

    def begin(self, step: int, steps: int) -> None:
        """Keep what was noted up to the checkpoint: the steps after it are taken, and noted, again."""
        kept = [each for each in read_log(self._path.parent) if each["step"] <= step]
        write_whole(self._path, "".join(json.dumps(each) + "\n" for each in kept))
        self._steps = steps
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._tokens_before = kept[-1]["tokens"] if kept else 0
        self._began = self._spoke = time.monotonic()
        self._say(f"training goes on at step {step} of {steps}" if step else f"training {steps} steps")

    def note(self, step: int, tokens: int, logs: dict[str, Any]) -> None:
        now = time.monotonic()
        seconds = now - self._began
        noted = {"step": step, "tokens": tokens, "seconds": round(self._before + seconds, 3)}
        noted |= {name: logs[key] for key, name in _KEPT.items() if key in logs}
        noted |= {name: value for name, value in logs.items() if name.startswith(("rewards/", "mean_token", "kl"))}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(noted) + "\n")
        if step == self._steps or now - self._spoke >= _BETWEEN_LINES:
            self._spoke = now
            speed = (tokens - self._tokens_before) / max(seconds, 1e-9)
            rate = logs.get("learning_rate", 0.0)
            self._say(f"step {step}/{self._steps} · loss {logs['loss']:.4f} · lr {rate:.2e} · {speed:,.0f} tokens/s")
