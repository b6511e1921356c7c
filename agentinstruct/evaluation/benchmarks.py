"""Maths benchmarks as they are published: each row becomes a question and the answer alone.

A form is known by its columns and not by its name: GSM8K, SVAMP, ASDiv, MAWPS's sets (AddSub, MultiArith, SingleOp,
SingleEq), DMath and MATH are told apart, and any rows of `question` and `answer` are taken. A benchmark counts whole:
a row that cannot be read is an error, never left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.evaluation.tables import read_rows
from agentinstruct.records import content_hash
from agentinstruct.verify import final_answer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
_UNIT = re.compile(r"\s*\([^()]*\)\s*$")
_LONGEST_QUESTION = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question with its answer alone; `where` is the row it came from."""

    id: str
    question: str
    answer: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A set of questions under the name its user gave it."""

    name: str
    source: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    name: str
    question: tuple[str, ...]
    answer: str

    @property
    def columns(self) -> set[str]:
        return {*self.question, self.answer}


# The first form whose columns are all there is taken, so the more particular come first.
_FORMS = (
    _Form("SVAMP, ASDiv", ("body", "question"), "answer"),
    _Form("AddSub, MultiArith, SingleOp, SingleEq (MAWPS)", ("squestion",), "lsolutions"),
    _Form("DMath", ("question_en",), "answer_en"),
    _Form("MATH with answers", ("problem",), "answer"),
    _Form("MATH", ("problem",), "solution"),
    _Form("MultiArith", ("question",), "final_ans"),
    _Form("GSM8K, and any other", ("question",), "answer"),
)


def read_benchmark(given: str, *, limit: int | None = None) -> Benchmark:
    """Read `NAME=SOURCE`: a file, or `hf:DATASET[:CONFIG[:SPLIT]]` with the split `test` unless one is given.

    Raises `ConfigurationError` that names the row or the columns it could not make sense of. `limit` takes the first
    rows, so that a limited evaluation is a part of the whole one.
    """
    name, equals, source = given.partition("=")
    if not equals or not source or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{given!r} is not a benchmark: give NAME=FILE or NAME=hf:DATASET")
    items: list[Item] = []
    for where, row in read_rows(source):
        if len(items) == limit:
            break
        items.append(_item(where, row))
    if not items:
        raise ConfigurationError(f"{source} holds no rows: give a file with the questions of {name}")
    return Benchmark(name=name, source=source, items=tuple(items))


def read_benchmarks(given: Iterable[str], *, limit: int | None = None) -> tuple[Benchmark, ...]:
    """Read several; raises `ConfigurationError` where there is none, or two have one name."""
    found = tuple(read_benchmark(each, limit=limit) for each in given)
    names = [benchmark.name for benchmark in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigurationError(f"two benchmarks are called {twice[0]!r}: give each a name of its own")
    if not found:
        raise ConfigurationError("no benchmark was given: name one by --on, as gsm8k=test.jsonl")
    return found


def _item(where: str, row: Mapping[str, Any]) -> Item:
    by_name = {str(name).lower(): value for name, value in row.items()}
    form = next((form for form in _FORMS if by_name.keys() >= form.columns), None)
    if form is None:
        raise ConfigurationError(f"{where}: {_unknown(row)}")
    texts = [by_name[column] for column in form.question]
    if not all(isinstance(text, str) for text in texts) or not any(text.strip() for text in texts):
        raise ConfigurationError(f"{where}: has no text in {' and '.join(form.question)}: correct the row")
    question = " ".join(text.strip() for text in texts if text.strip())
    if len(question) > _LONGEST_QUESTION:
        raise ConfigurationError(f"{where}: a question of {len(question):,} characters is none of a maths benchmark")
    answer = _answer(by_name[form.answer], form)
    if not answer:
        raise ConfigurationError(f"{where}: no answer can be read in {form.answer!r}: correct the row")
    return Item(id=content_hash("item", question, answer), question=question, answer=answer, where=where)


def _answer(value: Any, form: _Form) -> str:
    """Return the answer alone: of a worked solution what it ends in, of a measure its figure."""
    match value:
        case bool():
            return ""
        case int() | float():
            return f"{value:.0f}" if value % 1 == 0 else str(value) if math.isfinite(value) else ""
        case [single] if not isinstance(single, list):
            return _answer(single, form)
        case str() if form.answer == "solution":
            return final_answer(value) or ""
        case str() if "####" in value:
            return value.rpartition("####")[2].strip()
        case str() if form.question == ("body", "question"):
            return _UNIT.sub("", value).strip()
        case str():
            return value.strip()
        case _:
            return ""


def _unknown(row: Mapping[str, Any]) -> str:
    names = sorted(str(name)[:40] for name in row)
    known = "; ".join(f"{' and '.join([*form.question, form.answer])} ({form.name})" for form in _FORMS)
    has = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"no form of a maths benchmark has the columns {has or '(none)'}; known are {known}"


def prompts_of(benchmarks: Iterable[Benchmark]) -> Iterator[str]:
    """Yield the distinct questions in order: what is asked, zero-shot, with nothing around it."""
    yield from dict.fromkeys(item.question for benchmark in benchmarks for item in benchmark.items)
