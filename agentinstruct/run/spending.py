"""What a run has paid for without a reply to show for it, kept in its journal, so that a cap holds over all its calls.

A reply may be lost on its way, or not tell its tokens, or the process may die with questions in flight. The ledger
knows, but dies with its process; so the journal is told, before anything is sent, how much may be spent in all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pydantic import TypeAdapter, ValidationError

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.journal import GRANTED, LOST, Journal, JournalReader
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.teacher import Cost

_COST = TypeAdapter(Cost)


@asynccontextmanager
async def accounted(journal: Journal, stack: TeacherStack) -> AsyncIterator[None]:
    """Carry over what earlier calls of the run have lost; under a cap, keep an account of what this one spends."""
    granted = _read(journal, GRANTED)
    lost = _read(journal, LOST)
    unaccounted = granted.beyond(stack.cost_of(journal.usage()))
    lost = Cost(max(lost.tokens, unaccounted.tokens), max(lost.money, unaccounted.money))
    if any(granted):
        await _keep(journal, LOST, lost)
        await _keep(journal, GRANTED, Cost())
    if (ledger := stack.ledger) is None:
        yield
        return
    # A question that is parked is never lost with the process: it is reserved anew when it is asked again.
    ledger.resume(lost, lambda most: _keep(journal, GRANTED, ledger.spent if stack.parks else most))
    try:
        yield
    finally:
        with suppress(AgentInstructError):  # a journal that cannot be written has said so before
            await _keep(journal, GRANTED, ledger.committed)


async def _keep(journal: Journal, name: str, cost: Cost) -> None:
    await journal.set_meta(name, _COST.dump_json(cost).decode())


def _read(journal: JournalReader, name: str) -> Cost:
    try:
        return _COST.validate_json(journal.meta(name) or "[0, 0]")
    except ValidationError as error:
        told = f"{journal.path} does not say what was spent ({name}): take a new directory for a run under a budget"
        raise ConfigurationError(told) from error
