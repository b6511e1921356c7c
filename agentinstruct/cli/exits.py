"""What is said of an error that ends the process, and with which exit code."""

from __future__ import annotations

from agentinstruct.errors import (
    AgentInstructError,
    BudgetExceeded,
    ConfigurationError,
    QuestionsWait,
    RunStopped,
    TeacherRefused,
)

DONE, FAILED_ITEMS, USAGE, OVER_BUDGET, QUESTIONS_WAIT, INTERRUPTED = 0, 1, 2, 3, 4, 130


def sentence(error: Exception) -> str:
    """Return what is told of an error, whatever characters are in it."""
    if isinstance(error, OSError) and not isinstance(error, AgentInstructError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}; check the path, its permissions and the space"
    if isinstance(error, MemoryError):
        return "there is not enough memory: close other programs, raise its limit (ulimit -v), or lower --concurrency"
    return str(error)


def exit_code(error: Exception) -> int:
    """Return the exit code of a run that ended with `error`."""
    match error:
        case BudgetExceeded():
            return OVER_BUDGET
        case QuestionsWait():
            return QUESTIONS_WAIT
        case RunStopped():
            return INTERRUPTED
        case ConfigurationError() | TeacherRefused() | OSError():
            return USAGE
        case _:
            return FAILED_ITEMS
