"""What a run's command reports to machines: events on standard output, and spans to a collector."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from agentinstruct.cli.exits import exit_code, sentence
from agentinstruct.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from agentinstruct.view.events import Events


@contextmanager
def events_on_stdout(wanted: bool) -> Iterator[Events]:
    """Yield what writes events, or nothing if not wanted; an error that leaves the block is told as the last.

    What else is printed in the block, by a flow for instance, then goes to standard error: it would be no JSON.
    """
    from agentinstruct.view.events import Events

    if not wanted:
        yield Events(None)
        return
    events = Events(sys.stdout)
    with redirect_stdout(sys.stderr):
        try:
            yield events
        except Exception as error:
            events.tell("error", type=type(error).__name__, message=sentence(error), exit_code=exit_code(error))
            raise


@contextmanager
def tracer_to_collector(wanted: bool) -> Iterator[Tracer | None]:
    """Yield a tracer that sends spans to the collector of the environment, if that is wanted.

    Raises `MissingExtra` without the packages that send them.
    """
    if not wanted:
        yield None
        return
    try:
        from agentinstruct.telemetry.otlp import exported
    except ImportError as error:
        raise MissingExtra("--otel needs OpenTelemetry's exporter: pip install 'agentinstruct[otel]'") from error

    with exported(_say_lost) as tracer:
        yield tracer


def _say_lost(lost: int, ended: int) -> None:
    print(
        f"{lost} of {ended} spans did not reach the collector, and the run went on without it; see that it runs, and "
        "OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318 if not set)",
        file=sys.stderr,
    )
