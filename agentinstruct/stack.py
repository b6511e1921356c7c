"""The teachers of one run: each role's client, opened and wrapped, all under one budget and one switch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError, RunStopped
from agentinstruct.options import TeacherOptions
from agentinstruct.teacher.budget import Cost, Ledger
from agentinstruct.teacher.layer import Layer, RequestOptions, identity_of
from agentinstruct.teacher.prices import PICODOLLARS, Prices, Usage
from agentinstruct.teacher.spec import open_client
from agentinstruct.teacher.stack import Protected


def _check_settings(options: TeacherOptions, specs: Iterable[str | ChatCompletionClient]) -> None:
    """Refuse settings that no teacher would heed: whoever names a server and forgets `--teacher` is not run offline."""
    if any(isinstance(spec, str) and spec.startswith(("openai:", "azure:")) for spec in specs):
        return
    given = {
        "base_url": options.base_url,
        "temperature": options.sampling.temperature,
        "top_p": options.sampling.top_p,
    }
    if unheeded := [name for name, value in given.items() if value is not None]:
        raise ConfigurationError(
            f"{unheeded[0]} is only for a teacher such as openai:MODEL or azure:DEPLOYMENT: name one as the teacher "
            "(a component file holds its own settings)"
        )


class Gate(Layer):
    """Lets questions through until it is closed; what is in flight then still comes back."""

    closed = False

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask `inner`; raises `RunStopped` once the gate is closed."""
        if self.closed:
            raise RunStopped("the run is stopping")
        return await self.inner.create(messages, **options)


class TeacherStack:
    """All teachers of a run by role, `""` for everyone else's; `spent` is what earlier calls have used."""

    def __init__(self, options: TeacherOptions, *, spent: Usage) -> None:
        self.prices = Prices.load(options.prices)
        self._gates: list[Gate] = []
        self._ledger = self._open_ledger(options, spent)
        specs = {"": options.teacher, **options.roles}
        _check_settings(options, specs.values())
        self.teachers = {role: self._open(spec, options) for role, spec in specs.items()}

    def _open_ledger(self, options: TeacherOptions, spent: Usage) -> Ledger | None:
        if options.budget is None and options.budget_tokens is None:
            return None
        tokens = sum(prompt + completion for _, prompt, completion in spent.values())
        money = round(sum(self.prices.total({model: used}) or 0 for model, used in spent.items()) * PICODOLLARS)
        return Ledger(dollars=options.budget, tokens=options.budget_tokens, spent=Cost(tokens=tokens, money=money))

    def _open(self, spec: str | ChatCompletionClient, options: TeacherOptions) -> ChatCompletionClient:
        client = open_client(
            spec, base_url=options.base_url, sampling=options.sampling, concurrency=options.concurrency
        )
        gate = Gate(client)
        self._gates.append(gate)
        model = str(identity_of(client).get("model", ""))
        return Protected(
            gate,
            concurrency=options.concurrency,
            requests_per_minute=options.requests_per_minute,
            tokens_per_minute=options.tokens_per_minute,
            ledger=self._ledger,
            price=self.prices.of(model),
        )

    def identities(self) -> dict[str, dict[str, JsonValue]]:
        """Return what decides each role's answers; it holds no key."""
        return {role: identity_of(teacher) for role, teacher in self.teachers.items()}

    def stop(self) -> None:
        """Let nothing new be asked."""
        for gate in self._gates:
            gate.closed = True

    async def close(self) -> None:
        """Close every client."""
        for teacher in self.teachers.values():
            await teacher.close()
