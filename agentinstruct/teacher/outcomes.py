"""How a teacher's calls ended lately, and whether so many failed that going on would waste time and seeds."""

from __future__ import annotations

from collections import deque

from agentinstruct.errors import TeacherError

_COUNTED = 50
"""Calls: enough to tell a server in trouble from a few bad questions."""


class Outcomes:
    """The last 50 calls that ended, each after all its attempts. A rejection is an answer."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=_COUNTED)
        self.last: TeacherError | None = None

    def answered(self) -> None:
        """Count a call that was answered."""
        self._failed.append(False)

    def failed(self, error: TeacherError) -> None:
        """Count a call that was not."""
        self._failed.append(True)
        self.last = error

    def failing(self, most: float) -> str | None:
        """Say how many failed, when at least the share `most` did; None before 50 calls, and at a `most` of 1."""
        if most >= 1 or self.last is None or len(self._failed) < _COUNTED:
            return None
        failed = sum(self._failed)
        if failed < most * _COUNTED:
            return None
        return f"{failed} of the teacher's last {_COUNTED} calls failed, the last with: {self.last}"
