"""What an evaluation leaves in its directory: `results.json`, `answers.jsonl`, `table.md` and the plot.

Questions, replies and skill names are strangers' words: in Markdown they stand escaped, and no file is named by them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError, RunLocked
from agentinstruct.evaluation.plots import Bars
from agentinstruct.evaluation.statistics import Estimate, Paired
from agentinstruct.journal import replace

Identities = Mapping[str, Mapping[str, JsonValue]]
"""Who was measured: the student, the control where there is one, and the judge."""
_PACKAGES = ("agentinstruct", "torch", "transformers", "tokenizers", "math-verify", "lm_eval", "datasets", "numpy")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>&~$@:-])")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LOCK = ".evaluation.lock"
"""Also what an evaluation's directory is known by."""
_NO_CONTROL = (
    "**No control was given.** These figures do not show that the data helped: give the same base model without it by "
    "`--control`, and the difference is measured on the same items."
)


@contextmanager
def directory(out: Path) -> Iterator[Path]:
    """Make the directory, or go on in it, and keep other processes out while the block lasts.

    Raises `ConfigurationError` where it holds what is no evaluation, and `RunLocked` where another process is at work.
    """
    lock = out / _LOCK
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in out.iterdir())
        if names and _LOCK not in names:
            raise ConfigurationError(f"{out} holds other things ({names[0]}): give --out a directory of its own")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise ConfigurationError(f"cannot write in {out}: {error.strerror}; give another --out") from error
    with os.fdopen(descriptor, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLocked(f"{out} is in use by another process: wait for it, or give another --out") from error
        yield out


def write(
    out: Path, who: Identities, results: Mapping[str, Any], answers: Iterable[Mapping[str, Any]], lines: Sequence[str]
) -> None:
    """Write `results.json`, with versions of what was used, `answers.jsonl` and `table.md`, each whole or not at all.

    `answers` has a row for every reply, with what was read in it and why it counts as it does.
    """
    held = {"student": who["student"], "control": None, **who, **results, "versions": versions()}
    replace(out / "answers.jsonl", "".join(json.dumps(row, default=_plain) + "\n" for row in answers))
    whole = json.dumps(held, default=_plain, indent=2, ensure_ascii=False, allow_nan=False)
    replace(out / "results.json", whole + "\n")
    replace(out / "table.md", "\n".join(lines) + "\n")


def page(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str], who: Identities
) -> list[str]:
    """Return the lines of a Markdown table with what it rests on, and whose figures these are; cells are Markdown."""
    border = [":--", *["--:"] * (len(header) - 1)]
    table = [f"| {' | '.join(cells)} |" for cells in (header, border, *rows)]
    models = [f"{each.capitalize()}: {named(identity)}." for each, identity in who.items()]
    warned = [] if "control" in who else [_NO_CONTROL, ""]
    return [f"# {title}", "", *warned, *table, "", *notes, *models]


def escaped(text: object, *, longest: int = 80) -> str:
    """Return a stranger's words as one line of Markdown that shows them and does nothing else."""
    line = " ".join(_INVISIBLE.sub(" ", str(text)).split())
    return _MARKDOWN.sub(r"\\\1", line if len(line) <= longest else line[: longest - 1] + "…")


def percent(estimate: Estimate) -> str:
    """Return a share with its interval, in per cent."""
    return _figure(estimate, 100, 1)


def points(estimate: Estimate) -> str:
    """Return a difference of shares in percentage points, always with its sign."""
    return _figure(estimate, 100, 1, sign="+")


def grade(estimate: Estimate, *, sign: str = "") -> str:
    """Return a mean score out of 10, or a difference of two with `sign="+"`."""
    return _figure(estimate, 1, 2, sign=sign)


def percent_bars(name: str, student: Estimate, control: Estimate | None) -> Bars:
    """Return shares as bars of a picture in per cent."""
    return Bars(name=name, student=_in_percent(student), control=_in_percent(control) if control else None)


def _in_percent(estimate: Estimate) -> Estimate:
    low, high = (None if edge is None else edge * 100 for edge in (estimate.low, estimate.high))
    return Estimate(value=estimate.value * 100, low=low, high=high, n=estimate.n)


def _figure(estimate: Estimate, scale: int, digits: int, *, sign: str = "") -> str:
    form = f"{sign}.{digits}f"
    value = f"{estimate.value * scale:{form}}"
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} ({estimate.low * scale:{form}} to {estimate.high * scale:{form}})"


def verdict(difference: Estimate) -> str:
    """Say in a word what an interval of a difference shows."""
    if difference.low is None or difference.high is None:
        return "not known"
    return "better" if difference.low > 0 else "**worse**" if difference.high < 0 else "no difference shown"


def told(paired: Paired) -> str:
    """Return how many items only one of the two had right: what the difference rests on."""
    return f"{paired.only_student} / {paired.only_control}"


def named(identity: Mapping[str, Any]) -> str:
    """Return who a model is, for a sentence: its name, and the beginning of its hash where there is one."""
    name = escaped(identity.get("model") or identity.get("client") or "unknown", longest=200)
    return f"{name}, sha256 {str(identity['sha256'])[:12]}" if "sha256" in identity else name


def versions() -> dict[str, str]:
    """Return the versions of the packages a figure may depend on, of those that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
