"""Makes the table and the plot of the experiment from what its seeds left in their folders."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

START = "sft"
CONTROL = "sft-compute"
TOLD = {
    START: "fine-tuning alone, where all others start",
    "sft-epochs": "two more epochs of fine-tuning",
    CONTROL: "as much more fine-tuning as practice takes compute",
    "imitate-1": "the right replies fine-tuned on, one round",
    "imitate-2": "two rounds",
    "dpo-1": "practice with DPO, one round",
    "dpo-2": "two rounds",
    "kto-1": "practice with KTO, one round",
    "kto-2": "two rounds",
    "dpo-teacher-1": "DPO, one round, only the teacher's solutions as positives",
    "kto-teacher-1": "KTO, the same",
    "dpo-plain-1": "DPO, one round, no synthetic negatives",
    "kto-plain-1": "KTO, the same",
}
LINES = {
    "practice, KTO": ("kto-1", "kto-2"),
    "practice, DPO": ("dpo-1", "dpo-2"),
    "right replies, fine-tuned on": ("imitate-1", "imitate-2"),
    "more fine-tuning": ("sft-epochs", CONTROL),
}
_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Student's t at 97.5 % for so many degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One student of one seed: its share of the held-out problems, and the operations it took, its start included."""

    accuracy: float
    operations: float


Results = dict[str, list[Tested]]
"""The students of each name, in the order of the seeds."""


def write_report(out: Path) -> str:
    """Write `table.md` and `curves.png` to `out`, and return the table."""
    results = read_results(out)
    table = render_table(results)
    (out / "table.md").write_text(table, encoding="utf-8")
    plot(results, out / "curves.png")
    return table


def read_results(out: Path) -> Results:
    """Return what was tested, for the names that every seed has."""
    seeds = sorted(out.glob("seed-*"), key=lambda folder: int(folder.name.removeprefix("seed-")))
    found: list[dict[str, Tested]] = []
    for seed in seeds:
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((seed / "tests").glob("*.json"))]
        start = next((row["operations"] for row in rows if row["name"] == START), 0.0)
        found.append(
            {
                row["name"]: Tested(row["accuracy"], row["operations"] + (0 if row["name"] == START else start))
                for row in rows
            }
        )
    return {name: [each[name] for each in found] for name in TOLD if all(name in each for each in found)}


def render_table(results: Results) -> str:
    """Return a Markdown table: mean accuracy, and differences over the seeds with their 95 % intervals.

    The best fine-tuning is each seed's best of the three, chosen by the tests themselves: a control that is too strong.
    """
    seeds = len(next(iter(results.values())))
    tuned = [results[name] for name in (START, "sft-epochs", CONTROL)]
    best = [max(students, key=lambda each: each.accuracy) for students in zip(*tuned, strict=True)]
    lines = [
        f"| student | right, mean of {seeds} seeds | less as much fine-tuning | less the best fine-tuning | compute |",
        "|---|---|---|---|---|",
    ]
    for name, tested in results.items():
        shares = [each.accuracy for each in tested]
        compute = fmean(one.operations / start.operations for one, start in zip(tested, results[START], strict=True))
        each = ", ".join(f"{100 * share:.1f}" for share in shares)
        against = " | ".join(_less(tested, control) for control in (results[CONTROL], best))
        right = f"**{100 * fmean(shares):.1f} %** ({each})"
        lines.append(f"| `{name}`: {TOLD[name]} | {right} | {against} | {compute:.2f} |")
    return "\n".join(lines) + "\n"


def _less(tested: Sequence[Tested], control: Sequence[Tested]) -> str:
    return interval([one.accuracy - other.accuracy for one, other in zip(tested, control, strict=True)])


def interval(differences: Sequence[float]) -> str:
    """Return a mean in points with Student's 95 % interval over the seeds; one seed has none."""
    points = [100 * each for each in differences]
    if len(points) == 1:
        return f"{points[0]:+.1f}"
    half = _T[len(points) - 1] * stdev(points) / math.sqrt(len(points))
    return f"{fmean(points):+.1f} ({fmean(points) - half:+.1f} to {fmean(points) + half:+.1f})"


def plot(results: Results, path: Path) -> None:
    """Draw accuracy over compute: a dot for each seed, a line through the means."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.8), layout="constrained")
    unit = fmean(each.operations for each in results[START])
    for (label, names), colour, marker in zip(
        LINES.items(), ("#0072B2", "#D55E00", "#009E73", "#555555"), "osD^", strict=True
    ):
        steps = [results[name] for name in (START, *names)]
        axes.plot(
            [fmean(each.operations for each in step) / unit for step in steps],
            [100 * fmean(each.accuracy for each in step) for step in steps],
            color=colour,
            marker=marker,
            label=label,
        )
        for step in steps[1:]:
            axes.scatter(
                [each.operations / unit for each in step],
                [100 * each.accuracy for each in step],
                color=colour,
                marker=marker,
                s=14,
                alpha=0.4,
            )
    axes.set_xlabel("compute, as a multiple of the fine-tuning all began with")
    axes.set_ylabel("held-out problems solved, %")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    import sys

    print(write_report(Path(sys.argv[1])))
