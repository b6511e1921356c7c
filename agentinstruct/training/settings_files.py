"""Reads a phase's settings from a file and from `KEY=VALUE` words, as the scripts of `trainers/` take them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.settings import Settings

Kind = TypeVar("Kind", bound=Settings)


def read_settings(
    kind: type[Kind], path: Path | None, words: Iterable[str] = (), *, unless: Mapping[str, Any] | None = None
) -> Kind:
    """Return a .toml or .json file's values with `KEY=VALUE` over them; `adapter.rank=8` reaches into a table.

    `unless` holds values for what neither says. Raises `ConfigurationError` naming what cannot be read or is wrong.
    """
    values = {**(unless or {}), **(_read(path) if path else {})}
    for word in words:
        _put(values, word)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f"{path}, or --set {name}=…" if path else f"--set {name}=…"
        raise ConfigurationError(f"the setting {name} is {first['input']!r}: {first['msg']}; mend {where}") from error


def _put(values: dict[str, Any], word: str) -> None:
    name, equals, text = word.partition("=")
    if not equals:
        raise ConfigurationError(f"--set {word} sets nothing: write KEY=VALUE, as in learning_rate=1e-5")
    *tables, key = name.split(".")
    table = values
    for each in tables:
        table = table.setdefault(each, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"--set {word}: {each} is a value and holds nothing")
    table[key] = _value(text)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be parsed: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} holds no settings: write an object of names and values")
    return values


def _value(text: str) -> Any:
    """Return JSON as what it says, and anything else as the text it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
