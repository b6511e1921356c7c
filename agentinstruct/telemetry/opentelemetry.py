"""Spans as OpenTelemetry has them: calls by its conventions for generative AI, the rest under `agentinstruct.`.

It speaks to a tracer that it is handed, of whatever provider, and knows nothing of where spans are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from agentinstruct.errors import Rejected, RunStopped
from agentinstruct.telemetry.spans import Attribute, Kind

_CONVENTIONS = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
}
"""What the conventions for GenAI spans have a name for; all else is ours."""


class TracerSpan:
    """A span of `tracer`'s; where `span` is None, the root, in which a run's span opens within whatever is current.

    An open span is also OpenTelemetry's current one, so that spans of others, such as AutoGen's or an HTTP client's,
    stand within it. Errors are told by their type alone: their words may quote a reply.
    """

    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: Tracer, span: trace.Span | None = None) -> None:
        self._tracer = tracer
        self._span = span or trace.INVALID_SPAN

    @contextmanager
    def open(self, kind: Kind, name: str, **attributes: Attribute) -> Iterator[TracerSpan]:
        """Begin a span within this one."""
        within = None if self._span is trace.INVALID_SPAN else trace.set_span_in_context(self._span)
        with self._tracer.start_as_current_span(
            f"{attributes['operation']} {attributes['model']}" if kind == "call" else f"{kind} {name}".strip(),
            context=within,
            kind=SpanKind.CLIENT if kind == "call" else SpanKind.INTERNAL,
            attributes=_named(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            opened = TracerSpan(self._tracer, span)
            try:
                yield opened
            except BaseException as error:
                opened.fail(error)
                raise

    def note(self, **attributes: Attribute) -> None:
        """Set attributes."""
        self._span.set_attributes(_named(attributes))

    def fail(self, error: BaseException) -> None:
        """Set the status, except for an end that was wanted, and for one that is counted as an outcome."""
        match error:
            case RunStopped() | asyncio.CancelledError() | GeneratorExit() | KeyboardInterrupt():
                self.note(stopped=True)
            case Rejected():
                self.note(rejected=error.reason)
            case _:
                self._span.set_attribute("error.type", type(error).__name__)
                self._span.set_status(Status(StatusCode.ERROR))


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {_CONVENTIONS.get(name, f"agentinstruct.{name}"): value for name, value in attributes.items()}
