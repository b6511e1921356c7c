"""Practice and feedback (Orca-Math, section 2.3): a student solves problems, is marked, learns from it, and again.

OUT/practice.json     what was asked: student, problems, settings, run seed; a call that asks otherwise is refused
OUT/round-0/          how well the student does before, where there are problems to validate on
OUT/round-1/          samples, verdicts, preferences, the student it made, and what it took (see `round.py`)
OUT/practice.jsonl    the rounds' metrics, one line each

Killed at any point, the next call goes on from there and ends with the data and the student an unbroken one has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentinstruct.dataset import Problem
from agentinstruct.errors import ConfigurationError
from agentinstruct.training.fit import digest, held, model_digest, write_whole
from agentinstruct.training.practice.metrics import round_metrics, started_from
from agentinstruct.training.practice.problems import fingerprint, problems_of_round
from agentinstruct.training.practice.round import Capabilities, Round, write_if_new
from agentinstruct.training.settings import PracticeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Practised:
    """What practice came to. `student` is the last one, or the best where they were validated."""

    student: Path
    rounds: tuple[dict[str, Any], ...]
    """The metrics of each round, as in `practice.jsonl`."""


def practise(
    student: str | Path,
    problems: Sequence[Problem],
    rounds: Iterable[PracticeSettings],
    out: Path,
    capabilities: Capabilities,
    *,
    validation: Sequence[Problem] = (),
    run_seed: int = 0,
    told: dict[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> Practised:
    """Practise, or go on; each of `rounds` holds for as many rounds as it says, each with the student before it.

    Where there are problems to validate on, a round that made its student worse is passed over: the next one begins
    with the best so far. `told` are further words that must not change between calls (the teacher, say). Raises
    `ConfigurationError` where `out` holds practice that was asked otherwise, `RunLocked` where it is going on.
    """
    plan = [one.model_copy(update={"rounds": 1}) for one in rounds for _ in range(one.rounds)]
    _check(plan, problems, validation)
    with held(out):
        _pin(
            out,
            {
                "student": _identity(student),
                "problems": fingerprint(problems),
                "validation": fingerprint(validation),
                "rounds": [one.model_dump(mode="json") for one in plan],
                "run_seed": run_seed,
                **(told or {}),
            },
        )
        best, timeline, passed = Path(student), list[dict[str, Any]](), 0
        start = Round(out / "round-0", 0, plan[0], capabilities, run_seed=run_seed)
        if validation:
            timeline.append(started_from(start, str(student), start.validate(student, validation)))
        for number, settings in enumerate(plan, start=1):
            round_ = Round(out / f"round-{number}", number, settings, capabilities, run_seed=run_seed)
            taken = problems_of_round(list(problems), settings.problems, passed=passed, seed=run_seed)
            passed += len(taken)
            metrics = _one_round(round_, best, taken, validation)
            timeline.append(metrics)
            write_if_new(out / "practice.jsonl", "".join(json.dumps(each) + "\n" for each in timeline))
            say(_told(metrics))
            if not validation or metrics["validation"] > _best_accuracy(timeline[:-1]):
                best = out / metrics["student"]
        return Practised(student=best, rounds=tuple(timeline))


def _one_round(
    round_: Round, student: Path, problems: Sequence[Problem], validation: Sequence[Problem]
) -> dict[str, Any]:
    end = round_.folder / "metrics.json"
    if end.exists():
        metrics: dict[str, Any] = json.loads(end.read_text(encoding="utf-8"))
        return metrics
    replies = round_.sample(student, problems)
    marked = round_.judge(problems, replies)
    rows, tally = round_.build(problems, marked)
    fit = round_.fit(student, rows)
    accuracy = round_.validate(fit.folder, validation)
    metrics = round_metrics(round_, student, marked, tally, len(rows), fit, accuracy)
    write_whole(end, json.dumps(metrics, indent=2) + "\n")
    return metrics


def _best_accuracy(timeline: Sequence[dict[str, Any]]) -> float:
    return max(float(each["validation"]) for each in timeline)


def _check(plan: Sequence[PracticeSettings], problems: Sequence[Problem], validation: Sequence[Problem]) -> None:
    if not plan or not problems:
        raise ConfigurationError("practice needs a round and a problem: there is none")
    if shared := {each.id for each in problems} & {each.id for each in validation}:
        raise ConfigurationError(
            f"{len(shared)} problems are to be practised on and validated on too: take them out of one, since what was "
            "practised says nothing about the student"
        )


def _pin(out: Path, told: dict[str, Any]) -> None:
    """Write what is asked, or compare it with what an earlier call asked."""
    path = out / "practice.json"
    if not path.exists():
        write_whole(path, json.dumps(told, indent=2) + "\n")
        return
    try:
        earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{path} is damaged ({error}): restore it, or give another folder") from error
    now: dict[str, Any] = json.loads(json.dumps(told))
    if differing := [
        f"{name} was {_short(earlier.get(name))} and is {_short(now.get(name))}"
        for name in sorted({*earlier, *now})
        if earlier.get(name) != now.get(name)
    ]:
        raise ConfigurationError(f"{out} holds practice that was asked otherwise: {'; '.join(differing)}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"another value ({digest(value)[:12]})"


def _identity(student: str | Path) -> str:
    """Return a Hub name as it is, and a hash of a folder's model."""
    folder = Path(student)
    return model_digest(folder)[:16] if folder.is_dir() else str(student)


def _told(metrics: dict[str, Any]) -> str:
    validated = "" if metrics["validation"] is None else f", {metrics['validation']:.1%} of the validation problems"
    return (
        f"round {metrics['round']}: {metrics['pass_at_1']:.1%} of {metrics['replies']} replies right, "
        f"{metrics['rows']} rows learnt, loss {metrics['loss']:.4f}{validated}"
    )
