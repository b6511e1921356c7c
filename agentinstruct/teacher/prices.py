"""What models cost, from a data file with its date; a user's own file comes before the shipped one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from autogen_core.models import RequestUsage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentinstruct.errors import ConfigurationError

PICODOLLARS = 10**12
Usage = dict[str, tuple[int, int, int]]
"""Calls, prompt tokens and completion tokens by model."""
_MOST_DOLLARS = 1e9
SHIPPED = Path(__file__).with_name("prices.toml")


class Price(BaseModel):
    """Dollars for a million tokens of prompt (`input`) and of reply (`output`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, le=_MOST_DOLLARS)
    output: float = Field(ge=0, le=_MOST_DOLLARS)
    as_of: date | None = None

    def picodollars(self, usage: RequestUsage) -> int:
        """Return the exact cost of `usage`, without rebates for cached prompts or batches."""
        return usage.prompt_tokens * round(self.input * 10**6) + usage.completion_tokens * round(self.output * 10**6)

    def dollars(self, usage: RequestUsage) -> float:
        """Return the cost of `usage` in dollars."""
        return self.picodollars(usage) / PICODOLLARS


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: list[str]
    input: float = Field(ge=0, le=_MOST_DOLLARS)
    output: float = Field(ge=0, le=_MOST_DOLLARS)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: date | None = None
    price: list[_Entry]


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model name pattern (`*` and `?`); the first that matches counts."""

    entries: tuple[tuple[str, Price], ...]

    @classmethod
    def load(cls, own: Path | None = None) -> Prices:
        """Read the shipped prices, with those of the file `own` before them."""
        files = [SHIPPED] if own is None else [own, SHIPPED]
        return cls(tuple(entry for file in files for entry in _read(file)))

    def of(self, model: str) -> Price | None:
        """Return the price of `model`, or None where none is known."""
        return next((price for pattern, price in self.entries if fnmatchcase(model, pattern)), None)

    def total(self, usage: Usage) -> float | None:
        """Return what `usage` costs in dollars, or None when the price of a model in it is not known."""
        total = 0.0
        for model, (_, prompt, completion) in usage.items():
            price = self.of(model)
            if price is None:
                return None
            total += price.dollars(RequestUsage(prompt_tokens=prompt, completion_tokens=completion))
        return total


def _read(file: Path) -> list[tuple[str, Price]]:
    try:
        table = _Table.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"cannot read the price file {file}: {error.strerror}") from error
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the price file {file} is malformed: {error}") from error
    return [
        (pattern, Price(input=entry.input, output=entry.output, as_of=table.as_of))
        for entry in table.price
        for pattern in entry.models
    ]
