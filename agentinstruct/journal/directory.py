"""The run directory: who holds it, what its manifest says, and how its files are replaced as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentinstruct.errors import AgentInstructError, ConfigurationError, RunLocked
from agentinstruct.journal.reader import JournalReader, look_into

_WRITTEN_IN_PLACE = (".lock", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "journal.sqlite-journal")
GRANTED, LOST = "granted", "lost"
"""Names of the journal under which it stands how much may be spent in all, and what was paid for nothing."""


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Say plainly what a full disk, or a directory that may not be written, means for the run."""
    try:
        yield
    except OSError as error:
        raise AgentInstructError(
            f"cannot write to {directory}: {error}; no answer is lost: see its space and run again"
        ) from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the run directory, making it if need be; raises `RunLocked` naming who has it.

    The lock dies with its process, so a killed run never blocks the next one.
    """
    _prepare(directory)
    with open(directory / ".lock", "a+", opener=_no_link) as lock:  # Path.open takes no opener
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise RunLocked(f"{directory} is in use by {holder}: wait for it, or give another --out") from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")  # a shared disk may be locked from elsewhere
        lock.flush()
        yield


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _prepare(directory: Path) -> None:
    """Make the directory; raises `ConfigurationError` where it cannot be written, or is somebody else's."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in directory.iterdir() if not entry.name.startswith("."))
        if names and not {"manifest.json", "journal.sqlite"} & set(names):
            others = f"{names[0]}, …" if len(names) > 1 else names[0]
            raise ConfigurationError(f"{directory} holds other things ({others}): give --out a directory of its own")
        for name in _WRITTEN_IN_PLACE:  # behind a link, someone else's file would be written to
            if (directory / name).is_symlink():
                raise ConfigurationError(f"{directory / name} is a link: give --out a directory of its own")
        (directory / ".lock").touch()
    except FileExistsError as error:
        raise ConfigurationError(f"{directory} is a file: give --out a directory of its own") from error
    except OSError as error:
        told = f"cannot make or write the run directory {directory}: {error.strerror}; give another --out"
        raise ConfigurationError(told) from error


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read a run's manifest; raises `ConfigurationError` where there is no run."""
    path = directory / "manifest.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{directory} is not a run: it has no manifest.json") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is damaged: {error}; run `agentinstruct generate` again to rewrite it"
        ) from error


@contextmanager
def read_journal(directory: Path) -> Iterator[JournalReader]:
    """Look into the journal of a run, which may be going on; raises `ConfigurationError` where there is no run."""
    read_manifest(directory)
    with look_into(directory / "journal.sqlite") as journal:
        yield journal


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never a part."""
    fresh = path.with_name(f".{path.name}.new")
    with writing(path.parent):
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8", errors="backslashreplace") as file:  # never through a link
            file.write(text)
        fresh.replace(path)
