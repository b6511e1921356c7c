"""What the process's exit code says, and which error leads to which."""

from __future__ import annotations

from agentinstruct.errors import BudgetExceeded, ConfigurationError, RunStopped, TeacherRefused

DONE, FAILED_ITEMS, USAGE, OVER_BUDGET, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code(error: Exception) -> int:
    """Return the exit code of a run that ended with `error`."""
    match error:
        case BudgetExceeded():
            return OVER_BUDGET
        case RunStopped():
            return INTERRUPTED
        case ConfigurationError() | TeacherRefused() | OSError():
            return USAGE
        case _:
            return FAILED_ITEMS
