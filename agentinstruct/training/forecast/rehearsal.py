"""A training phase rehearsed: its data read and checked as the phase itself would, what it would take, nothing written.

Nothing is downloaded either. With the student's tokenizer at hand tokens are exact; without it they are told from
characters, and no torch is imported.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentinstruct.dataset import BORROWED
from agentinstruct.errors import ConfigurationError
from agentinstruct.training.data import CHARACTERS_PER_TOKEN, BadRow, Conversation, measure, read_conversations
from agentinstruct.training.forecast.forecast import Forecast, Machine, forecast
from agentinstruct.training.recipes import Phase, Recipe
from agentinstruct.training.settings import PracticeSettings, PreferenceSettings, Settings, SftSettings
from agentinstruct.training.shapes import Shape, find_config, read_shape

_SHOWN = 10
Lengths = list[tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a phase would do: its settings, what was said of its data, and what it would take."""

    model: str
    settings: Settings
    data: tuple[str, ...]
    """For a person to read, the first example with what is learnt of it between « and »."""
    forecast: Forecast
    notes: tuple[str, ...]


def rehearse(
    recipe: Recipe, phase: Phase, data: Sequence[str], *, model: str | None, machine: Machine, skip_bad: bool = False
) -> Rehearsal:
    """Read and check `data`, and forecast the phase; raises `ConfigurationError` where the phase itself would."""
    settings = phase.settings()
    model = model or str(recipe.model.name.value)
    config = find_config(model)
    notes: list[str] = []
    shape = _shape(recipe, model, config, notes)
    tokenizer = _tokenizer(config) if config else None
    if tokenizer is None:
        notes.append(
            f"the tokenizer of {model} is not on this machine: a token is taken to be {CHARACTERS_PER_TOKEN} "
            "characters, and what the chat template adds is left out"
        )
    said: list[str] = []
    lengths: Lengths = []
    for source in data:
        told, found = _read(source, settings, tokenizer, skip_bad)
        said.append(f"{source}: {told}")
        lengths += found
    if isinstance(settings, PracticeSettings):
        lengths = lengths[: settings.problems]
        notes += _practised(settings, len(lengths))
        lengths = _learnt(settings, lengths)
    volume = measure(lengths, settings, exact=tokenizer is not None)
    foretold = forecast(shape, settings, volume, machine)
    return Rehearsal(model=model, settings=settings, data=tuple(said), forecast=foretold, notes=tuple(notes))


def _shape(recipe: Recipe, model: str, config: Path | None, notes: list[str]) -> Shape | None:
    if config is not None:
        try:
            return read_shape(config)
        except ConfigurationError as error:
            notes.append(f"no memory is told: {error}")
            return None
    if model == recipe.model.name.value and recipe.model.shape is not None:
        notes.append(f"{model} is not on this machine: its shape is the one in {recipe.file.name}")
        return recipe.model.shape
    notes.append(f"no memory is told: {model} is not on this machine, and recipe {recipe.name} is for another")
    return None


def _tokenizer(config: Path) -> Any:
    """Return the tokenizer beside a `config.json`, or None where there is none or nothing to read it with."""
    try:
        from transformers import AutoTokenizer

        from agentinstruct.training.data.rendering import ready_tokenizer

        found = AutoTokenizer.from_pretrained(str(config.parent), local_files_only=True, trust_remote_code=False)
    except (ImportError, OSError, ValueError):
        return None
    return ready_tokenizer(found)


def _read(source: str, settings: Settings, tokenizer: Any, skip_bad: bool) -> tuple[str, Lengths]:
    """Return what there is to say of a source, and the lengths of its rows in tokens."""
    if isinstance(settings, PracticeSettings):
        return _problems(source, tokenizer)
    if isinstance(settings, PreferenceSettings):
        return _preferences(source, settings, tokenizer, skip_bad)
    told = settings.system_message if isinstance(settings, SftSettings) else None
    if tokenizer is None:
        return _conversations(source, told, skip_bad)
    from agentinstruct.training.data.inspection import inspect_data

    found = inspect_data(source, tokenizer, max_length=settings.max_length, system_message=told, skip_bad=skip_bad)
    return found.describe(), [(length,) for length, times in found.lengths.items() for _ in range(times)]


@dataclass(slots=True)
class _Reading:
    """Rows as they are read: the lengths of good ones, the first of them, and what is bad."""

    lengths: Lengths = field(default_factory=list)
    first: str | None = None
    bad: list[BadRow] = field(default_factory=list)

    def told(self, source: str, what: str, skip_bad: bool) -> str:
        """Return the counts and the first row; raises `ConfigurationError` as training itself would."""
        reasons = Counter(each.reason for each in self.bad).most_common()
        counts = "; ".join(f"{times:,} × {reason}" for reason, times in reasons)
        if self.bad and not (skip_bad and self.lengths):
            lines = [f"{len(self.bad):,} rows of {source} cannot be learnt from: {counts}"]
            lines += [f"  {each}" for each in self.bad[:_SHOWN]]
            raise ConfigurationError("\n".join([*lines, "mend them, or leave them out with --skip-bad"]))
        if self.first is None:
            raise ConfigurationError(f"{source} holds no rows")
        lines = [f"{len(self.lengths):,} {what}, about {sum(map(sum, self.lengths)):,} tokens"]
        lines += [f"  left out: {counts}"] if self.bad else []
        return "\n".join([*lines, "first:", *(f"  {line}" for line in self.first.split("\n"))])


