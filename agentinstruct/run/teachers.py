"""The teachers of one run: each role's client, opened and wrapped, all under one budget and one switch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from autogen_core.models import ChatCompletionClient
from pydantic import JsonValue

from agentinstruct.batch import Batcher
from agentinstruct.errors import ConfigurationError, TeacherFailing
from agentinstruct.teacher import (
    PICODOLLARS,
    Cost,
    Ledger,
    Prices,
    Protected,
    State,
    Switch,
    TeacherOptions,
    Usage,
    by_batch,
    identity_of,
    open_client,
)
from agentinstruct.teacher.elsewhere import Elsewhere
from agentinstruct.teacher.recorded import RECORDED, RecordedTeacher, Unrecorded, identity_in, recording_path
from agentinstruct.teacher.recording import Recording

Spec = str | ChatCompletionClient | None


_SERVED = ("openai:", "azure:", "elsewhere:")
_SAMPLED = (*_SERVED, "gguf:")


def _check_settings(options: TeacherOptions, specs: Iterable[Spec]) -> None:
    """Refuse settings that no teacher would heed: whoever names a server and forgets `--teacher` is not run offline."""
    named = [spec for spec in specs if isinstance(spec, str)]
    given = {
        "base_url": (options.base_url, _SERVED),
        "temperature": (options.sampling.temperature, _SAMPLED),
        "top_p": (options.sampling.top_p, _SAMPLED),
    }
    for name, (value, heeding) in given.items():
        if value is not None and not any(spec.startswith(heeding) for spec in named):
            raise ConfigurationError(
                f"{name} is only for a teacher such as openai:MODEL or azure:DEPLOYMENT: name one as the teacher "
                "(a component file holds its own settings)"
            )


class TeacherStack:
    """All teachers of a run by role, `""` for everyone else's; `spent` is what earlier calls have used.

    With a `batcher` they park their questions, and it has them answered; `keyless` ones need no key, since nobody
    sends them. `answers` finds what was brought in for a question, by its id.
    """

    def __init__(
        self,
        options: TeacherOptions,
        *,
        spent: Usage,
        batcher: Batcher | None = None,
        answers: Callable[[str], str | None] | None = None,
        keyless: bool = False,
    ) -> None:
        self._batcher = batcher
        self._answers = answers
        self._keyless = keyless
        self.prices = Prices.load(options.prices)
        self._switch = Switch()
        self._most_failing = options.max_error_rate
        self.ledger = self._open_ledger(options, spent)
        self._clients: list[ChatCompletionClient] = []
        self._recordings: dict[Path, Recording] = {}
        self.lacking: Counter[str] = Counter()
        """Questions, by agent, that a recording had no answer to and that nobody else was there to be asked."""
        specs = self._with_recorded_roles({"": options.teacher, **options.roles})
        _check_settings(options, specs.values())
        self._protected: dict[str, Protected] = {}
        """Those that are asked live."""
        self.teachers = {role: self._open(role, spec, options) for role, spec in specs.items()}

    def _open_ledger(self, options: TeacherOptions, spent: Usage) -> Ledger | None:
        if options.budget is None and options.budget_tokens is None:
            return None
        return Ledger(dollars=options.budget, tokens=options.budget_tokens, spent=self.cost_of(spent))

    def cost_of(self, usage: Usage) -> Cost:
        """Return what `usage` comes to; models without a price cost nothing."""
        tokens = sum(prompt + completion for _, prompt, completion in usage.values())
        money = round(sum(self.prices.total({model: used}) or 0 for model, used in usage.items()) * PICODOLLARS)
        return Cost(tokens=tokens, money=money)

    def _with_recorded_roles(self, specs: dict[str, Spec]) -> dict[str, Spec]:
        """Add the roles that had a teacher of their own when the recording of everyone else's was made."""
        if (recording := self._recording(specs[""])) is None:
            return specs
        return {**dict.fromkeys(recording.header.teachers, specs[""]), **specs}

    def _recording(self, spec: Spec) -> Recording | None:
        if not isinstance(spec, str) or not spec.startswith(RECORDED):
            return None
        path = recording_path(spec)
        if path not in self._recordings:
            self._recordings[path] = Recording.read(path)
        return self._recordings[path]

    @property
    def recordings(self) -> Mapping[Path, Recording]:
        """The recordings that questions are answered from, by file."""
        return self._recordings

    def _open(self, role: str, spec: Spec, options: TeacherOptions) -> ChatCompletionClient:
        if recording := self._recording(spec):
            return self._replay(recording, role)
        client = open_client(
            spec,
            base_url=options.base_url,
            sampling=options.sampling,
            concurrency=options.concurrency,
            keyless=self._keyless,
        )
        self._clients.append(client)
        return self._live(role, client, options) if self._batcher is None else self._park(client, self._batcher)

    def _replay(self, recording: Recording, role: str) -> ChatCompletionClient:
        identity = identity_in(recording, role)
        if self._batcher is not None:
            return RecordedTeacher(recording, role, self._park(Elsewhere(identity), self._batcher))
        unasked: ChatCompletionClient = Unrecorded(identity, self.lacking)
        if self._answers is not None:
            from agentinstruct.batch.brought import with_answers  # imports the openai package

            unasked = with_answers(unasked, Elsewhere(identity), self._answers)
        return RecordedTeacher(recording, role, unasked)

    def _live(self, role: str, client: ChatCompletionClient, options: TeacherOptions) -> ChatCompletionClient:
        price = self.prices.of(str(identity_of(client).get("model", "")))
        slots: int = getattr(client, "slots", options.concurrency)  # what waits for a slot here ends with the run
        protected = self._protected[role] = Protected(
            client,
            concurrency=min(options.concurrency, slots),
            requests_per_minute=options.requests_per_minute,
            tokens_per_minute=options.tokens_per_minute,
            ledger=self.ledger,
            price=price,
            switch=self._switch,
        )
        if self._answers is None:
            return protected
        from agentinstruct.batch.brought import with_answers  # imports the openai package

        return with_answers(protected, client, self._answers, ledger=self.ledger, price=price)

    def _park(self, client: ChatCompletionClient, batcher: Batcher) -> ChatCompletionClient:
        from agentinstruct.batch.parked import ParkedTeacher  # imports the openai package

        price = self.prices.of(by_batch(str(identity_of(client).get("model", ""))))
        return ParkedTeacher(client, batcher, sends=not self._keyless, ledger=self.ledger, price=price)

    @property
    def parks(self) -> bool:
        """Whether questions are parked instead of sent."""
        return self._batcher is not None

    def identities(self) -> dict[str, dict[str, JsonValue]]:
        """Return what decides each role's answers; it holds no key."""
        return {role: identity_of(teacher) for role, teacher in self.teachers.items()}

    def notices(self) -> list[str]:
        """Return what a person should know of the teachers before they use the data."""
        return list(dict.fromkeys(notice for client in self._clients if (notice := getattr(client, "notice", ""))))

    def states(self) -> dict[str, State]:
        """Return how each role's teacher is doing, where it is asked live."""
        return {role: teacher.state() for role, teacher in self._protected.items()}

    def failing(self) -> TeacherFailing | None:
        """Return the error of a teacher that fails too often for the run to go on, where there is one."""
        for role, teacher in self._protected.items():
            if told := teacher.retry.outcomes.failing(self._most_failing):
                whose = f"the teacher of {role}: " if role else ""
                return TeacherFailing(
                    f"{whose}{told}. What is done is kept: see to the server, then give the same command again "
                    "(--max-error-rate sets how many may fail)"
                )
        return None

    def stop(self) -> None:
        """Let nothing new be asked, and end what waits for its turn, for another try, or for a minute to pass."""
        self._switch.close()

    async def close(self) -> None:
        """Close every client."""
        for teacher in self.teachers.values():
            await teacher.close()
