"""The dataset of a run: Parquet shards of pairs and of rejections, derived from the journal and published whole."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agentinstruct.errors import ConfigurationError
from agentinstruct.journal import Outcome
from agentinstruct.records import Pair, Rejection

SHARD_ROWS = 50_000
_ROW_GROUP = 1_000

_ASKED = pa.list_(pa.struct([("agent", pa.string()), ("prompt", pa.string()), ("request", pa.string())]))
_LINEAGE = pa.struct(
    [
        ("seed_id", pa.string()),
        ("seed_hash", pa.string()),
        ("path", pa.string()),
        ("flow", pa.string()),
        ("content_id", pa.string()),
        ("transformation", pa.string()),
        ("instruction_id", pa.string()),
        ("parent_id", pa.string()),
        ("goal", pa.string()),
        ("suggestion", pa.string()),
        ("round", pa.int32()),
        ("asked", _ASKED),
    ]
)
_VERDICTS = pa.list_(pa.struct([("check", pa.string()), ("passed", pa.bool_()), ("detail", pa.string())]))
_TURN = [("role", pa.string()), ("content", pa.string())]
_TOOL_TURN = [*_TURN, ("tool_calls", pa.string()), ("tool_call_id", pa.string())]
_ORIGIN = [("source", pa.string()), ("license", pa.string()), ("lineage", _LINEAGE)]
_REJECTED = ("id", "stage", "reason", "detail", "text", "response")
_REJECTIONS = pa.schema([(name, pa.string()) for name in _REJECTED] + _ORIGIN)


def _pairs_schema(tools: bool) -> pa.Schema:
    return pa.schema(
        [
            ("id", pa.string()),
            ("skill", pa.string()),
            ("type", pa.string()),
            ("messages", pa.list_(pa.struct(_TOOL_TURN if tools else _TURN))),
            *([("tools", pa.string())] if tools else []),
            ("final_answer", pa.string()),
            ("declined", pa.bool_()),
            ("evidence", pa.list_(pa.string())),
            ("verdicts", _VERDICTS),
            *_ORIGIN,
        ]
    )


@dataclass(slots=True)
class Counts:
    """What a published dataset holds: the card's and the summary's numbers."""

    pairs: int = 0
    rejections: int = 0
    by_skill: Counter[str] = field(default_factory=Counter)
    by_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_license: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Rejections by flow, stage and reason."""
    checks: Counter[str] = field(default_factory=Counter)
    refined: int = 0
    declined: int = 0
    unchecked: int = 0

    def add_pair(self, pair: Pair) -> None:
        """Count a pair."""
        self.pairs += 1
        self.by_skill[pair.skill] += 1
        self.by_type[pair.skill, pair.type] += 1
        self.checks.update(verdict.check for verdict in pair.verdicts)
        self.declined += pair.declined
        self.unchecked += not pair.verdicts
        if pair.lineage:
            self.by_license[pair.lineage.license] += 1
            self.refined += pair.lineage.round > 0

    def add_rejection(self, rejection: Rejection, flow: str) -> None:
        """Count a rejection of `flow`."""
        self.rejections += 1
        self.by_reason[flow, rejection.stage, rejection.reason] += 1

    def reasons(self) -> dict[str, int]:
        """Return the rejections by `flow/stage/reason`."""
        return {"/".join(reason): number for reason, number in sorted(self.by_reason.items())}


def publish(directory: Path, outcomes: Iterable[Outcome], *, tools: bool, target: int | None = None) -> Counts:
    """Write the dataset anew and put it in the old one's place; at most the first `target` pairs.

    The rejections of items that `target` cuts off are left out with their pairs.
    """
    counts = Counts()
    fresh = directory / ".publishing"
    _remove(fresh)
    with (
        _Shards(fresh / "pairs", _pairs_schema(tools)) as pairs,
        _Shards(fresh / "rejected", _REJECTIONS) as rejected,
    ):
        for outcome in outcomes:
            if target is not None and counts.pairs >= target:
                break
            room = None if target is None else target - counts.pairs
            for pair in outcome.pairs[:room]:
                counts.add_pair(pair)
                pairs.write(_pair_row(pair, tools))
            for rejection in outcome.rejections:
                counts.add_rejection(rejection, outcome.flow)
                rejected.write(_rejection_row(rejection))
    for name in ("pairs", "rejected"):
        _exchange(fresh / name, directory / name)
    fresh.rmdir()
    return counts


def _exchange(fresh: Path, published: Path) -> None:
    """Put `fresh` in the place of `published`; after a crash in between, the next call publishes again."""
    old = published.with_name(f".{published.name}.old")
    _remove(old)
    if published.exists() or published.is_symlink():
        published.rename(old)
    fresh.rename(published)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()  # what it leads to is not this run's
    shutil.rmtree(folder, ignore_errors=True)


class _Shards:
    """Writes rows as Parquet shards of equal size; an empty dataset is one shard without rows."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._written = 0

    def __enter__(self) -> _Shards:
        self._folder.mkdir(parents=True)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._flush()
        if self._writer:
            self._writer.close()

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None or (self._written and self._written % SHARD_ROWS == 0 and self._rows):
            if self._writer:
                self._writer.close()
            shard = self._folder / f"part-{self._written // SHARD_ROWS:05d}.parquet"
            self._writer = pq.ParquetWriter(shard, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._written += len(self._rows)
        self._rows = []


def _origin(made: Pair | Rejection) -> dict[str, Any]:
    lineage = made.lineage
    if lineage is None:
        return {"source": None, "license": None, "lineage": None}
    plain = lineage.model_dump(mode="json", exclude={"claims", "source", "license"})
    return {"source": lineage.source, "license": lineage.license, "lineage": plain}


def _pair_row(pair: Pair, tools: bool) -> dict[str, Any]:
    row = pair.model_dump(mode="json", exclude={"lineage", "tools", "messages"})
    turns = [{"role": turn.role, "content": turn.content} for turn in pair.messages]
    if tools:
        for turn, message in zip(turns, pair.messages, strict=True):
            turn["tool_calls"] = json.dumps(message.tool_calls) if message.tool_calls else None
            turn["tool_call_id"] = message.tool_call_id
        row["tools"] = json.dumps(pair.tools) if pair.tools else None
    return {**row, "messages": turns, **_origin(pair)}


def _rejection_row(rejection: Rejection) -> dict[str, Any]:
    return {**rejection.model_dump(mode="json", exclude={"lineage"}), **_origin(rejection)}


def read_pairs(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the published rows of a run's `pairs`, one dict each; raises `ConfigurationError` where there are none."""
    yield from _read(directory, "pairs")


def read_rejections(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the published rows of a run's `rejected`; raises `ConfigurationError` where there are none."""
    yield from _read(directory, "rejected")


def _read(directory: Path, folder: str) -> Iterator[dict[str, Any]]:
    shards = sorted((directory / folder).glob("*.parquet"))
    if not shards:
        raise ConfigurationError(f"{directory} holds no published pairs; run `agentinstruct generate` first")
    for shard in shards:
        for batch in pq.ParquetFile(shard).iter_batches(batch_size=_ROW_GROUP):
            yield from batch.to_pylist()
