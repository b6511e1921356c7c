"""Teachers: clients of models, the layers that make them safe to ask ten thousand times, and typed replies.

A teacher is opened from what a person writes (`open_client`) and wrapped (`Protected`). Every layer is itself an
AutoGen `ChatCompletionClient`, so agents and teams get all of them without knowing. This room may know records and
telemetry; it knows no flow, no run, and not how a journal keeps what it is handed. `OpenAITeacher` stays in its module,
since aiohttp takes 0.2 s to import.
"""

from agentinstruct.teacher.budget import Budget, Cost, Ledger
from agentinstruct.teacher.elsewhere import Elsewhere
from agentinstruct.teacher.failures import may_be_cured, without_keys
from agentinstruct.teacher.journaled import Asking, AuthoredResult, Exchange, Journaled, Place, Recorder, Scope
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable, identity_of
from agentinstruct.teacher.open_files import allow_connections
from agentinstruct.teacher.options import TeacherOptions
from agentinstruct.teacher.prices import PICODOLLARS, Price, Prices, Usage, author_of, by_batch
from agentinstruct.teacher.protected import Protected
from agentinstruct.teacher.retry import Retry
from agentinstruct.teacher.spec import open_client
from agentinstruct.teacher.state import State
from agentinstruct.teacher.switch import Switch
from agentinstruct.teacher.typed_replies import Typed, read_reply
from agentinstruct.teacher.wire import unencodable

__all__ = [
    "PICODOLLARS",
    "Asking",
    "AuthoredResult",
    "Budget",
    "Cost",
    "Elsewhere",
    "Exchange",
    "Journaled",
    "Layer",
    "Ledger",
    "Place",
    "Price",
    "Prices",
    "Protected",
    "Recorder",
    "RequestOptions",
    "Retry",
    "Scope",
    "State",
    "Switch",
    "TeacherOptions",
    "Typed",
    "Usage",
    "allow_connections",
    "author_of",
    "by_batch",
    "cancellable",
    "identity_of",
    "may_be_cured",
    "open_client",
    "read_reply",
    "unencodable",
    "without_keys",
]
