"""A run directory's own words on itself: `manifest.json`, the dataset card, and the lock that keeps others out."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agentinstruct.dataset import Counts, writing
from agentinstruct.errors import ConfigurationError, RunLocked
from agentinstruct.journal_reader import JournalReader, look_into
from agentinstruct.library import Skill
from agentinstruct.options import RunOptions
from agentinstruct.records import Seed
from agentinstruct.stack import TeacherStack

_WRITTEN_IN_PLACE = (".lock", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "journal.sqlite-journal")
_PACKAGES = ("agentinstruct", "autogen-agentchat", "autogen-core", "openai", "pydantic", "pyarrow")


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


def write_manifest(
    options: RunOptions, skills: tuple[Skill, ...], stack: TeacherStack, *, seed_fingerprint: str | None = None
) -> None:
    """Write what was asked: flows and their prompts, teachers, sampling, sources, versions. No key is in it.

    `seed_fingerprint` identifies the seeds, which are read while the run goes on; None as long as that is not over.
    """
    manifest: dict[str, Any] = {
        "flows": {
            skill.name: {
                "skill": skill.flow.skill,
                "folder": str(skill.folder),
                "fingerprint": skill.fingerprint,
                "prompts": {name: skill.prompts[name].hash for name in skill.prompts},
            }
            for skill in skills
        },
        "teachers": stack.identities(),
        "run_seed": options.run_seed,
        "seeds": _sources(options),
        "seed_fingerprint": seed_fingerprint,
        "reading": {name: value for name, value in asdict(options.reading).items() if value is not None},
        "limit": options.limit,
        "target": options.target,
        "versions": {package: version(package) for package in _PACKAGES},
    }
    replace(options.out / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def _sources(options: RunOptions) -> list[str] | str:
    if isinstance(options.seeds, list | tuple) and not any(isinstance(each, Seed) for each in options.seeds):
        return [str(each) for each in options.seeds]
    return "seed records given by a program"


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read a run's manifest; raises `ConfigurationError` where there is no run."""
    path = directory / "manifest.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{directory} is no run: it has no manifest.json") from error
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


def write_card(options: RunOptions, skills: tuple[Skill, ...], stack: TeacherStack, counts: Counts) -> None:
    """Write the dataset card from what the dataset holds."""
    from agentinstruct.card import render_card

    replace(options.out / "README.md", render_card(skills, stack.identities(), counts, run_seed=options.run_seed))
