"""Sends spans to an OpenTelemetry collector by OTLP over HTTP, as the standard `OTEL_*` environment variables say.

The run never waits for the collector, and the collector's faults never disturb it: what did not arrive is counted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from agentinstruct.errors import ConfigurationError
from agentinstruct.telemetry.loggers import only_asked_for

_LONGEST_FLUSH = 5.0
"""Seconds that the end of a run may wait for the collector."""
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


class _CountingExporter(SpanExporter):
    """Counts the spans that `exporter` delivered."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.delivered = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _CountingProcessor(BatchSpanProcessor):
    """Hands spans on in batches, from a thread of its own, and counts those it was given."""

    ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += bool(span.context and span.context.trace_flags.sampled)
        super().on_end(span)


@contextmanager
def exported(on_lost: Callable[[int, int], None]) -> Iterator[Tracer]:
    """Yield a tracer whose spans go to the collector; the global provider stays as it is.

    At the end it waits a few seconds for what is under way; `on_lost` hears how many spans of how many did not arrive.
    Raises `ConfigurationError` for a protocol other than `http/protobuf`.
    """
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(_PROTOCOL) or "http/protobuf"
    if protocol != "http/protobuf":
        raise ConfigurationError(f"{_PROTOCOL} is {protocol!r}: spans are sent by http/protobuf only; set it so")
    exporter = _CountingExporter(OTLPSpanExporter())
    processor = _CountingProcessor(exporter)
    # a service name of the environment's comes before ours
    resource = Resource.create({"service.name": "agentinstruct"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with only_asked_for("opentelemetry"):  # it would print a traceback for every batch that does not arrive
        try:
            yield provider.get_tracer("agentinstruct", version("agentinstruct"))
        finally:
            ending = threading.Thread(target=provider.shutdown, daemon=True)
            ending.start()
            ending.join(_LONGEST_FLUSH)
            if lost := processor.ended - exporter.delivered:
                on_lost(lost, processor.ended)
