"""What does a call cost, and how near to the ideal is a run? agentinstruct, the bare clients and the peers, in turn.

Every client does the same four dependent calls a document (`chain.py`), each run in a fresh process against a fresh
server. At latency 0 it is CPU and calls a second that count; at a real latency, the share of the ideal wall time,
chains x 4 x latency / concurrency.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.chain import CALLS, check, read_rows
from benchmarks.environments import CLIENTS, ENVIRONMENTS, PEERS, Client, find_client
from benchmarks.processes import Measured, Server, machine, measure, stalled

_PATIENCE = 120.0
"""Seconds without a call after which a client is taken to hang."""
_GUESSES = {
    "agentinstruct": (2.0, 0.0008),
    "without_replies": (2.0, 0.0008),
    "raw_openai": (1.5, 0.0025),
    "raw_aiohttp": (0.5, 0.0004),
    "curator": (8.0, 0.004),
    "sdg_hub": (8.0, 0.005),
    "data_designer": (8.0, 0.006),
    "distilabel": (14.0, 0.02),
}
"""Seconds to start and end, and seconds of CPU a call: only for saying beforehand how long it will take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One client at one latency and concurrency."""

    client: str
    latency: float
    concurrency: int
    chains: int

    @property
    def calls(self) -> int:
        return self.chains * CALLS

    @property
    def ideal(self) -> float:
        """The seconds that the calls take at least."""
        return self.calls * self.latency / self.concurrency

    @property
    def guess(self) -> float:
        start, call = _GUESSES[self.client]
        return start + max(self.ideal, self.calls * call)


def figures(case: Case, measured: Measured, rows: dict[str, int]) -> dict[str, Any]:
    """Return what one run says."""
    return {
        "ended": measured.ended,
        "cpu_ms": (measured.cpu - measured.startup_cpu) * 1000 / case.calls,
        "startup_cpu": measured.startup_cpu,
        "calls_per_second": case.calls / measured.working,
        "wall": measured.wall,
        "share": case.ideal / measured.wall,
        "share_after_start": case.ideal / measured.working,
        "peak": measured.peak,
        "in_flight_mean": measured.server["in_flight_mean"],
        "in_flight_max": measured.server["in_flight_max"],
        "connections": measured.server["connections"],
        "server_cpu_ms": measured.server["cpu"] * 1000 / case.calls,
        "right": rows["right"],
        "rows": rows,
        "server": dict(measured.server),
    }


def run(case: Case, client: Client, faults: float) -> dict[str, Any]:
    """Run one case once; a run that went wrong says so in `ended` and `rows`."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as scratch,
        Server(latency=case.latency, faults=faults) as server,
    ):
        folder = Path(scratch)
        out = folder / "out"
        out.mkdir()
        measured = measure(
            client.command(server.url, out, chains=case.chains, concurrency=case.concurrency),
            server,
            environment=client.variables(folder),
            folder=folder,
            until=stalled(server, _PATIENCE),
        )
        if measured.ended != "done":
            print((folder / "log.txt").read_text(errors="replace")[-2000:], file=sys.stderr)
        return figures(case, measured, check(rows_of(out), case.chains))


def rows_of(out: Path) -> Iterator[tuple[str, str]]:
    """Yield document and answer of what a client made, agentinstruct's as it publishes them."""
    if not (out / "pairs").is_dir():
        yield from read_rows(out)
        return
    from agentinstruct.dataset.parquet import read_pairs

    for pair in read_pairs(out):
        yield pair["lineage"]["seed_id"], pair["messages"][-1]["content"]


def plan(options: argparse.Namespace) -> list[Case]:
    """Return the cases of one round: the clients take turns at each latency and concurrency."""
    cases = []
    for latency in options.latency:
        for concurrency in options.concurrency if latency else options.concurrency[:1]:
            for client in options.clients:
                if client == "without_replies" and latency:
                    continue  # only says what the journal's replies cost, in CPU
                chains = options.peer_chains if client in PEERS else options.chains
                cases.append(Case(client=client, latency=latency, concurrency=concurrency, chains=chains))
    return cases


def find_clients(names: Iterable[str], environments: Path) -> dict[str, Client]:
    """Return the clients that can be run, making environments where need be and leaving out what does not install."""
    found = {}
    for name in names:
        try:
            found[name] = find_client(name, environments)
        except subprocess.CalledProcessError as error:
            print(f"{name} is left out: it does not install ({error})", file=sys.stderr)
    return found


def journal_share(runs: dict[Case, list[dict[str, Any]]]) -> list[float]:
    """Return, for each round, the part of a call's CPU that goes away when no reply is kept."""
    with_replies = [
        each for case, found in runs.items() if case.client == "agentinstruct" and not case.latency for each in found
    ]
    without = [each for case, found in runs.items() if case.client == "without_replies" for each in found]
    return [1 - less["cpu_ms"] / more["cpu_ms"] for more, less in zip(with_replies, without, strict=False)]


