"""From what a person names (a file, a folder, a glob) to the files that may hold seeds, in sorted order."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from agentinstruct.errors import SeedError
from agentinstruct.readers.code import language_of
from agentinstruct.readers.document import Skipped, one_line

_MAGIC = re.compile(r"[*?\[]")
_SILENT_FOLDERS = {"__pycache__"}
_FOREIGN_FOLDERS = re.compile(r"^(?:node_modules|bower_components|venv|.*\.(?:dist|egg)-info)$")
_LICENCES = re.compile(r"^(?:un)?(?:licen[cs]es?|copying|copyright|notice)(?:[._-].*)?$", re.IGNORECASE)
_LOCKS = re.compile(
    r"^(?:.*\.lock|.*\.lockb|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|"
    r"(?:dev-|test-)?requirements.*\.txt|constraints.*\.txt)$",
    re.IGNORECASE,
)
SOURCES_NAME, RECORDING_NAME = "SOURCES.toml", "recording.jsonl"
"""Files that lie beside seeds and are none: where the seeds come from, and what a teacher once answered to them."""

Found = tuple[Path, Path]
"""A file, and the folder at which its `SOURCES.toml` files begin to count."""


def find_files(source: str) -> Callable[[], Iterator[Found | Skipped]]:
    """Return what lists the files of one source; raises `SeedError` at once where there is nothing.

    A file that a person names is read whatever it is called; below a folder, licences, lock files, other people's
    packages and what is hidden are left out. Links are followed while they stay inside the folder.
    """
    path = Path(source).expanduser()
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise SeedError(f"{source!r} cannot be opened: {one_line(error)}") from error
    if is_folder:
        return lambda: _walk(path)
    if exists:
        return lambda: iter([(path, path.parent)])
    if _MAGIC.search(source):
        root, pattern = _split_glob(str(path))
        if root.is_dir() and any(True for _ in _matching(root, pattern)):
            return lambda: _matching(root, pattern)
        raise SeedError(f"no file matches {source!r}; put the pattern in quotes, and use ** to reach into folders")
    raise SeedError(f"there is no file or folder {source!r}{_did_you_mean(path)}")


def _did_you_mean(path: Path) -> str:
    try:
        neighbours = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"; nor is there a folder {str(path.parent)!r}"
    close = difflib.get_close_matches(path.name, neighbours, n=1)
    if close:
        return f"; did you mean {str(path.with_name(close[0]))!r}?"
    return f" (looked in {str(path.parent.resolve())!r})"


def _walk(root: Path, *, into_runs: bool = False) -> Iterator[Found | Skipped]:
    """Yield a folder's files depth first, each folder's names sorted: the same order on every machine.

    Of a run that was made below the folder nothing is read: it would be made from its own pairs the next time.
    """
    boundary = root.resolve()
    waiting = [root]
    while waiting:
        path = waiting.pop()
        if _is_folder(path) and (path == root or not path.is_symlink()):
            if path != root and _FOREIGN_FOLDERS.match(path.name):
                yield Skipped(source=path.as_posix(), reason="is a package's own folder: name it to read it")
                continue
            if path != root and not into_runs and _is_run(path):
                yield Skipped(source=path.as_posix(), reason="is the directory of a run: name it to read it")
                continue
            try:
                names = sorted((entry.name for entry in os.scandir(path)), reverse=True)
            except OSError as error:
                yield Skipped(source=path.as_posix(), reason=f"cannot be listed: {error.strerror}")
                continue
            waiting.extend(path / name for name in names if not name.startswith(".") and name not in _SILENT_FOLDERS)
        else:
            reason = _reason_to_skip(path, boundary)
            yield Skipped(source=path.as_posix(), reason=reason) if reason else (path, root)


def _is_run(path: Path) -> bool:
    try:
        return all((path / name).exists() for name in ("journal.sqlite", "manifest.json"))
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # of a folder that may be listed and not entered
        return False


def _reason_to_skip(path: Path, boundary: Path) -> str:
    """Return why a file below a folder is no seed by its name and place alone, or nothing."""
    try:
        return _reason_by_type(path, boundary) or _reason_by_name(path)
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 say of links in a circle that they are at fault
        return f"cannot be read: {getattr(error, 'strerror', None) or 'is a link to itself'}"


def _reason_by_type(path: Path, boundary: Path) -> str:
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(boundary):
            return "is a link that leaves the folder"
        if not target.is_file():
            return "is a link to a folder" if target.is_dir() else "is a broken link"
    elif not path.is_file():
        return "is not a regular file"
    return ""


def _reason_by_name(path: Path) -> str:
    if (_LICENCES.match(path.name) and not language_of(path.name)) or path.parent.name.lower() in (
        "licenses",
        "licences",
    ):
        return "is a licence"
    if _LOCKS.match(path.name):
        return "lists packages"
    return ""


def _split_glob(pattern: str) -> tuple[Path, re.Pattern[str]]:
    """Return the folder before the first wildcard, and the whole pattern as a regular expression over paths."""
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    expression = ""
    for number, part in enumerate(parts[fixed:], fixed):
        last = number == len(parts) - 1
        if part == "**":
            expression += ".*" if last else "(?:.*/)?"
        else:
            expression += _glob_part(part) + ("" if last else "/")
    return Path(*parts[:fixed]) if fixed else Path(), re.compile(expression)


def _glob_part(part: str) -> str:
    """Return one part of a path pattern as a regular expression; `fnmatch` would let `*` cross a slash."""
    translated = ""
    for token in re.findall(r"\[!?\]?[^\]/]*\]|.", part):
        if token in ("*", "?"):
            translated += "[^/]*" if token == "*" else "[^/]"
        elif len(token) > 1:
            inverted = token[1] == "!"
            translated += ("[^/" if inverted else "[") + re.escape(token[1 + inverted : -1]).replace(r"\-", "-") + "]"
        else:
            translated += re.escape(token)
    return translated


def _matching(root: Path, pattern: re.Pattern[str]) -> Iterator[Found | Skipped]:
    # a pattern that says how deep it reaches means what it says
    for found in _walk(root, into_runs=".*" not in pattern.pattern):
        path = Path(found.source) if isinstance(found, Skipped) else found[0]
        if pattern.fullmatch(path.relative_to(root).as_posix()):
            yield found
