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
_BY_BATCH, _BY_RECORDING = " (batch)", " (recorded)"
SHIPPED = Path(__file__).with_name("prices.toml")


class Price(BaseModel):
    """Dollars for a million tokens of prompt (`input`) and of reply (`output`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, le=_MOST_DOLLARS)
    output: float = Field(ge=0, le=_MOST_DOLLARS)
    batch: float | None = Field(default=None, ge=0, le=1)
    """What part of that a question asked by batch costs, where that is known; else as much."""
    as_of: date | None = None

    def at_batch(self) -> Price:
        """Return the price of the same questions asked by batch."""
        part = 1.0 if self.batch is None else self.batch
        return Price(input=self.input * part, output=self.output * part, as_of=self.as_of)

    def picodollars(self, usage: RequestUsage) -> int:
        """Return the exact cost of `usage`, without rebates for cached prompts."""
        return usage.prompt_tokens * round(self.input * 10**6) + usage.completion_tokens * round(self.output * 10**6)

    def dollars(self, usage: RequestUsage) -> float:
        """Return the cost of `usage` in dollars."""
        return self.picodollars(usage) / PICODOLLARS


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: list[str]
    input: float = Field(ge=0, le=_MOST_DOLLARS)
    output: float = Field(ge=0, le=_MOST_DOLLARS)
    batch: float | None = Field(default=None, ge=0, le=1)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: date | None = None
    batch: float | None = Field(default=None, ge=0, le=1)
    price: list[_Entry]


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model name pattern (`*` and `?`); the first that matches counts."""

    entries: tuple[tuple[str, Price], ...]

    @classmethod
    def load(cls, own: Path | None = None) -> Prices:
        """Read the shipped prices, with those of the file `own` before them."""
        files = [SHIPPED] if own is None else [own, SHIPPED]
        return cls(tuple(entry for file in files for entry in _entries(_read(file))))

    def of(self, model: str) -> Price | None:
        """Return the price of `model`, also as `by_batch` and `by_recording` name it, or None where none is known."""
        if model.endswith(_BY_RECORDING):
            return Price(input=0, output=0)
        name = model.removesuffix(_BY_BATCH)
        price = next((price for pattern, price in self.entries if fnmatchcase(name, pattern)), None)
        return price.at_batch() if price and name != model else price

    def total(self, usage: Usage) -> float | None:
        """Return what `usage` costs in dollars, or None when the price of a model in it is not known."""
        total = 0.0
        for model, (_, prompt, completion) in usage.items():
            price = self.of(model)
            if price is None:
                return None
            total += price.dollars(RequestUsage(prompt_tokens=prompt, completion_tokens=completion))
        return total


def by_batch(model: str) -> str:
    """Return the name under which a journal counts what `model` was asked by batch: it has another price."""
    return f"{model}{_BY_BATCH}"


def by_recording(model: str) -> str:
    """Return the name under which a journal counts what a recording of `model` answered: it costs nothing."""
    return f"{model}{_BY_RECORDING}"


def author_of(model: str) -> str:
    """Return who answered, of a name that also says which way the answer came."""
    return model.removesuffix(_BY_RECORDING).removesuffix(_BY_BATCH)


def _read(file: Path) -> _Table:
    try:
        return _Table.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"cannot read the price file {file}: {error.strerror}") from error
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the price file {file} is malformed: {error}") from error


def _entries(table: _Table) -> list[tuple[str, Price]]:
    return [
        (
            pattern,
            Price(
                input=entry.input,
                output=entry.output,
                batch=table.batch if entry.batch is None else entry.batch,
                as_of=table.as_of,
            ),
        )
        for entry in table.price
        for pattern in entry.models
    ]