def spread(runs: list[dict[str, Any]], name: str, digits: int) -> str:
    """Return the median of a figure, with its smallest and largest where there are several."""
    values = [run[name] for run in runs]
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def common_columns(case: Case, runs: list[dict[str, Any]]) -> list[str]:
    """Return what ends every row: memory, chains, rows that are right in all runs, and what went wrong."""
    wrong = {run["ended"] for run in runs} - {"done"}
    right = min(run["right"] for run in runs)
    return [spread(runs, "peak", 0), f"{case.chains:,}", f"{right:,}" + "".join(f", {each}" for each in sorted(wrong))]


def show_cost(runs: dict[Case, list[dict[str, Any]]]) -> None:
    """Print the table of latency 0."""
    found = {case: each for case, each in runs.items() if not case.latency}
    bare = [run["cpu_ms"] for case, each in found.items() if case.client == "raw_openai" for run in each]
    names = ["ms of CPU a call", "times raw openai", "calls/s", "start-up, s of CPU", "peak MB", "chains", "rows right"]
    show_head("latency 0", ["client", "in flight", *names])
    for case, each in found.items():
        times = statistics.median(run["cpu_ms"] for run in each) / statistics.median(bare) if bare else 0
        cells = [case.client, str(case.concurrency), spread(each, "cpu_ms", 3), f"{times:.2f}" if bare else "–"]
        cells += [spread(each, "calls_per_second", 0), spread(each, "startup_cpu", 1)]
        print("| " + " | ".join(cells + common_columns(case, each)) + " |")
    if shares := journal_share(runs):
        part = f"{statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"
        print(f"\nkeeping the replies in the journal takes {part} of a call's CPU")


def show_shares(runs: dict[Case, list[dict[str, Any]]], latency: float) -> None:
    """Print the table of a real latency."""
    names = [
        "share of the ideal",
        "after start-up",
        "wall s",
        "ideal s",
        "in flight, mean",
        "ms of CPU a call",
        "peak MB",
    ]
    show_head(f"latency {latency:g} s", ["client", "in flight", *names, "chains", "rows right"])
    for case, each in runs.items():
        if case.latency == latency:
            cells = [case.client, str(case.concurrency), spread(each, "share", 3), spread(each, "share_after_start", 3)]
            cells += [spread(each, "wall", 1), f"{case.ideal:.1f}", spread(each, "in_flight_mean", 0)]
            print("| " + " | ".join([*cells, spread(each, "cpu_ms", 3), *common_columns(case, each)]) + " |")


def show_head(title: str, names: list[str]) -> None:
    print(f"\n{title}\n\n| " + " | ".join(names) + " |\n|" + "---|" * len(names))


def main() -> None:
    """Say how long it will take, run everything in turn, print tables, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.5], help="seconds")
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=[64, 256, 1024], help="at latency 0 only the first"
    )
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, default=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS)
    )
    parser.add_argument("--chains", type=int, default=2_000)
    parser.add_argument("--peer-chains", type=int, default=500, help="fewer, since peers take long")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-rounds", type=int, default=1)
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests met with 429, 500 or a reset")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the peers are installed")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    found = find_clients(options.clients, options.environments)
    turns = [(turn, case) for turn in range(max(options.rounds, options.peer_rounds)) for case in plan(options)]
    turns = [
        (turn, case)
        for turn, case in turns
        if case.client in found and turn < (options.peer_rounds if case.client in PEERS else options.rounds)
    ]
    minutes = sum(case.guess for _, case in turns) / 60
    print(f"{len(turns)} runs, about {minutes:.0f} minutes; {machine()}", file=sys.stderr, flush=True)
    runs: dict[Case, list[dict[str, Any]]] = {case: [] for case in plan(options) if case.client in found}
    for turn, case in turns:
        made = run(case, found[case.client], options.faults)
        runs[case].append(made)
        said = f"{made['cpu_ms']:.3f} ms a call, {made['calls_per_second']:.0f} calls/s, share {made['share']:.3f}"
        where = f"{case.client} at {case.latency:g} s and {case.concurrency}"
        print(f"{turn + 1}: {where}: {made['ended']}, {made['wall']:.1f} s, {said}", file=sys.stderr, flush=True)
        if options.out:
            write(options.out, runs)
    for latency in options.latency:
        if latency:
            show_shares(runs, latency)
        else:
            show_cost(runs)


def write(path: Path, runs: dict[Case, list[dict[str, Any]]]) -> None:
    """Write the figures so far: a long run that is broken off has not been in vain."""
    found = [asdict(case) | {"runs": each} for case, each in runs.items()]
    path.write_text(json.dumps({"machine": machine(), "cases": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
