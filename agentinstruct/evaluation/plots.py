"""One picture of an evaluation: bars with intervals, the student beside its control, in colours all can tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentinstruct.evaluation.statistics import Estimate
from agentinstruct.training.extras import need

_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#444444"
"""Of Okabe and Ito's palette; they also differ in lightness, and the control is hatched."""
_LONGEST_NAME = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One line of the picture: a benchmark or a skill, and what the models have on it."""

    name: str
    student: Estimate
    control: Estimate | None = None


def draw(bars: Sequence[Bars], out: Path, *, title: str, axis: str, highest: float) -> None:
    """Write `results.png` and `results.svg` into `out`; raises `MissingExtra` without matplotlib.

    Values run from 0 to `highest`; the title says where there is no control. Names are drawn as they stand: nothing in
    them is read as mathematics or markup.
    """
    figures, agg = need("matplotlib.figure"), need("matplotlib.backends.backend_agg")
    with need("matplotlib").rc_context({"svg.hashsalt": "agentinstruct", "svg.fonttype": "path"}):
        figure = figures.Figure(figsize=(8, 1.5 + 0.62 * len(bars)), dpi=150, layout="constrained")
        agg.FigureCanvasAgg(figure)
        axes = figure.subplots()
        _bars(axes, bars)
        alone = "" if any(bar.control for bar in bars) else " (no control was given)"
        _labels(axes, bars, title=title + alone, axis=axis, highest=highest)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a stranger's name, in any script
            figure.savefig(out / "results.png", metadata={"Software": None})
            figure.savefig(out / "results.svg", metadata={"Date": None, "Creator": None})


def _bars(axes: Any, bars: Sequence[Bars]) -> None:
    paired = any(bar.control for bar in bars)
    height = 0.36 if paired else 0.6
    shift = height / 2 + 0.01 if paired else 0.0
    _series(axes, [(place - shift, bar.student) for place, bar in enumerate(bars)], height, "student", _BLUE, "")
    controls = [(place + shift, bar.control) for place, bar in enumerate(bars) if bar.control]
    if controls:
        _series(axes, controls, height, "control", _ORANGE, "///")


def _series(
    axes: Any, places: Sequence[tuple[float, Estimate]], height: float, label: str, fill: str, hatch: str
) -> None:
    heights = [place for place, _ in places]
    values = [each.value for _, each in places]
    axes.barh(heights, values, height, label=label, color=fill, hatch=hatch, edgecolor="white", linewidth=0.8)
    for place, each in places:
        if each.low is not None and each.high is not None:
            for colour, width in (("white", 3.6), ("black", 1.6)):  # a rim, so that it shows on a dark bar too
                ends = [each.low, each.high]
                axes.plot(ends, [place, place], color=colour, linewidth=width, solid_capstyle="butt")
        end = max(each.value, each.high or 0)
        text = axes.text(end, place, f"  {each.value:.3g}", va="center", ha="left", fontsize=8, color=_GREY)
        text.set_parse_math(False)


def _labels(axes: Any, bars: Sequence[Bars], *, title: str, axis: str, highest: float) -> None:
    axes.set_yticks(range(len(bars)), [_shown(bar.name) for bar in bars])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.invert_yaxis()
    axes.set_xlim(0, highest * 1.12)
    axes.set_xlabel(axis)
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    if any(bar.control for bar in bars):
        axes.figure.legend(loc="outside lower right", ncols=2, frameon=False)


def _shown(name: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in name)
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"
