"""A batch job: one wave submitted once, followed to its batch's end, its answers fetched. It knows no run."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agentinstruct.batch.lines import question_line, read_line
from agentinstruct.batch.options import BatchOptions
from agentinstruct.batch.parking import KEPT_AT_ONCE, Parking, Wave
from agentinstruct.batch.protocols import BackEnd, BatchStatus, Lost
from agentinstruct.errors import TeacherUnavailable

_LONGEST_WAIT, _LONGEST_TOLD_WAIT = 600.0, 3600.0
_MOST_LOST = 5
"""How often a file is asked for that the provider says is not there: it may not be there yet."""


@dataclass(slots=True, kw_only=True)
class BatchJob:
    """A wave that is out. `asked` are its questions that this call waits for, with the sizes of their bodies.

    `hand_on` gets answers as they are fetched and safe. `fresh` is one that nothing was sent of before.
    """

    wave: Wave
    fresh: bool
    asked: dict[str, int]
    back_end: BackEnd
    parking: Parking
    options: BatchOptions
    hand_on: Callable[[dict[str, str]], None]
    watch: Callable[[str, BatchJob], None]
    status: BatchStatus = field(default_factory=lambda: BatchStatus(state="sending"))
    answered: int = 0
    """How many questions had an answer in its files, also of those this call has not asked yet."""
    not_executed: dict[str, str] = field(default_factory=dict)
    """Questions that the provider says it has not answered, and why."""
    trouble: str = ""
    """What went wrong last, as long as it has not gone well since."""
    _tries: int = 0

    @property
    def questions(self) -> int:
        """How many questions left in it."""
        return self.wave.questions

    async def carry(self) -> bool:
        """Take the wave to its end: as `status` tells, its answers handed on.

        False where it is a wave of an earlier call that never arrived: not all that was in it may still be wanted.
        """
        if self.fresh:
            await self.parking.launch(self.wave, self.asked)
        if self.wave.batch is None and not await self._submit():
            await self.parking.end(self.wave.id, "never sent")
            return False
        await self._follow()
        for file in self.status.files:
            while not await self._fetch(file):
                pass
        await self.parking.end(self.wave.id, self.status.state)
        self.watch("done", self)
        return True

    async def _submit(self) -> bool:
        """Submit a wave once: where it may have arrived already, it is looked for first."""
        perhaps_sent = not self.fresh
        while True:
            try:
                batch = await self._find() if perhaps_sent else None
                if batch is None:
                    if not self.fresh:
                        return False
                    batch = await self._upload()
                break
            except TeacherUnavailable as error:
                perhaps_sent = True
                await self._wait(error)
        self._went_well()
        await self.parking.submitted(self.wave.id, batch)
        self.wave = replace(self.wave, batch=batch, state="out")
        self.watch("submitted", self)
        return True

    async def _find(self) -> str | None:
        """Look twice: a batch that was only just made may not be listed yet."""
        found = await self.back_end.find(self.wave.id, self.wave.created)
        if found is None:
            await asyncio.sleep(self.options.poll)
            found = await self.back_end.find(self.wave.id, self.wave.created)
        return found

    async def _upload(self) -> str:
        with tempfile.TemporaryFile() as file:
            for question, body in self.parking.bodies(self.wave.id):
                file.write(question_line(question, body, self.back_end.url))
            file.seek(0)
            return await self.back_end.submit(self.wave.id, file)

    async def _follow(self) -> None:
        assert self.wave.batch
        while not self.status.ended:
            try:
                self.status = await self.back_end.retrieve(self.wave.batch)
            except TeacherUnavailable as error:
                await self._wait(error)
                continue
            self._went_well()
            if not self.status.ended:
                await asyncio.sleep(self.options.poll)

    async def _fetch(self, file: str) -> bool:
        """Keep and hand on what a file holds; False when it broke off and is to be fetched again."""
        answers: dict[str, str] = {}
        try:
            async for raw in self.back_end.fetch(file):
                self._read(raw, answers)
                if len(answers) >= KEPT_AT_ONCE:
                    await self._keep(answers)
                    answers = {}
        except TeacherUnavailable as error:
            if isinstance(error, Lost) and self._tries >= _MOST_LOST:
                self._went_well()
                return True  # its questions have no answer then, and go out again
            await self._wait(error)
            return False
        await self._keep(answers)
        self._went_well()
        return True

    def _read(self, raw: bytes, answers: dict[str, str]) -> None:
        try:
            line = read_line(raw)
        except ValueError:
            return  # what nobody can read answers nothing: the question goes out again
        if not line.problem:  # of every question: this call may not have come to ask it yet
            answer = line.answer if line.status == 200 else self.back_end.scrub(line.answer)
            answers.setdefault(line.question, answer)
        elif line.question in self.asked:
            self.not_executed[line.question] = self.back_end.scrub(line.problem)

    async def _keep(self, answers: dict[str, str]) -> None:
        await self.parking.keep(self.wave.id, answers)
        waited_for = {question: answer for question, answer in answers.items() if question in self.asked}
        for question in waited_for:
            del self.asked[question]
        self.answered += len(answers)
        self.hand_on(waited_for)

    def _went_well(self) -> None:
        self.trouble, self._tries = "", 0

    async def _wait(self, error: TeacherUnavailable) -> None:
        """Wait before the next try: as long as the provider asks, else longer every time."""
        self.trouble = str(error)
        wait = min(_LONGEST_WAIT, self.options.poll * 2.0 ** min(self._tries, 20))
        self._tries += 1
        await asyncio.sleep(max(wait, min(error.retry_after or 0.0, _LONGEST_TOLD_WAIT)))
