"""What does a crash cost? Each client is killed at about half of its calls, and run again to its end.

The server counts: what it had answered before and was asked again has been paid for twice.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.calls import find_clients, rows_of
from benchmarks.chain import CALLS, check
from benchmarks.environments import ENVIRONMENTS, PEERS, Client
from benchmarks.processes import Server, machine, measure, stalled

_CLIENTS = ("agentinstruct", *PEERS)


def kill_and_resume(client: Client, options: argparse.Namespace) -> dict[str, Any]:
    """Run a client, kill it, run it again in the same place, and return what the server saw."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch, Server(latency=options.latency) as server:
        folder = Path(scratch)
        out = folder / "out"
        out.mkdir()
        sizes = {"chains": options.chains, "concurrency": options.concurrency}
        command = client.command(server.url, out, **sizes, resume=True)
        enough = options.chains * CALLS * options.at

        def run(until: Callable[[], str | None]) -> str:
            measured = measure(
                command, server, environment=client.variables(folder), folder=folder, until=until, pause=0.1
            )
            return measured.ended

        first = run(lambda: "killed" if server.stats()["answered"] >= enough else None)
        while server.stats()["in_flight"]:
            time.sleep(0.05)
        before = server.stats()
        second = run(stalled(server, options.patience))
        after = server.stats()
        return {
            "client": client.name,
            "first": first,
            "answered_before": before["answered"],
            "in_flight_at_kill": before["abandoned"],
            "second": second,
            "asked_again": after["requests"] - before["requests"],
            "repeated": after["repeated"] - before["repeated"],
            "rows": check(rows_of(out), options.chains),
        }


def main() -> None:
    """Kill and resume every client in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--clients", nargs="+", choices=_CLIENTS, default=_CLIENTS)
    parser.add_argument("--chains", type=int, default=1_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds")
    # some work column by column: at a half sharp they would be between two columns, with nothing in flight
    parser.add_argument("--at", type=float, default=0.55, help="share of the calls answered at the kill")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--patience", type=float, default=120.0, help="seconds without a call after which it hangs")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the peers are installed")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    clients = find_clients(options.clients, options.environments)
    found = []
    for _ in range(options.rounds):
        for client in clients.values():
            found.append(kill_and_resume(client, options))
            print(found[-1], file=sys.stderr, flush=True)
    names = ["answered before the kill", "in flight then", "second run", "calls in it", "repeated", "rows right"]
    print("| client | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for each in found:
        wrong = "".join(f", {number} {name}" for name, number in each["rows"].items() if number and name != "right")
        cells = [each["answered_before"], each["in_flight_at_kill"], each["second"], each["asked_again"]]
        cells += [each["repeated"], f"{each['rows']['right']}{wrong}"]
        print(f"| {each['client']} | " + " | ".join(str(cell) for cell in cells) + " |")
    if options.out:
        figures = {"machine": machine(), "chains": options.chains, "runs": found}
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
