"""The folder of one training phase: what it was told, its checkpoints, and the mark of its end. Knows no torch.

OUT/settings.json    what the phase was told, written before the first step
OUT/training.jsonl   a line for every step
OUT/checkpoints/     gone when the phase is finished
OUT/student/         the finished student: weights, tokenizer, card; any next phase or server loads this folder
OUT/adapter/         the LoRA adapter, where one was trained; it is merged into the student
OUT/fit.json         what came out, written last: while it is missing, the phase is not finished
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError, RunLocked

WHOLE = "whole"
"""A file in a checkpoint that says it was written to its end: without it a killed process left a part."""

Told = Mapping[str, JsonValue]
"""What decides a phase's outcome: method, student, settings, and a fingerprint of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One finished phase. `tokens` counts what the student read, padding aside; `loss` is the mean over all steps."""

    steps: int
    tokens: int
    loss: float
    seconds: float
    folder: Path
    """Where the student lies, ready for `AutoModelForCausalLM.from_pretrained`."""


def finished(out: Path, told: Told) -> Fit | None:
    """Return what an earlier call with the same words brought to its end in `out`, if one did.

    Raises `ConfigurationError` that says what differs where `out` holds a phase that was told something else.
    """
    earlier = _read(out / "settings.json")
    if earlier is not None and (differing := "; ".join(_differences(earlier, told))):
        raise ConfigurationError(f"{out} holds a phase with other settings: {differing}; give another folder")
    end = _read(out / "fit.json")
    if end is None:
        return None
    if end["told"] != digest(told):
        raise ConfigurationError(f"{out / 'fit.json'} is of another phase than its settings.json: give another folder")
    figures = end["figures"]
    return Fit(**figures, folder=out / "student")


def begin(out: Path, told: Told) -> None:
    """Note what the phase is told, and clear away what a killed process wrote only in part."""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "settings.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    for folder in _checkpoints(out):
        if not (folder / WHOLE).exists():
            shutil.rmtree(folder)


def last_checkpoint(out: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end."""
    return max((each for each in _checkpoints(out) if (each / WHOLE).exists()), key=_step, default=None)


def finish(out: Path, told: Told, fit: Fit) -> None:
    """Write the mark of the end, and only then remove the checkpoints."""
    figures = {"steps": fit.steps, "tokens": fit.tokens, "loss": fit.loss, "seconds": fit.seconds}
    end = {"figures": figures, "told": digest(told), "data": told.get("data")}
    write_whole(out / "fit.json", json.dumps(end, indent=2) + "\n")
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def put_in_place(fresh: Path, folder: Path) -> None:
    """Give a folder that was written to its end its name, in place of what had it before."""
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)


def forget(out: Path) -> None:
    """Remove what a phase wrote in `out`, and nothing else."""
    for name in ("fit.json", "settings.json", "training.jsonl"):
        (out / name).unlink(missing_ok=True)
    for name in ("checkpoints", "student", "student.new", "adapter"):
        shutil.rmtree(out / name, ignore_errors=True)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep a second process out of `out` while the first one trains; raises `RunLocked` there.

    The lock dies with its process. Of the processes of one launch, only the main one may hold it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLocked(f"another process is training in {out}: wait for it, or give another folder") from error
        yield


def write_whole(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a kill, finds the old file or the new one and never a part."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def digest(value: Any) -> str:
    """Return a hash of plain values that does not depend on the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def model_digest(folder: Path) -> str:
    """Return a hash of what makes the model in a folder; checkpoints below it and its card are no part of that."""
    told = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _PARTS and path.is_file():
            with path.open("rb") as file:
                told.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return told.hexdigest()


_PARTS = (".safetensors", ".json", ".jinja", ".model", ".txt")
"""Weights, settings and the tokenizer."""


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON ({error}): remove it, or give another folder") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} holds no JSON object: remove it, or give another folder")
    return value


def _differences(earlier: Told, told: Told) -> Iterator[str]:
    before, now = dict(_leaves(earlier)), dict(_leaves(told))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{name} was {before.get(name)!r} and is {now.get(name)!r}"


def _leaves(value: Told, under: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, each in value.items():
        if isinstance(each, dict):
            yield from _leaves(each, f"{under}{name}.")
        else:
            yield f"{under}{name}", each


def _checkpoints(out: Path) -> list[Path]:
    return [each for each in (out / "checkpoints").glob("checkpoint-*") if each.name[11:].isdecimal()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name[11:])
