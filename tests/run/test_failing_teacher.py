"""A teacher that fails, hangs or throttles: when the run stops, what it keeps, and what a person is told meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from agentinstruct import Summary, api
from agentinstruct.cli.exits import FAILED_ITEMS, exit_code
from agentinstruct.errors import ConfigurationError, Rejected, RunStopped, TeacherFailing, TeacherUnavailable
from agentinstruct.run.engine import Run
from agentinstruct.run.options import RunOptions
from agentinstruct.teacher import retry
from agentinstruct.teacher.options import TeacherOptions
from agentinstruct.view import summary as summary_view
from agentinstruct.view.events import Events
from agentinstruct.view.progress import shown
from tests import virtual_time
from tests.engine import Question, Reply, Teacher, pairs_of, seeds, write_flow

pytestmark = pytest.mark.slow

FLOW = {
    "flow.py": '''
import asyncio
from agentinstruct import Pair
from agentinstruct.flow import flow

@flow(skill="Asking", kinds=("text",))
async def asking(seed, ask):
    """Asks once, or as often as the seed says, all at the same time."""
    times = int(seed.text.split()[-1])
    branches = [ask.branch(number)("answerer", text=f"{seed.text} {number}") for number in range(times)]
    for answer in await asyncio.gather(*branches):
        yield Pair.of(seed.text + answer, "Eight.")
''',
    "answerer.md": "Answer.\n\n---\n{{ text }}\n",
}
DEAD = TeacherUnavailable("the connection to http://there failed: refused\x1b[2J")
Answers = Callable[[Question], Reply | Awaitable[Reply]]


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Summary]:
    """Run seeds, each a line that ends in how often to ask, in virtual time; what is shown goes to `screen`."""
    flow = write_flow(tmp_path / "asking", FLOW)

    def generate(
        lines: list[str],
        reply: Answers,
        *,
        screen: io.StringIO | None = None,
        as_json: bool = False,
        stop_with: int | None = None,
        **options: object,
    ) -> Summary:
        teacher = TeacherOptions(teacher=Teacher(reply), **options)  # type: ignore[arg-type]  # any of its fields
        wanted = RunOptions(seeds=seeds(*lines), flows=(flow,), out=tmp_path / "run", teacher=teacher)

        async def work() -> Summary:
            runs: list[Run] = []
            task = asyncio.create_task(api.run(wanted, watch=runs.append))
            while not runs:
                await asyncio.sleep(0)
            out = screen or io.StringIO()
            async with shown(runs[0], Console(file=out, width=1000), Events(out if as_json else None)):
                stopping = asyncio.create_task(stop_after(5, runs[0], stop_with)) if stop_with else None
                summary = await task
                assert stopping is None or stopping.done()
                return summary

        return virtual_time.run(work, others=True)

    return generate


def lines(count: int, times: int = 1, first: int = 0) -> list[str]:
    return [f"Seed {number} asks {times}" for number in range(first, first + count)]


def test_a_server_that_is_dead_stops_the_run_which_the_same_command_resumes(ask: Callable[..., Summary]) -> None:
    summary = ask(lines(300), lambda _question: DEAD)
    assert isinstance(summary.stopped, TeacherFailing)
    assert str(summary.stopped).startswith("50 of the teacher's last 50 calls failed, the last with: the connection to")
    assert "give the same command again" in str(summary.stopped)
    assert exit_code(summary.stopped) == FAILED_ITEMS
    assert (summary.items, summary.done) == (summary.failed + summary.pending, 0)
    assert 50 <= summary.failed <= 64 + 50
    assert not any("FAILING" in error.upper() for _, _, error in api.failures(summary.directory))
    again = ask(lines(300), lambda _question: "Eight.")
    assert (again.items, again.done, again.stopped) == (300, 300, None)
    assert len(pairs_of(again.directory)) == 300


def fails_for(share: int) -> Answers:
    """Fail the first `share` of every ten seeds."""
    return lambda question: DEAD if int(question.user.split()[1]) % 10 < share else "Eight."


@pytest.mark.parametrize(
    ("share", "most", "stops"), [(4, 0.5, False), (6, 0.5, True), (4, 0.3, True), (10, 1.0, False), (9, 0.99, False)]
)
def test_a_run_stops_when_more_than_the_given_share_of_calls_fails(
    ask: Callable[..., Summary], share: int, most: float, stops: bool
) -> None:
    summary = ask(lines(100), fails_for(share), max_error_rate=most, concurrency=4)
    assert isinstance(summary.stopped, TeacherFailing) is stops
    assert summary.items == summary.done + summary.failed + summary.pending
    if not stops:
        assert (summary.failed, summary.pending) == (10 * share, 0)
    elif most == 0.5:
        assert 0 < summary.done <= 40, "fifty calls are enough, and what they brought is kept"


def test_ten_items_never_stop_a_run_however_often_they_ask(ask: Callable[..., Summary]) -> None:
    summary = ask(lines(10, times=10), lambda _question: DEAD)
    assert (summary.stopped, summary.failed, summary.pending) == (None, 10, 0)


def test_one_bad_item_that_asks_often_does_not_stop_the_others(ask: Callable[..., Summary]) -> None:
    bad = ["Seed -1 asks 80"]
    summary = ask(bad + lines(60), lambda question: DEAD if "-1" in question.user else "Eight.", concurrency=2)
    assert (summary.stopped, summary.failed, summary.done) == (None, 1, 60)


def test_rejections_are_answers(ask: Callable[..., Summary]) -> None:
    twelve = [f"Seed {number} asks 1" for number in range(12)]
    summary = ask(lines(100), lambda question: DEAD if question.user[:-2] in twelve else Rejected("content_filter"))
    assert (summary.stopped, summary.failed, summary.done) == (None, 12, 88)


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ConfigurationError, match=f"max_error_rate must be over 0 .*, not {rate:g}"):
        TeacherOptions(max_error_rate=rate)


def test_a_person_hears_of_a_dead_server_long_before_the_run_gives_up(ask: Callable[..., Summary]) -> None:
    screen = io.StringIO()
    ask(lines(20), lambda _question: DEAD, screen=screen, concurrency=8)
    first = next(line for line in screen.getvalue().splitlines() if "to be tried again" in line)
    assert " · done 0 · failed " in first
    assert "calls wait to be tried again, the first in " in first
    assert "last failure: the connection to http://there failed: refused\\x1b[2J" in first
    assert "\x1b" not in screen.getvalue()


def test_a_person_hears_of_a_server_that_hangs(ask: Callable[..., Summary]) -> None:
    screen = io.StringIO()
    ask(lines(20), lambda _question: asyncio.sleep(95, "Eight."), screen=screen, concurrency=8)
    told = [line for line in screen.getvalue().splitlines() if "being read" not in line]
    assert "no reply" not in told[0]
    assert any("teacher: no reply for " in line and "to 8 calls in flight" in line for line in told[3:9])


def test_a_run_in_which_all_is_well_says_nothing_more(ask: Callable[..., Summary]) -> None:
    screen = io.StringIO()
    ask(lines(20), lambda _question: asyncio.sleep(4, "Eight."), screen=screen, concurrency=2)
    assert len(screen.getvalue().splitlines()) > 2
    assert "teacher" not in screen.getvalue()


async def stop_after(seconds: float, run: Run, running: int) -> None:
    while run.progress.running < running:
        await asyncio.sleep(0.001)
    await asyncio.sleep(seconds)
    run.stop()


def test_a_stopping_run_says_what_it_waits_for(ask: Callable[..., Summary]) -> None:
    screen = io.StringIO()

    async def hang(_question: Question) -> Reply:
        await asyncio.sleep(60)
        return "Eight."

    summary = ask(
        lines(20),
        hang,
        screen=screen,
        concurrency=3,
        stop_with=3,
    )
    assert isinstance(summary.stopped, RunStopped)
    assert (summary.done, summary.failed) == (3, 0)
    assert " · stopping: 3 calls in flight are waited for\n" in screen.getvalue()


def test_a_stop_does_not_wait_for_calls_between_two_tries(
    ask: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_TOLD_WAIT", 250_000)
    told, screen = TeacherUnavailable("503", retry_after=250_000, perhaps_billed=False), io.StringIO()
    assert ask(lines(20), lambda _question: told, screen=screen, stop_with=20).pending == 20
    assert screen.getvalue().count("stopping") < 5_000, "it was over soon: a line every ten seconds makes 25,000"


def test_events_tell_each_teachers_state(ask: Callable[..., Summary]) -> None:
    screen = io.StringIO()
    ask(lines(20), lambda _question: DEAD, screen=screen, as_json=True, concurrency=8, requests_per_minute=30_000)
    events = [json.loads(line) for line in screen.getvalue().splitlines()]
    state = next(state for event in events if (state := event["teachers"][""])["waiting_to_retry"])
    assert (state["most"], state["requests_a_minute"]) == (8, {"limit": 30_000, "learnt": False})
    assert 1 <= state["in_flight"] + state["waiting_to_retry"] <= 8
    assert state["retries"] > 1
    assert state["last_failure"] == str(DEAD)


def test_the_summary_says_in_a_line_that_a_run_was_throttled(ask: Callable[..., Summary]) -> None:
    throttled = iter([TeacherUnavailable("429", throttled=True, perhaps_billed=False)] * 6)

    async def answer(_question: Question) -> Reply:
        await asyncio.sleep(1)
        return next(throttled, "Eight.")

    summary = ask(lines(30), answer)
    told = io.StringIO()
    summary_view.show(summary, Console(file=told, width=200))
    assert "throttled   calls at once reduced: 1, calls tried again: 6, seconds held back: 0" in told.getvalue()
    assert summary_view.as_json(summary)["throttled"] == {"reductions": 1, "retries": 6, "seconds_held": 0}
    assert "throttled" not in summary_view.as_json(ask(lines(30), lambda _question: "Eight."))
