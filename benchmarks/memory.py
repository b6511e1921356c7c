"""Does memory grow with the number of seeds? The peak of `generate` over few seeds, and over ten times as many.

Each size runs in a process of its own on the offline teacher. Exit status 1 when the ratio is over the requirement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.passages import write_jsonl

HERE = Path(__file__).resolve().parent
MOST = 1.3
"""The requirement: the peak over the larger number of seeds by the peak over the smaller."""
_PER_MB = 1024 if sys.platform != "darwin" else 1024 * 1024


def measure(seeds: Path, out: Path, *, flow: str, concurrency: int, trace: int) -> dict[str, Any]:
    """Run `generate` in this process and return what it came to, sizes in MB."""
    from agentinstruct.api import generate
    from agentinstruct.teacher.options import TeacherOptions

    imported = _peak()
    if trace:
        tracemalloc.start(12)
    started = time.perf_counter()
    summary = generate([seeds], [flow], out, teacher=TeacherOptions(teacher="offline", concurrency=concurrency))
    seconds = time.perf_counter() - started
    if trace:
        for statistic in tracemalloc.take_snapshot().statistics("lineno")[:trace]:
            print(statistic, file=sys.stderr)
    return {
        "seeds": summary.items,
        "failed": summary.failed,
        "calls": summary.calls,
        "pairs": summary.pairs,
        "seconds": round(seconds, 1),
        "after_import": imported,
        "peak": _peak(),
        "journal": round((out / "journal.sqlite").stat().st_size / 1e6, 1),
    }


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MB, 1)


def in_own_process(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure `count` seeds in a fresh process.

    A child's peak starts at what its parent held when it was started, so this process imports nothing large.
    """
    with tempfile.TemporaryDirectory() as scratch:
        seeds = Path(scratch) / "seeds.jsonl"
        write_jsonl(seeds, count)
        command = [sys.executable, "-m", "benchmarks.memory", "--child", str(seeds), "--flow", options.flow]
        command += ["--concurrency", str(options.concurrency), "--trace", str(options.trace)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parent, text=True)
        return dict(json.loads(done.stdout))


def main() -> int:
    """Measure both sizes, print a table, and say whether the requirement holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(2_000, 20_000), metavar=("FEW", "MANY"))
    parser.add_argument("--flow", default=str(HERE / "flows" / "close_reading"))
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--trace", type=int, default=0, metavar="LINES", help="print what holds most memory at the end")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        out, more = options.child.parent / "run", {"concurrency": options.concurrency, "trace": options.trace}
        print(json.dumps(measure(options.child, out, flow=options.flow, **more)))
        return 0
    rows = [in_own_process(count, options) for count in options.seeds]
    ratio = round(rows[1]["peak"] / rows[0]["peak"], 3)
    print("   seeds    calls    pairs  seconds  journal MB  after import MB  peak MB")
    for row in rows:
        print(
            f"{row['seeds']:>8,} {row['calls']:>8,} {row['pairs']:>8,} {row['seconds']:>8.1f} {row['journal']:>11.1f} "
            f"{row['after_import']:>16.1f} {row['peak']:>8.1f}"
        )
    print(f"ratio of the peaks {ratio} (at most {MOST} wanted)")
    if options.out:
        figures = {"python": platform.python_version(), "cores": os.cpu_count(), "rows": rows, "ratio": ratio}
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
