"""`SOURCES.toml`: what a folder says about the origin of its files.

[[files]]
path = "history/salt.md"      # relative to this file; a glob may name several
kind = "textbook"
license = "CC0-1.0"
source = "https://example.org/salt"
title = "A short history of salt"
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agentinstruct.errors import SeedError
from agentinstruct.readers.document import one_line
from agentinstruct.readers.walk import SOURCES_NAME
from agentinstruct.records import SeedKind

_LARGEST = 20_000_000


class Origin(BaseModel):
    """What is said about one file, or about all that match its path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = "*"
    kind: SeedKind | None = None
    license: str = ""
    source: str = ""
    title: str = ""


class _Sources(BaseModel):
    files: tuple[Origin, ...] = ()


class Origins:
    """Finds what is said about a file, in its own folder first and then upwards to where reading began."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[dict[str, Origin], tuple[Origin, ...]]] = {}

    def of(self, path: Path, root: Path) -> Origin:
        """Return the origin of `path`; an empty one where nothing is said. Raises `SeedError` on a malformed table."""
        for folder in [path.parent, *path.parent.parents]:
            exact, patterns = self._table(folder)
            name = path.relative_to(folder).as_posix()
            found = exact.get(name) or next((origin for origin in patterns if fnmatchcase(name, origin.path)), None)
            if found:
                return found
            if folder == root:
                break
        return Origin()

    def _table(self, folder: Path) -> tuple[dict[str, Origin], tuple[Origin, ...]]:
        if folder not in self._read:
            if len(self._read) > 1000:
                self._read.clear()  # a corpus may have millions of folders
            files = _load(folder / SOURCES_NAME)
            exact = {origin.path.removeprefix("./"): origin for origin in files}
            self._read[folder] = exact, tuple(origin for origin in files if any(mark in origin.path for mark in "*?["))
        return self._read[folder]


def _load(path: Path) -> tuple[Origin, ...]:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, and a device never ends
            raise SeedError(f"{path.as_posix()} is not a regular file")
        if path.is_file() and path.stat().st_size > _LARGEST:
            raise SeedError(f"{path.as_posix()} is larger than {_LARGEST // 1_000_000} MB")
        return _Sources.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).files
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SeedError(f"{path.as_posix()} cannot be read: {one_line(error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SeedError(
            f"{path.as_posix()}: {place}: {first['msg']}; known fields: {', '.join(Origin.model_fields)}"
        ) from error
