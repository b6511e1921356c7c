"""The engine: many seeds through many flows at once, each item ending in the journal as done or failed."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from agentinstruct.batch import Waves, how_to_resume, still_waiting
from agentinstruct.dataset import Counts, publish
from agentinstruct.dedup import first_unjustified, settle
from agentinstruct.errors import (
    AgentInstructError,
    BudgetExceeded,
    ConfigurationError,
    QuestionsWait,
    RunStopped,
    TeacherError,
    TeacherRefused,
)
from agentinstruct.flow import Item, Skill, run_item
from agentinstruct.journal import Journal, writing
from agentinstruct.readers import Skipped
from agentinstruct.records import Pair, Rejection
from agentinstruct.run.items import Scope, Work
from agentinstruct.run.options import RunOptions
from agentinstruct.run.progress import CountingRecorder, Progress
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.telemetry import UNWATCHED, Span

_FEW_FAILED = 10
"""Items that may fail before the run stops for it, however many questions of theirs did: a few may be bad seeds."""
_MANY = 16
"""Calls in flight below which their items have time enough between the replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEnd:
    """What an item came to: done with pairs and rejections, not yet cleared of duplicates across seeds; or failed."""

    flow: str
    seed: str
    pairs: list[Pair] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    error: str = ""
    """Why it failed; empty when it is done."""


