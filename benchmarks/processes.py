"""Runs a client against a server, each on a core of its own, and measures it with all its children. Linux only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK = 0.005
"""Seconds between two looks at whether the first request has come and whether the client has ended."""


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Let what is started within run on one core of those this process may use, counted from 0."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[number % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Server:
    """The benchmarks' server in a process of its own, on the second core."""

    def __init__(self, *, latency: float, faults: float = 0.0) -> None:
        command = [sys.executable, "-m", "benchmarks.server", "--latency", str(latency), "--faults", str(faults)]
        with on_core(1):
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self.asked = threading.Event()
        """Set when the first request has come."""
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, lines: Iterator[str]) -> None:
        for _ in lines:
            self.asked.set()

    def stats(self) -> dict[str, float]:
        """Return the server's counters."""
        with urlopen(self.url.removesuffix("/v1") + "/stats", timeout=60) as reply:
            return dict(json.load(reply))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a client came to; times in seconds, CPU of the client and all its children."""

    ended: str
    """`done`, `exit N`, or why it was killed."""
    wall: float
    """From the start of the process to its end."""
    working: float
    """From the first request's arrival to the end of the process."""
    cpu: float
    startup_cpu: float
    """CPU used when the first request came, to a hundredth of a second for each process."""
    peak: float
    """MB, by proportional set size, summed over all processes twice a second."""
    server: Mapping[str, float]


def measure(
    command: Sequence[str],
    server: Server,
    *,
    environment: Mapping[str, str],
    folder: Path,
    until: Callable[[], str | None] = lambda: None,
    pause: float = 0.5,
) -> Measured:
    """Run a client in `folder` to its end, or until `until` says why it is killed with all its children.

    `pause` is the time between two looks at `until` and at its memory, which take a millisecond or two.
    """
    started = time.monotonic()
    with on_core(0), (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    family = _Family(process.pid)
    startup_cpu, peak, weighed, why = None, 0.0, 0.0, None
    with on_core(1), family:  # a client that keeps its core busy must not keep this from looking
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if startup_cpu is None and server.asked.is_set():
                startup_cpu = family.cpu()
            if time.monotonic() - weighed > pause:
                peak, weighed = max(peak, family.memory()), time.monotonic()
                if why := why or until():
                    family.kill()
            time.sleep(_LOOK)
    now = time.monotonic()
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    told = server.stats()
    return Measured(
        ended=why or ("done" if process.returncode == 0 else f"exit {process.returncode}"),
        wall=now - started,
        working=now - (told["first"] or started),
        cpu=max(usage.ru_utime + usage.ru_stime, family.most_cpu),
        startup_cpu=startup_cpu or 0.0,
        peak=peak,
        server=told,
    )


def stalled(server: Server, patience: float) -> Callable[[], str | None]:
    """Return what says that a client has asked nothing for so long that it is taken to hang."""
    seen, since = -1.0, time.monotonic()

    def look() -> str | None:
        nonlocal seen, since
        if (requests := server.stats()["requests"]) != seen:
            seen, since = requests, time.monotonic()
        return "hangs" if time.monotonic() - since > patience else None

    return look


class _Family:
    """A process, which leads a group, and all its children."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most_cpu = 0.0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exception: object) -> None:
        self.kill()  # what it left behind, or everything when this is interrupted

    def cpu(self) -> float:
        """Return the seconds of CPU used so far, those of ended children included."""
        total = 0
        for pid in self._members(self._pid):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))  # utime, stime, and the same of children waited for
        self.most_cpu = max(self.most_cpu, total / _TICKS)
        return total / _TICKS

    def memory(self) -> float:
        """Return the memory held now in MB; what processes share is counted once."""
        total = 0
        for pid in self._members(self._pid):
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        self.cpu()
        return total / 1024

    def kill(self) -> None:
        """Kill everything at once, without a chance to clean up."""
        members = list(self._members(self._pid))
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _members(self, pid: int) -> Iterator[int]:
        yield pid
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    yield from self._members(int(child))


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":"
    )
    return {
        "python": sys.version.split()[0],
        "cores": len(os.sched_getaffinity(0)),
        "processor": model.partition(":")[2].strip(),
        "load": os.getloadavg()[0],
    }
