"""Waves: the questions of a run that is asked by batch, sent together when nothing can go on without their answers.

It decides when a wave leaves and wakes the flows that wait. Whatever the moment of a crash, the parking knows a
question as waiting, as out in a wave, or as answered; so nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from agentinstruct.batch.job import BatchJob
from agentinstruct.batch.options import BatchOptions
from agentinstruct.batch.parking import Parking, Wave, forgotten
from agentinstruct.batch.protocols import BackEnd, Question
from agentinstruct.batch.queue import BatchQueue
from agentinstruct.batch.quiet import Activity
from agentinstruct.errors import AgentInstructError, QuestionsWait, RunStopped, TeacherRefused, TeacherUnavailable
from agentinstruct.journal import Journal
from agentinstruct.teacher import Exchange

_LONGEST_HOLD = 3600.0
_NAMED = 5
"""Batches that are named to whoever leaves."""
_TOO_MANY_TOKENS = "token_limit_exceeded"


def how_to_resume(waves: Waves | None) -> str:
    """Say what becomes of a run that is left now."""
    if waves is None or not (batches := waves.batches):
        return "the same command resumes it"
    named = ", ".join(batches[:_NAMED]) + (", …" if len(batches) > _NAMED else "")
    out = "a batch is" if len(batches) == 1 else f"{len(batches)} batches are"
    return f"{out} out and goes on at the provider ({named}): the same command picks up what it left"


def still_waiting(waves: Waves, directory: Path) -> QuestionsWait | None:
    """Return the end of a run whose questions are to be answered elsewhere, unless none is left."""
    free, out, _ = waves.parking.counts()
    if waves.options.via != "export" or not free + out:
        return None
    where = shlex.quote(str(directory))
    told = f"{free} questions wait for answers"
    if out:
        told += f", and {out} are out in batches, which `--batch openai` fetches"
    return QuestionsWait(
        f"{told}: `agentinstruct batch export {where} -o questions.jsonl` writes them, `agentinstruct batch import "
        f"{where} FILE` brings the answers in, and the same command goes on"
    )


class Waves:
    """The batcher of a run. Use it in `async with`, which ends whatever it still does."""

    def __init__(self, journal: Journal, options: BatchOptions) -> None:
        self.options = options
        self.parking = Parking(journal)
        self.activity = Activity()
        """What holds the next wave back: it leaves when nothing goes on any more that may lead to a question."""
        self.out: dict[str, BatchJob] = {}
        """The waves that are out, by our own id."""
        self.watch: Callable[[str, BatchJob], None] = lambda _event, _job: None
        """Hears of every wave as it is `submitted` and `done`."""
        self.on_quiet: Callable[[], None] = lambda: None
        """Called whenever nothing in the run can go on without answers."""
        self.on_break: Callable[[AgentInstructError], None] = lambda _error: None
        """Called with what makes it impossible, or wrong, to go on."""
        self._journal = journal
        self._call = 0
        self._queues: dict[str, BatchQueue] = {}
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._closed: AgentInstructError | None = None
        self._broken: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._call = self.parking.call
        await self.parking.settle()
        self._start(self._watch_for_quiet())
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._broken is not None:
            raise self._broken

    @property
    def waiting(self) -> int:
        """How many questions wait for answers, whether they are out or not."""
        return len(self._waiting)

    @property
    def batches(self) -> list[str]:
        """The provider's ids of the batches that are out."""
        return [job.wave.batch for job in self.out.values() if job.wave.batch]

    @property
    def trouble(self) -> str:
        """What keeps waves from leaving or coming back just now."""
        troubles = {job.trouble for job in self.out.values() if job.trouble}
        full = "too many tokens wait at {}: the questions go again, fewer at a time"
        troubles |= {full.format(queue.place) for queue in self._queues.values() if queue.holds}
        return "; ".join(sorted(troubles))

    # -- what the run tells ----------------------------------------------------------------------------------------

    async def record(self, item: int, question: str, exchange: Exchange) -> None:
        """Keep a reply and forget its question, both or neither."""
        with self.activity.busy():
            await self._journal.record(item, exchange, forgotten(question))

    def stop(self, *, leave: bool) -> None:
        """Send nothing more; with `leave`, do not wait either for what is out: it goes on at the provider."""
        self._closed = self._closed or RunStopped("the run is stopping")
        for queue in self._queues.values():
            self._release(list(queue.unsent), self._closed)
        if leave:
            self._release(list(self._waiting), self._closed)

    # -- what a teacher asks ---------------------------------------------------------------------------------------

    async def answer(self, question: Question, back_end: BackEnd | None) -> str:
        """Park a question durably and wait for its answer, which may be there already, or on its way."""
        if self._closed:
            raise self._closed
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        name = question.id
        self._waiting[name] = waiting
        queue = self._queues.setdefault(
            question.place, BatchQueue(place=question.place, back_end=back_end, most=self.options.size)
        )
        try:
            with self.activity.busy():
                await self.parking.park(question, self._call)
                if not waiting.done():
                    self._queue(name, len(question.body), queue)
            del question  # its body is on disk now, and there may be thousands
            return await waiting
        finally:
            self._waiting.pop(name, None)
            queue.drop(name)
            waiting.cancel()
            self.activity.stir()

    async def discard(self, question: str) -> None:
        """Forget an answer that is of no use."""
        with self.activity.busy():
            await self.parking.discard(question)

    def _queue(self, question: str, size: int, queue: BatchQueue) -> None:
        wave, answer = self.parking.find(question)
        if answer is not None:
            self._waiting[question].set_result(answer)
        elif wave is None or not self._pick_up(wave, queue, question, size):
            queue.add(question, size)
            if len(queue.unsent) >= queue.most or queue.size >= self.options.bytes:
                self._send(queue)

    def _pick_up(self, wave_id: str, queue: BatchQueue, question: str, size: int) -> bool:
        """Wait for the wave that a question left in, in an earlier call; False if that has ended."""
        if wave_id not in self.out:
            wave = self.parking.wave(wave_id)
            if wave is None:
                return False
            if self.options.via == "export":
                return True  # it is out, and this call waits for nothing
            self._set_out(wave, queue, {}, fresh=False)
        self.out[wave_id].asked[question] = size
        return True

    # -- when a wave leaves ----------------------------------------------------------------------------------------

    async def _watch_for_quiet(self) -> None:
        while True:
            await self.activity.quiet(self.options.quiet)
            self.on_quiet()
            if self.options.via == "export":
                self._release(list(self._waiting), QuestionsWait("the answer is to be brought in"))
                continue
            for queue in self._queues.values():
                while queue.may_send:
                    self._send(queue)

    def _send(self, queue: BatchQueue) -> None:
        if queue.may_send and self.options.via != "export":
            asked = queue.take(self.options.bytes)
            wave = Wave(id=uuid4().hex, place=queue.place, created=time.time(), questions=len(asked))
            self._set_out(wave, queue, asked, fresh=True)

    def _set_out(self, wave: Wave, queue: BatchQueue, asked: dict[str, int], *, fresh: bool) -> None:
        assert queue.back_end is not None  # where questions are taken out, no wave leaves
        job = BatchJob(
            wave=wave,
            fresh=fresh,
            asked=asked,
            back_end=queue.back_end,
            parking=self.parking,
            options=self.options,
            hand_on=self._hand_on,
            watch=self._tell,
        )
        self.out[wave.id] = job
        queue.out += 1
        self._start(self._carry(job, queue))

    def _tell(self, event: str, job: BatchJob) -> None:
        self.watch(event, job)  # whoever watches may come after the wave left

    # -- what becomes of it ----------------------------------------------------------------------------------------

    async def _carry(self, job: BatchJob, queue: BatchQueue) -> None:
        try:
            arrived = await job.carry()
        finally:
            del self.out[job.wave.id]
            queue.out -= 1
            self.activity.stir()
        if not arrived:
            self._send_again(job.asked, queue)
        elif job.status.state == "failed":
            await self._refused(job, queue)
        else:
            queue.refusals, queue.most = 0, min(self.options.size, queue.most * 2)
            for question in job.asked:
                told = job.not_executed.get(question) or "its answer is not in the batch's files"
                words = f"batch {job.wave.batch} ({job.status.state}) did not answer: {told}"
                billed = question not in job.not_executed
                self._release([question], TeacherUnavailable(words, perhaps_billed=billed))

    async def _refused(self, job: BatchJob, queue: BatchQueue) -> None:
        """Go on with smaller waves where too many tokens were waiting; end the run where anything else was wrong."""
        if job.status.code != _TOO_MANY_TOKENS:
            said = job.status.problem or "nothing"
            raise TeacherRefused(f"batch {job.wave.batch} of {queue.place} failed; the provider says: {said}")
        queue.refusals += 1
        queue.most = max(1, len(job.asked) // 2)
        queue.holds += 1
        self._send_again(job.asked, queue)
        await asyncio.sleep(min(_LONGEST_HOLD, self.options.poll * 2.0 ** min(queue.refusals - 1, 20)))
        queue.holds -= 1
        self.activity.stir()

    def _send_again(self, asked: dict[str, int], queue: BatchQueue) -> None:
        for question, size in asked.items():
            if question in self._waiting:
                queue.add(question, size)
        if self._closed:
            self._release(list(asked), self._closed)
        self.activity.stir()

    def _hand_on(self, answers: dict[str, str]) -> None:
        for question, answer in answers.items():
            if (waiting := self._waiting.get(question)) and not waiting.done():
                waiting.set_result(answer)
        self.activity.stir()

    # -- ends ------------------------------------------------------------------------------------------------------

    def _release(self, questions: Iterable[str], error: AgentInstructError) -> None:
        """Wake those who wait for `questions` with an error."""
        for question in questions:
            if (waiting := self._waiting.get(question)) and not waiting.done():
                waiting.set_exception(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """End the run with whatever ends a task of ours: nobody else would hear of it."""
        try:
            await work
        except Exception as error:
            known = error if isinstance(error, AgentInstructError) else None
            self._broken = None if known else error
            self.stop(leave=True)
            self.on_break(known or AgentInstructError("no wave can be sent"))
