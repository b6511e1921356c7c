"""`agentinstruct` in a process forked from one that has its imports already: a hundred starts take seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import agentinstruct.api
import agentinstruct.teacher.openai
from agentinstruct import cli


def run_command_line(words: list[str], said: str) -> None:
    """Be the command; what it says goes to the end of the file `said`."""
    assert agentinstruct.api
    sys.argv = ["agentinstruct", *words]
    with Path(said).open("a", encoding="utf-8") as log:
        sys.stdout = sys.stderr = log
        cli.main()
