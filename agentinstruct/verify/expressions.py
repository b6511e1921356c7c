"""Says whether two mathematical expressions are equal, without letting a hostile one hang or fill this process.

math-verify guards itself by SIGALRM, which works in the main thread only and cannot break off Python's own long
multiplications; so it runs in a process of its own (`expression_process.py`).
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from agentinstruct.errors import MissingExtra

_LONGEST = 200
"""Characters; a final answer is far shorter."""
_EXPRESSION = re.compile(r"[\w\s\\{}()\[\]^+\-*/=<>.,!|%']+", re.ASCII)
_PROSE = re.compile(r"(?<![\\a-zA-Z])(?!sqrt\b)[a-zA-Z]{2,}")
_SCRIPT = Path(__file__).with_name("expression_process.py")


def same_expression(given: str, wanted: str) -> bool:
    """Say whether two formulas, in LaTeX or plain, are equal; what is no formula, or too long to work out, is not.

    Raises `MissingExtra` where math-verify is not installed. The first call starts a process, in about two seconds.
    """
    if not all(_is_expression(text) for text in (given, wanted)):
        return False
    if find_spec("math_verify") is None:
        told = "comparing formulas needs math-verify, which is not installed: pip install 'agentinstruct[train]'"
        raise MissingExtra(told)
    return _PROCESS.compare(given, wanted)


def _is_expression(text: str) -> bool:
    """Prose is refused here: math-verify would look for a formula in it, and find the last of several."""
    return len(text) <= _LONGEST and bool(_EXPRESSION.fullmatch(text)) and not _PROSE.search(text)


class _Process:
    """The process that compares, started when first asked; threads take turns, and a fork starts its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._owner = 0

    def compare(self, given: str, wanted: str) -> bool:
        with self._lock:
            running = self._start()
            assert running.stdin and running.stdout
            answer = ""
            with suppress(BrokenPipeError):
                running.stdin.write(json.dumps([given, wanted]) + "\n")
                running.stdin.flush()
                answer = running.stdout.readline()
            if not answer:  # somebody ended it; the next question starts another
                self._end()
            return answer == "1\n"

    def _start(self) -> subprocess.Popen[str]:
        if self._running is None or self._owner != os.getpid():
            # -P: the folder of the script holds a `numbers.py`, which is not Python's
            command = [sys.executable, "-P", str(_SCRIPT)]
            plain = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
            self._running = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=plain
            )
            self._owner = os.getpid()
            atexit.register(self._end)
        return self._running

    def _end(self) -> None:
        running, self._running = self._running, None
        atexit.unregister(self._end)
        if running is not None and self._owner == os.getpid():
            with suppress(BrokenPipeError):
                running.communicate()


_PROCESS = _Process()
