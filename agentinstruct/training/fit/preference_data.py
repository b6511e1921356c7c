"""Preference rows of any common form as the tokens that trl's preference trainers are given, bad rows named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentinstruct.dataset import labelled_of_run, preferences_of_run
from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.records import content_hash
from agentinstruct.training.data import (
    NO_LOSS,
    BadRow,
    Conversation,
    read_rows,
    ready_tokenizer,
    render,
    to_conversation,
)
from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import Fit
from agentinstruct.training.fit.models import load_tokenizer
from agentinstruct.training.fit.phase import is_main, silent
from agentinstruct.training.fit.preference import COLUMNS, fit_preference
from agentinstruct.training.fit.student_card import write_student_card
from agentinstruct.training.settings import PreferenceSettings

if TYPE_CHECKING:
    from datasets import Dataset

Row = dict[str, Any]
_SHOWN = 10
_BATCH = 1000


def train_preference(
    data: str | Path,
    model: str | Path,
    out: Path,
    settings: PreferenceSettings,
    *,
    reference: str | Path | None = None,
    skip_bad: bool = False,
    resume: bool = True,
    recipe: str | None = None,
    say: Callable[[str], None] = print,
) -> Fit:
    """Read, render and check `data`, fit `model` to it and write its card; all that `train preference` does.

    `recipe` is its name, for the card. See `prepare_preferences` and `fit_preference`.
    """
    say = say if is_main() else silent
    tokenizer = ready_tokenizer(load_tokenizer(model))
    rows, bad = prepare_preferences(data, tokenizer, settings, skip_bad=skip_bad)
    for each in bad[:_SHOWN]:
        say(f"left out {each}")
    what = "pairs" if settings.method == "dpo" else "labelled replies"
    say(f"{len(rows)} {what} to learn from, {len(bad)} rows left out")
    fit = fit_preference(model, rows, settings, out, tokenizer=tokenizer, reference=reference, resume=resume, say=say)
    if is_main():
        counts = {f"{what} learnt from": f"{len(rows):,}", "rows left out": f"{len(bad):,}"}
        method = f"preference training ({settings.method.upper()})"
        write_student_card(fit, method=method, base=model, data=[data], settings=settings, counts=counts, recipe=recipe)
    return fit


def prepare_preferences(
    source: str | Path, tokenizer: Any, settings: PreferenceSettings, *, skip_bad: bool = False
) -> tuple[Dataset, list[BadRow]]:
    """Return the rows of `source` as tokens in the columns of `preference.COLUMNS`, and the rows left out.

    A source is a run of ours, or what `read_rows` takes: pairs (`chosen`, `rejected`, with their `prompt` or whole
    conversations) or labelled replies (`prompt`, `completion`, `label`). For KTO a pair counts as two labelled
    replies, each once. Raises `ConfigurationError` naming the bad rows unless they are to be skipped, and where
    nothing is left.
    """
    import pyarrow as pa

    datasets, table = need("datasets"), need("datasets.table")
    reading = _Reading(tokenizer, settings)
    numbers = pa.list_(pa.int32())
    schema = pa.schema([(name, pa.bool_() if name == "label" else numbers) for name in COLUMNS[settings.method]])
    batches: list[Any] = []
    waiting: list[Row] = []
    for row in reading.rows(source):
        waiting.append(row)
        if len(waiting) == _BATCH:
            batches.append(pa.RecordBatch.from_pylist(waiting, schema=schema))
            waiting = []
    batches.append(pa.RecordBatch.from_pylist(waiting, schema=schema))
    made = pa.Table.from_batches(batches, schema=schema)
    if reading.bad and not skip_bad:
        raise ConfigurationError(reading.complaint(source))
    if not made.num_rows:
        raise ConfigurationError(
            f"{source} holds nothing to prefer" + (f": {reading.complaint(source)}" if reading.bad else "")
        )
    return datasets.Dataset(table.InMemoryTable(made)), reading.bad


@dataclass(slots=True)
class _Reading:
    """Renders what passes, and holds back what is bad."""

    tokenizer: Any
    settings: PreferenceSettings
    bad: list[BadRow] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def rows(self, source: str | Path) -> Iterator[Row]:
        """Yield the good rows as tokens."""
        for found in _raw(source, self.settings.method):
            if isinstance(found, BadRow):
                self.bad.append(found)
                continue
            where, row = found
            try:
                yield from self._pair(where, row) if self.settings.method == "dpo" else self._labelled(where, row)
            except Rejected as error:
                self.bad.append(BadRow(where, error.reason, error.detail))

    def complaint(self, source: str | Path) -> str:
        """Return what is wrong with the rows, and the cure."""
        counts = "; ".join(f"{count} × {reason}" for reason, count in Counter(b.reason for b in self.bad).most_common())
        lines = [f"{len(self.bad)} rows of {source} cannot be learnt from: {counts}"]
        lines += [f"  {each}" for each in self.bad[:_SHOWN]]
        lines += [f"  and {len(self.bad) - _SHOWN} more"] if len(self.bad) > _SHOWN else []
        return "\n".join([*lines, "mend them, or leave them out with --skip-bad"])

    def _pair(self, where: str, row: Row) -> Iterator[Row]:
        if "chosen" not in row or "rejected" not in row:
            wanted = "labelled replies are for method kto" if "label" in row else f"the columns {_named(row)}"
            raise Rejected("no pair", f"{wanted}; dpo learns from prompt, chosen and rejected")
        prompt, chosen = self._tokens(where, row, "chosen")
        other, rejected = self._tokens(where, row, "rejected")
        if prompt != other:
            raise Rejected("two prompts", "chosen and rejected answer different turns")
        if chosen == rejected:
            raise Rejected("nothing to prefer", "chosen and rejected are the same")
        yield {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}

    def _labelled(self, where: str, row: Row) -> Iterator[Row]:
        if "chosen" in row and "rejected" in row:
            sides = [("chosen", True), ("rejected", False)]
        elif "completion" in row and isinstance(row.get("label"), bool):
            sides = [("completion", row["label"])]
        else:
            given = f"the columns {_named(row)}"
            raise Rejected("no label", f"{given}; kto learns from prompt, completion and label (true or false)")
        made = []
        for side, label in sides:
            prompt, completion = self._tokens(where, row, side)
            made.append({"prompt_ids": prompt, "completion_ids": completion, "label": label})
        for each in made:
            key = content_hash(each)
            if len(sides) == 1 or key not in self.seen:  # of pairs a reply may stand in many
                self.seen.add(key)
                yield each

    def _tokens(self, where: str, row: Row, side: str) -> tuple[list[int], list[int]]:
        """Return the tokens of the prompt and of the reply that stands on `side`; raises `Rejected`."""
        conversation = _conversation(where, row, side)
        rendered = render(self.tokenizer, conversation, train_on="last")
        start = next(place for place, label in enumerate(rendered.labels) if label != NO_LOSS)
        if len(rendered.input_ids) > self.settings.max_length:
            most = self.settings.max_length
            raise Rejected("too long", f"{len(rendered.input_ids):,} tokens, over max_length {most:,}")
        return rendered.input_ids[:start], rendered.input_ids[start:]


def _conversation(where: str, row: Row, side: str) -> Conversation:
    reply = row[side]
    whole = isinstance(reply, list) and reply and isinstance(reply[0], dict) and reply[0].get("role") != "assistant"
    if not whole and "prompt" not in row:
        raise Rejected("no prompt", f"{side} is not a whole conversation, and there is no column prompt")
    turns = {"messages": reply} if whole else {"prompt": row["prompt"], "completion": reply}
    made = to_conversation(where, {**turns, "tools": row.get("tools")})
    if isinstance(made, BadRow):
        raise Rejected(made.reason, made.detail)
    return made


def _raw(source: str | Path, method: str) -> Iterator[tuple[str, Row] | BadRow]:
    if not str(source).startswith("hf:") and (Path(source) / "pairs").is_dir():
        made = preferences_of_run(source) if method == "dpo" else labelled_of_run(source)
        yield from ((f"{source}, problem {row['problem']}", row) for row in made)
    else:
        yield from read_rows(source)


def _named(row: Row) -> str:
    return ", ".join(str(name)[:40] for name in list(row)[:20]) or "(none)"
