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


def read_word(word: str) -> tuple[str, Any]:
    """Read `KEY=VALUE`: the value as TOML, `none` or `null` for nothing, and anything else as text."""
    key, equals, text = (part.strip() for part in word.partition("="))
    if not equals or not key:
        raise ConfigurationError(f"--set wants KEY=VALUE, such as learning_rate=1e-5, not {word!r}")
    try:
        read = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        read = {}
    value = read["value"] if [*read] == ["value"] else text
    return key, None if value in ("none", "null") else value


def _put(values: dict[str, Any], word: str) -> None:
    name, value = read_word(word)
    *tables, key = name.split(".")
    for each in tables:
        values = values.setdefault(each, {})
        if not isinstance(values, dict):
            raise ConfigurationError(f"--set {word}: {each} is a value and holds nothing")
    values[key] = value


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
