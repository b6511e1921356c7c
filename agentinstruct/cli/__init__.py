"""The command line. It only translates: every verb is a function of `agentinstruct.api`.

Nothing heavy is imported before a verb is known, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from agentinstruct.cli import batch, evaluating, flows, training
from agentinstruct.cli.exits import exit_code, sentence
from agentinstruct.cli.looking import estimate, export, journal, preview, show
from agentinstruct.cli.making import generate, record, recover, status
from agentinstruct.errors import AgentInstructError
from agentinstruct.view.words import printable

app = typer.Typer(
    name="agentinstruct",
    help="Raw documents and source code in, verified instruction/response pairs out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _verb in (generate, status, record, recover, journal, preview, estimate, show, export):
    app.command()(_verb)
app.add_typer(flows.app)
app.add_typer(batch.app)
app.add_typer(training.app)
app.add_typer(evaluating.app)
_debug = False


@app.callback()
def _globals(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    global _debug  # noqa: PLW0603  # one switch of one process, read where an error is shown
    _debug = debug
    os.environ.setdefault("AUTOGEN_DISABLE_RUNTIME_TRACING", "true")


def main() -> None:
    """Run the command line; every known error becomes one sentence and its exit code."""
    try:
        app()
    except AgentInstructError as error:
        if _debug:
            raise
        _tell(error)
    except OSError as error:
        if _debug or error.filename is None:
            raise
        _tell(error)
    except MemoryError as error:
        if _debug:
            raise
        _tell(error)


def _tell(error: Exception) -> None:
    print(f"agentinstruct: {printable(sentence(error))}", file=sys.stderr)
    sys.exit(exit_code(error))