class Run:
    """One call of `generate`: works through the items that are not done, then publishes the dataset.

    `on_skip` hears of every source that was passed over, `on_item` of each item that ended, and `on_stop` of what stops
    the run early. The items' spans are within `span`.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        skills: tuple[Skill, ...],
        stack: TeacherStack,
        journal: Journal,
        waves: Waves | None = None,
        on_skip: Callable[[Skipped], None] = lambda _: None,
        on_item: Callable[[ItemEnd], None] = lambda _: None,
        on_stop: Callable[[AgentInstructError], None] = lambda _: None,
        span: Span = UNWATCHED,
    ) -> None:
        self.options = options
        self.skills = skills
        self.stack = stack
        self.journal = journal
        self.waves = waves
        self.progress = Progress()
        self.scope = Scope(
            options,
            skills=skills,
            identities=stack.identities(),
            journal=journal,
            progress=self.progress,
            on_skip=on_skip,
        )
        self.stopped: AgentInstructError | None = None
        self._on_item = on_item
        self._on_stop = on_stop
        self._span = span
        self._wanted = options.target
        self._tasks: set[asyncio.Task[None]] = set()
        self._published = 0
        if waves is not None:
            waves.on_quiet, waves.on_break = self._publish_finished, self.stop

    def stop(self, reason: AgentInstructError | None = None) -> None:
        """Ask nothing new; questions in flight come back and are kept. Without a reason, batches are not waited for."""
        first = self.stopped is None
        self.stopped = self.stopped or reason or RunStopped(f"the run was interrupted; {how_to_resume(self.waves)}")
        self.scope.stopped = True
        self.stack.stop()
        if self.waves is not None:
            self.waves.stop(leave=reason is None)
        if first:
            self._on_stop(self.stopped)

    async def execute(self) -> Counts:
        """Run to the end, the target or the stop, and publish; what stopped the run is then in `stopped`."""
        await self.scope.begin()
        async with self.waves or nullcontext():
            return await self._execute()

    async def _execute(self) -> Counts:
        work = self.scope.work()
        while True:
            await self._dispatch(work)
            self.stopped = self.stopped or self._unanswered()
            await self._run_unjustified_again()
            counts = self._publish()
            if self._wanted is None or self.options.target is None or self.stopped:
                return counts
            if counts.pairs >= self.options.target or self.progress.all_read:
                return counts
            # what was finished holds duplicates across seeds
            self._wanted = self.progress.pairs + self.options.target - counts.pairs

    def _unanswered(self) -> QuestionsWait | None:
        """Return the end of a run that is done but for questions that somebody else has to answer."""
        if self.waves is not None:
            return still_waiting(self.waves, self.options.out)
        if not (lacking := self.stack.lacking):
            return None
        agents = ", ".join(f"{agent} {number}" for agent, number in sorted(lacking.items()))
        return QuestionsWait(
            f"the recording lacks answers to questions of these agents: {agents}. The same command with "
            "`--batch export` collects all that it lacks, to be answered elsewhere"
        )

    def _publish(self) -> Counts:
        options = self.options
        with writing(options.out):
            return publish(options.out, settle(self.journal), tools=self.journal.uses_tools(), target=options.target)

    def _publish_finished(self) -> None:
        """Publish between waves, which may be hours apart, what has been finished since the last time."""
        finished = self.progress.done - self.progress.reused
        if finished > self._published and not self.stopped:
            self._publish()
            self._published = finished

    async def _dispatch(self, work: AsyncIterator[Work]) -> None:
        slots = asyncio.Semaphore(self._most_items())
        try:
            while True:
                await slots.acquire()
                if self.stopped or self._enough():
                    break
                with self.waves.activity.busy() if self.waves else nullcontext():
                    each = await anext(work, None)
                if each is None:
                    self.progress.all_read = not self.stopped
                    break
                task = asyncio.create_task(self._finish(each))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(lambda _: slots.release())
        except BaseException:  # unreadable seeds, or Ctrl-C in a script: what is in flight is paid for
            self.stop()
            raise
        finally:
            while self._tasks:
                await asyncio.wait(self._tasks)
        if not self.stopped:
            await self.scope.end()
        await self.journal.write()

    def _most_items(self) -> int:
        """Return how many items are worked on at once.

        Where many calls may be in flight, twice as many, so that there is a question for every slot while other items
        journal and render: 0.94 of the ideal instead of 0.87 at 256 calls of half a second. Not so with a target, which
        the items in hand overshoot when it is reached.
        """
        if self.waves:
            return self.waves.options.size
        concurrency = self.options.teacher.concurrency
        return concurrency if concurrency < _MANY or self.options.target else 2 * concurrency

    def _enough(self) -> bool:
        return self._wanted is not None and self.progress.pairs >= self._wanted

    async def _finish(self, work: Work, claim: Callable[[str], bool] | None = None) -> None:
        """Run one item to its end in the journal; whatever goes wrong is counted, and stops the run if it must."""
        self.progress.running += 1
        try:
            with self._span.open(
                "item", work.skill.name, flow=work.skill.name, seed=work.seed.id, item=work.item
            ) as span:
                pairs, rejections = await self._generate(work, claim, span)
                await self.journal.finish(work.item, work.fingerprint, pairs, rejections)
                span.note(pairs=len(pairs), rejections=len(rejections))
            self.progress.done += 1
            self.progress.pairs += len(pairs)
            self.progress.rejections.update(rejection.reason for rejection in rejections)
        except Exception as error:  # a flow is a stranger's code: its item fails, the others go on
            await self._end_early(work, error)
        else:
            self._on_item(ItemEnd(flow=work.skill.name, seed=work.seed.id, pairs=pairs, rejections=rejections))
        finally:
            self.progress.running -= 1

    async def _end_early(self, work: Work, error: Exception) -> None:
        match error:
            case RunStopped():
                pass  # the item stays pending; what it asked is in the journal
            case BudgetExceeded() | TeacherRefused() | ConfigurationError():
                self.stop(error)
            case _:
                await self._fail(work, error)

    async def _fail(self, work: Work, error: Exception) -> None:
        told = str(error) if isinstance(error, TeacherError) else "".join(traceback.format_exception(error))
        self.progress.failed += 1
        if self.progress.failed > _FEW_FAILED and (failing := self.stack.failing()):
            self.stop(failing)  # before the disk, however slow it is, lets more calls fail
        try:
            await self.journal.fail(work.item, told)
        except AgentInstructError as broken:  # the journal itself cannot be written
            self.stop(broken)
        else:
            self._on_item(ItemEnd(flow=work.skill.name, seed=work.seed.id, error=told))

    async def _generate(
        self, work: Work, claim: Callable[[str], bool] | None, span: Span
    ) -> tuple[list[Pair], list[Rejection]]:
        item = Item(
            seed=work.seed,
            flow=work.skill.name,
            run_seed=self.options.run_seed,
            prompts=work.skill.prompts,
            teachers=self.stack.teachers,
            recorder=CountingRecorder(self.journal, work.item, self.progress, self.waves),
            claim=claim or (lambda key: self.journal.claim(key, work.item)),
            span=span,
        )
        return await run_item(work.skill.flow, item)

    async def _run_unjustified_again(self) -> None:
        """Run again, one by one, items that were refused an instruction whose holder has lost it since."""
        by_name = {skill.name: skill for skill in self.skills}
        settled: set[int] = set()
        if not self.journal.refuses_duplicates():  # then no walk through all items is needed
            return
        while not self.stopped:
            with first_unjustified(self.journal, settled=settled) as found:
                if found is None:
                    return
                outcome, claim = found
                settled.add(outcome.item)
                work = self.scope.work_on(by_name[outcome.flow], self.journal.seed(outcome.seed))
                await self._finish(work, claim)
            self.progress.done -= 1
            self.progress.pairs -= len(outcome.pairs)
