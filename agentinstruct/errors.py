"""Every error a caller may meet, in one tree.

AgentInstructError
├── ConfigurationError (ValueError)   what was asked for cannot be done as it stands: exit 2
│   ├── FlowError                     a flow, prompt or taxonomy is missing or malformed
│   ├── SeedError                     no seeds where the user said there are some
│   ├── RunLocked                     another process holds the run directory
│   └── MissingExtra (ImportError)    an optional package is needed; the message names the command
├── TeacherError (RuntimeError)       the teacher did not answer: the item fails and may be retried
│   ├── TeacherUnavailable            throttled, broken, late or out of reach: another try may cure it
│   ├── TeacherRefused                the request itself is wrong (key, model, bad request): the run stops
│   ├── TeacherFailing                too many calls fail: the run stops and can be resumed
│   └── BudgetExceeded                the cap would be passed: the run stops and can be resumed
├── RunStopped (RuntimeError)         the person or the target ended the run; nothing new is asked
│   └── QuestionsWait                 what is left of the run waits for answers from elsewhere
└── Rejected (ValueError)             one branch of an item ends here; becomes a `Rejection`
"""

from __future__ import annotations


class AgentInstructError(Exception):
    """The root of the tree: catch it to catch everything this library raises on purpose."""


class ConfigurationError(AgentInstructError, ValueError):
    """What was asked for cannot be done as it stands; the message says what to change."""


class FlowError(ConfigurationError):
    """A flow, a prompt or a taxonomy is missing or malformed."""


class SeedError(ConfigurationError):
    """There are no seeds where the user said there are some."""


class RunLocked(ConfigurationError):
    """Another process holds the run directory."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""


class TeacherError(AgentInstructError, RuntimeError):
    """The teacher did not answer; the item fails and the next `generate` retries it."""


class TeacherUnavailable(TeacherError):
    """The teacher was throttled, broken, late or out of reach; the same question may be answered on another try.

    `retry_after` is the wait in seconds the server asked for, if it did. `throttled` says that it was asked too much.
    `perhaps_billed` says that the question may have been answered, and charged for, without the answer arriving.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        throttled: bool = False,
        perhaps_billed: bool = True,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.throttled = throttled
        self.perhaps_billed = perhaps_billed


class TeacherRefused(TeacherError):
    """The teacher refuses every such request (key, model, parameters): the run stops at once."""


class TeacherFailing(TeacherError):
    """So many calls fail, each after all its attempts, that the run stops; it can be resumed."""


class BudgetExceeded(TeacherError):
    """The next question could pass the cap; nothing was sent and the run can be resumed."""


class RunStopped(AgentInstructError, RuntimeError):
    """The run is ending: questions in flight are let finish, and no new one is asked."""


class QuestionsWait(RunStopped):
    """What is left of the run waits for answers that are to be brought in; the message says how."""


class Rejected(AgentInstructError, ValueError):
    """One branch of an item ends here, with a reason that is counted.

    `reason` is a short identifier (`malformed_reply`, `irrelevant`); `detail` is for a person to read.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
