"""What a file holds once its format is taken off, what was left out and why, and what a caller may choose."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.records import Record, SeedKind

CHARACTERS_PER_TOKEN = 4  # English prose in the tokenizers of today; no tokenizer is worth a download here


class Skipped(Record):
    """Something that was found and is no seed; `str()` gives the one line a person reads."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class Unreadable(AgentInstructError, ValueError):
    """One document holds no seed; the message completes the sentence "this file ..."."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a caller may say about sources that do not say it themselves.

    `license` fills in where the source states none. `kind`, `text_column` and `answer_column` overrule what would be
    guessed. `split` and `config` belong to `hf:` names. `seed_tokens` is the largest seed, counted as four characters
    a token. A file that is one document is read up to `max_bytes`; files of rows are streamed, whatever their size.
    """

    license: str | None = None
    seed_tokens: int = 1000
    kind: SeedKind | None = None
    text_column: str | None = None
    answer_column: str | None = None
    split: str = "train"
    config: str | None = None
    max_bytes: int = 50_000_000

    def __post_init__(self) -> None:
        if self.seed_tokens < 50:
            raise ConfigurationError(f"a seed of {self.seed_tokens} tokens is too small to ask about: give 50 or more")

    @property
    def seed_characters(self) -> int:
        """The largest seed in characters."""
        return self.seed_tokens * CHARACTERS_PER_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One whole text, not yet split; an empty field means that the source does not say."""

    text: str
    path: str = ""
    """The file it was read from, with the line for rows; `source` may name where that came from in turn."""
    kind: SeedKind = "text"
    id: str = ""
    title: str = ""
    license: str = ""
    source: str = ""
    meta: dict[str, JsonValue] = field(default_factory=dict)


def one_line(error: BaseException | str, length: int = 160) -> str:
    """Return a message as one short line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= length else words[: length - 1] + "…"


@contextmanager
def foreign_parser(what: str) -> Iterator[None]:
    """Turn whatever a third-party parser raises on a stranger's file into one `Unreadable`, and keep it quiet.

    Parsers meet files made to break them and answer with anything from KeyError to RecursionError, so this is the one
    place that catches everything: the file is named and counted, and the next one is read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Unreadable, OSError):
        raise
    except Exception as error:
        raise Unreadable(f"cannot be read as {what}: {one_line(error)}") from error