def _conversations(source: str, told: str | None, skip_bad: bool) -> tuple[str, Lengths]:
    """Read conversations without rendering them: what the student sees is told from their characters."""
    reading = _Reading()
    for each in read_conversations(source):
        if isinstance(each, BadRow):
            reading.bad.append(each)
            continue
        taught = each.under(told)
        text = "\n".join(_words(turn) for turn in taught.messages) + (json.dumps(taught.tools) if taught.tools else "")
        reading.lengths.append((_tokens(text),))
        reading.first = reading.first or _marked(taught)
    return reading.told(source, "rows to learn from", skip_bad), reading.lengths


def _problems(source: str, tokenizer: Any) -> tuple[str, Lengths]:
    from agentinstruct.training.practice.problems import read_problems

    problems, left_out = read_problems(source)
    lengths: Lengths = [(_tokens(f"{each.prompt}\n{each.solution or ''}", tokenizer),) for each in problems]
    first = f"{problems[0].prompt}\n«{problems[0].solution or ''}»\nanswer: {problems[0].answer}"
    told = f"{len(problems):,} problems with an answer, {left_out:,} rows left out"
    return "\n".join([told, "first:", *(f"  {line}" for line in first.split("\n"))]), lengths


def _preferences(source: str, settings: PreferenceSettings, tokenizer: Any, skip_bad: bool) -> tuple[str, Lengths]:
    from agentinstruct.training.fit.preference_data import prepare_preferences

    what = "pairs" if settings.method == "dpo" else "labelled replies"
    if tokenizer is None:
        return _preference_texts(source, settings, what, skip_bad)
    rows, bad = prepare_preferences(source, tokenizer, settings, skip_bad=skip_bad)
    sides = ("chosen_ids", "rejected_ids") if settings.method == "dpo" else ("completion_ids",)
    reading = _Reading([tuple(len(row["prompt_ids"]) + len(row[side]) for side in sides) for row in rows], bad=bad)
    first = rows[0]
    replies = "».\n«".join(tokenizer.decode(first[side]) for side in sides)
    reading.first = f"{tokenizer.decode(first['prompt_ids'])}«{replies}»"
    return reading.told(source, what, skip_bad), reading.lengths


def _preference_texts(source: str, settings: PreferenceSettings, what: str, skip_bad: bool) -> tuple[str, Lengths]:
    from agentinstruct.dataset.preferences import labelled_of_run, preferences_of_run
    from agentinstruct.training.data.rows import read_rows

    run = (Path(source) / "pairs").is_dir()
    made = preferences_of_run if settings.method == "dpo" else labelled_of_run
    rows: Iterator[Any] = ((source, row) for row in made(source)) if run else read_rows(source)
    sides = ("chosen", "rejected") if settings.method == "dpo" else ("completion",)
    reading = _Reading()
    for each in rows:
        if isinstance(each, BadRow):
            reading.bad.append(each)
            continue
        where, row = each
        if settings.method == "kto" and "chosen" in row and "rejected" in row:
            found: Lengths = [(_tokens(f"{row.get('prompt', '')}{row[side]}"),) for side in ("chosen", "rejected")]
        elif all(side in row for side in sides):
            found = [tuple(_tokens(f"{row.get('prompt', '')}{row[side]}") for side in sides)]
        else:
            reading.bad.append(BadRow(where, f"lacks {' or '.join(sides)}", ", ".join(map(str, row))[:80]))
            continue
        reading.lengths += found
        reading.first = reading.first or json.dumps(row, ensure_ascii=False, default=str)[:2000]
    return reading.told(source, what, skip_bad), reading.lengths


def _practised(settings: PracticeSettings, problems: int) -> list[str]:
    drawn = problems * settings.samples
    return [
        f"each round draws {drawn:,} replies of at most {settings.max_new_tokens:,} tokens; what they cost is not told",
        "how many replies are learnt from is known when they are judged: counted are the most there can be, each as "
        "long as the teacher's solution",
    ]


def _learnt(settings: PracticeSettings, problems: Lengths) -> Lengths:
    """Return the most rows that practice on `problems` can give, a round with the next."""
    wrong = max(settings.samples, BORROWED if settings.synthetic_negatives else 0)
    labelled = min(settings.cap, settings.samples + 1) + min(settings.cap, wrong)
    times = settings.rounds * (settings.cap if settings.method == "dpo" else labelled)
    return [length * (2 if settings.method == "dpo" else 1) for length in problems for _ in range(times)]


def _tokens(text: str, tokenizer: Any = None) -> int:
    if tokenizer is not None:
        return len(tokenizer.encode(text, add_special_tokens=False, verbose=False))
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN))


def _words(turn: dict[str, Any]) -> str:
    calls = json.dumps(turn["tool_calls"]) if turn.get("tool_calls") else ""
    return f"{turn.get('content') or ''}{calls}"


def _marked(conversation: Conversation) -> str:
    """Return a conversation to look at, what is learnt between « and »."""
    return "\n".join(
        f"{turn['role']}: «{_words(turn)}»" if turn["role"] == "assistant" else f"{turn['role']}: {_words(turn)}"
        for turn in conversation.messages
    )
