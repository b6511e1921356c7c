"""Telemetry: spans, where they go, and which loggers speak. It knows nothing of runs."""

from agentinstruct.telemetry.loggers import AUTOGEN, only_asked_for
from agentinstruct.telemetry.spans import UNWATCHED, Span

__all__ = [
    "AUTOGEN",
    "UNWATCHED",
    "Span",
    "only_asked_for",
]
