"""One pass over training data before anything is trained: what it holds, what is wrong with it, its tokens on disk."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.training.data.conversations import Conversation, read_conversations
from agentinstruct.training.data.rendering import NO_LOSS, Rendered, TrainOn, holds_control_text, renderings, spans
from agentinstruct.training.data.rows import BadRow
from agentinstruct.training.extras import need
from agentinstruct.training.settings import SftSettings

_SHOWN = 10
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a student would learn from."""

    rows: int
    bad: dict[str, int]
    """Rows that were left out, by reason, most frequent first."""
    first_bad: tuple[BadRow, ...]
    sequences: int
    """As many as the rows that were kept, or more: see `rendering.renderings`."""
    tokens: int
    reply_tokens: int
    """Those that bear loss."""
    lengths: dict[int, int]
    """How many sequences have so many tokens."""
    max_length: int
    control_text: int
    """Rows whose texts hold what would be a control token; they are learnt as text."""
    first: tuple[tuple[str, bool], ...]
    """The first sequence in stretches of text, each with whether it bears loss."""

    @property
    def kept(self) -> int:
        """Rows that a student learns from."""
        return self.rows - sum(self.bad.values())

    def longest_of(self, share: float) -> int:
        """Return the tokens that this share of the sequences, from the shortest on, do not exceed."""
        wanted = share * self.sequences
        for length in sorted(self.lengths):
            wanted -= self.lengths[length]
            if wanted <= 0:
                return length
        return max(self.lengths, default=0)

    def describe(self) -> str:
        """Return it for a person to read; in the first sequence, what is learnt stands between « and »."""
        lines = [f"{self.rows:,} rows, {self.kept:,} of them to learn from"]
        lines += [f"  left out: {count:,} × {reason}" for reason, count in self.bad.items()]
        if self.sequences > self.kept:
            lines.append(
                f"{self.sequences:,} sequences: the chat template needs some replies in sequences of their own"
            )
        share = self.reply_tokens / self.tokens if self.tokens else 0
        lines.append(
            f"{self.tokens:,} tokens, {self.reply_tokens:,} of them replies ({share:.0%}), which bear the loss"
        )
        half, most, longest = (self.longest_of(share) for share in (0.5, 0.9, 1))
        lines.append(f"tokens a sequence: half up to {half:,}, nine in ten up to {most:,}, the longest {longest:,}")
        lines[-1] += f" (at most {self.max_length:,})"
        if self.control_text:
            lines.append(f"{self.control_text:,} rows hold control tokens in their text, which are learnt as text")
        marked = "".join(f"«{text}»" if learnt else text for text, learnt in self.first)
        return "\n".join([*lines, "first:", *(f"  {line}" for line in marked.split("\n"))])


def inspect_data(
    source: str | Path,
    tokenizer: Any,
    *,
    max_length: int,
    train_on: TrainOn = "all",
    system_message: str | None = None,
    skip_bad: bool = False,
    split: str = "train",
    limit: int | None = None,
) -> Inspection:
    """Render every row and count; raises `ConfigurationError` for bad rows unless they are to be skipped.

    `tokenizer` is one that `ready_tokenizer` returned. `system_message` is as in `SftSettings`.
    """
    tally = _Tally(tokenizer, max_length, train_on, system_message)
    for _ in tally.sequences(read_conversations(source, split=split, limit=limit)):
        pass
    return tally.result(source, skip_bad)


def prepare(
    source: str | Path,
    tokenizer: Any,
    settings: SftSettings,
    *,
    folder: Path,
    skip_bad: bool = False,
    split: str = "train",
    limit: int | None = None,
) -> tuple[Any, Inspection]:
    """Return the data as a `datasets.Dataset` of `input_ids` and `labels`, as trl takes it, with what it holds.

    The dataset is a file in `folder`, read as it is needed, so that memory does not grow with the rows. What trl makes
    of it lands beside it and is found again when the same data come again: its fingerprint is the hash of its tokens.
    Raises `ConfigurationError` as `inspect_data` does, before anything is put into `folder`.
    """
    tally = _Tally(tokenizer, settings.max_length, "all", settings.system_message)
    conversations = read_conversations(source, split=split, limit=limit)
    return _written(folder, tally.sequences(conversations), lambda: tally.result(source, skip_bad))


