"""Raw documents and source code in, verified instruction/response pairs out.

    import agentinstruct
    summary = agentinstruct.generate(["docs/"], ["reading_comprehension"], "runs/first")

What a flow of one's own needs is here too (`Ask`, `Seed`, `Pair`, and `agentinstruct.flow`). Names are loaded when
first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentinstruct.api import estimate as estimate
    from agentinstruct.api import generate as generate
    from agentinstruct.api import preview as preview
    from agentinstruct.api import record as record
    from agentinstruct.api import recorded as recorded
    from agentinstruct.api import status as status
    from agentinstruct.api import stream as stream
    from agentinstruct.batch.options import BatchOptions as BatchOptions
    from agentinstruct.dataset.export import export as export
    from agentinstruct.flow.ask import Ask as Ask
    from agentinstruct.flow.definition import Flow as Flow
    from agentinstruct.readers import ReadOptions as ReadOptions
    from agentinstruct.readers import read_seeds as read_seeds
    from agentinstruct.records import Content as Content
    from agentinstruct.records import Instruction as Instruction
    from agentinstruct.records import Pair as Pair
    from agentinstruct.records import Rejection as Rejection
    from agentinstruct.records import Seed as Seed
    from agentinstruct.records import Verdict as Verdict
    from agentinstruct.run.options import RunOptions as RunOptions
    from agentinstruct.run.summary import Summary as Summary
    from agentinstruct.teacher.options import TeacherOptions as TeacherOptions

_HOMES = {
    "estimate": "api",
    "generate": "api",
    "preview": "api",
    "record": "api",
    "recorded": "api",
    "status": "api",
    "stream": "api",
    "BatchOptions": "batch.options",
    "export": "dataset.export",
    "Ask": "flow.ask",
    "Flow": "flow.definition",
    "ReadOptions": "readers",
    "read_seeds": "readers",
    "Content": "records",
    "Instruction": "records",
    "Pair": "records",
    "Rejection": "records",
    "Seed": "records",
    "Verdict": "records",
    "RunOptions": "run.options",
    "Summary": "run.summary",
    "TeacherOptions": "teacher.options",
}


def __dir__() -> list[str]:
    return sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
