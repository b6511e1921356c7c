"""A file of JSON lines that only grows, survives kill -9 and power loss, and says which of its lines are whole.

Each line carries a checksum of its row. What a crash left of the last line is passed over on reading and cut off
before the next one is written; a damaged line with whole ones after it is no crash, and is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from agentinstruct.errors import ConfigurationError

_OPENING = b'{"crc":"'
_MIDDLE = b'","row":'
_START = len(_OPENING) + 8 + len(_MIDDLE)


class Ledger:
    """The rows of one file. Whoever writes must hold the folder's lock: two writers would cut each other's lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready = False

    def rows(self) -> Iterator[Any]:
        """Yield every whole row in the order it was written; a file that is not there yet has none."""
        for row, _ in self._lines():
            yield row

    def append(self, row: Any) -> None:
        """Add a row (anything JSON can hold); it is on the disk when this returns."""
        fresh = not self.path.exists()
        if not self._ready:
            self._cut_tail()
        text = json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode()
        with self.path.open("ab") as file:
            file.write(_OPENING + _checksum(text) + _MIDDLE + text + b"}\n")
            file.flush()
            os.fsync(file.fileno())
        if fresh:  # a file's name is in its folder, which is written out by itself
            _sync_folder(self.path.parent)

    def _lines(self) -> Iterator[tuple[Any, int]]:
        """Yield (row, where its line ends) for each whole line."""
        if not self.path.exists():
            return
        torn, end = 0, 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                end += len(line)
                row = _row(line)
                if row is None:
                    torn = torn or number
                elif torn:
                    raise ConfigurationError(
                        f"{self.path}, line {torn} is damaged and line {number} after it is not: no crash leaves that; "
                        "restore the file from a copy, or remove its folder to begin it anew"
                    )
                else:
                    yield row[0], end

    def _cut_tail(self) -> None:
        whole = max((end for _, end in self._lines()), default=0)
        with self.path.open("ab") as file:
            file.truncate(whole)
        self._ready = True


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _checksum(text: bytes) -> bytes:
    return b"%08x" % crc32(text)


def _row(line: bytes) -> tuple[Any] | None:
    """Return the row of a whole line (in a tuple, since a row may be None), or None for another."""
    text = line[_START:-2]
    if line[:_START] != _OPENING + _checksum(text) + _MIDDLE or line[-2:] != b"}\n":
        return None
    return (json.loads(text),)