@dataclass(slots=True)
class _Tally:
    """Counts what passes, and holds back what is bad."""

    tokenizer: Any
    max_length: int
    train_on: TrainOn
    system_message: str | None = None
    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)
    tokens: int = 0
    reply_tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    control_text: int = 0
    first: Rendered | None = None

    def sequences(self, conversations: Iterator[Conversation | BadRow]) -> Iterator[Rendered]:
        """Yield what is to be learnt."""
        for conversation in conversations:
            self.rows += 1
            made = conversation if isinstance(conversation, BadRow) else self._rendered(conversation)
            if isinstance(made, BadRow):
                self.bad[made.reason] += 1
                self.first_bad += [made] if len(self.first_bad) < _SHOWN else []
                continue
            for sequence in made:
                self.first = self.first or sequence
                self.lengths[len(sequence.input_ids)] += 1
                self.tokens += len(sequence.input_ids)
                self.reply_tokens += len(sequence.labels) - sequence.labels.count(NO_LOSS)
                yield sequence

    def _rendered(self, conversation: Conversation) -> list[Rendered] | BadRow:
        conversation = conversation.under(self.system_message)
        try:
            made = renderings(self.tokenizer, conversation, train_on=self.train_on)
            quoted = holds_control_text(self.tokenizer, conversation)
        except Rejected as error:
            return BadRow(conversation.where, error.reason, error.detail)
        longest = max(len(sequence.input_ids) for sequence in made)
        if longest > self.max_length:
            return BadRow(conversation.where, "too long", f"{longest:,} tokens, over max_length {self.max_length:,}")
        self.control_text += quoted
        return made

    def result(self, source: str | Path, skip_bad: bool) -> Inspection:
        """Return the counts; raises `ConfigurationError` for bad rows that nobody said to skip, or if none is good."""
        if self.bad and not (skip_bad and self.first):
            raise ConfigurationError(self._complaint(source, skip_bad))
        if self.first is None:
            raise ConfigurationError(f"{source} holds no rows")
        return Inspection(
            rows=self.rows,
            bad=dict(self.bad.most_common()),
            first_bad=tuple(self.first_bad),
            sequences=self.lengths.total(),
            tokens=self.tokens,
            reply_tokens=self.reply_tokens,
            lengths=dict(self.lengths),
            max_length=self.max_length,
            control_text=self.control_text,
            first=spans(self.tokenizer, self.first),
        )

    def _complaint(self, source: str | Path, skip_bad: bool) -> str:
        counts = "; ".join(f"{count:,} × {reason}" for reason, count in self.bad.most_common())
        lines = [f"{self.bad.total():,} of {self.rows:,} rows of {source} cannot be learnt from: {counts}"]
        lines += [f"  {bad}" for bad in self.first_bad]
        if self.bad.total() > len(self.first_bad):
            lines.append(f"  and {self.bad.total() - len(self.first_bad):,} more")
        lines.append(
            "mend them, or leave them out with --skip-bad" if not skip_bad else "nothing is left to learn from"
        )
        return "\n".join(lines)


def _written(folder: Path, sequences: Iterator[Rendered], result: Callable[[], Inspection]) -> tuple[Any, Inspection]:
    """Write all sequences as Arrow, whole or not at all, and return them as a dataset with the result of the pass."""
    import pyarrow as pa

    datasets, table = need("datasets"), need("datasets.table")
    numbers = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", numbers), ("labels", numbers)])
    digest = hashlib.sha256()
    path = folder / "sequences.arrow"
    fresh: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # a name of its own: every process of a training run may write the same data at once
        with NamedTemporaryFile(dir=folder, prefix=".sequences-", delete=False) as file:
            fresh = Path(file.name)
            with pa.ipc.new_stream(file, schema) as writer:
                for rows in _batches(sequences, digest.update):
                    writer.write_batch(pa.RecordBatch.from_pydict(rows, schema=schema))
        inspection = result()
        fresh.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}; see its space and rights") from error
    finally:
        if fresh is not None:
            fresh.unlink(missing_ok=True)
    mapped = table.MemoryMappedTable.from_file(str(path))
    return datasets.Dataset(mapped, fingerprint=digest.hexdigest()[:16]), inspection


def _batches(sequences: Iterator[Rendered], update: Callable[[bytes], None]) -> Iterator[dict[str, list[list[int]]]]:
    """Yield the sequences as columns, and the bytes of every sequence with its length to `update`."""
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for sequence in sequences:
        rows["input_ids"].append(sequence.input_ids)
        rows["labels"].append(sequence.labels)
        update(array("i", [len(sequence.input_ids), *sequence.input_ids, *sequence.labels]).tobytes())
        if len(rows["labels"]) == _BATCH:
            yield rows
            rows = {"input_ids": [], "labels": []}
    if rows["labels"]:
        yield rows
