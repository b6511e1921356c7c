"""Spans: the tree that an OpenTelemetry tracer gets of a run, what stands in it, and what never does."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agentinstruct import Summary, generate
from agentinstruct.errors import Rejected, RunStopped, TeacherRefused, TeacherUnavailable
from agentinstruct.paths import SEEDS
from agentinstruct.teacher.options import TeacherOptions
from tests.engine import Question, Reply, Teacher, seeds, write_flow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SECRET_WORDS = "the heron waits in the reeds"
ONE_QUESTION = {
    "flow.py": '''
from agentinstruct import Pair, Seed
from agentinstruct.flow import flow
from agentinstruct.stages.replies import Answer

@flow(kinds=("text",))
async def haiku(seed, ask):
    """One question."""
    answer = await ask("poet", returns=Answer, text=seed.text)
    yield Pair.of("Write a haiku: " + seed.text, answer.response)
''',
    "poet.md": "You write haiku.\n---\n{{ text }}\n",
}
HAIKU = {"answerable": True, "response": "a haiku", "final_answer": ""}


@dataclass
class Trace:
    """Every span that ended, and who its parent is."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def tracer(self) -> Any:
        return self.provider.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(start)]

    def ancestry(self, span: ReadableSpan) -> tuple[str, ...]:
        by_id = {each.context.span_id: each for each in self.spans}
        names = [span.name]
        while span.parent:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return tuple(reversed(names))


@pytest.fixture
def trace() -> Iterator[Trace]:
    kept = Trace()
    yield kept
    kept.provider.shutdown()


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def run_haiku(folder: Path, trace: Trace, teacher: Teacher, *texts: str, **options: Any) -> Summary:
    flow = write_flow(folder / "haiku", ONE_QUESTION)
    chosen = TeacherOptions(teacher=teacher, concurrency=8)
    return generate(seeds(*texts), [flow], folder / "run", teacher=chosen, tracer=trace.tracer, **options)


def test_a_shipped_flow_is_a_tree_of_run_item_stage_and_call(tmp_path: Path, trace: Trace) -> None:
    source = SEEDS / "sample"
    summary = generate(
        source, ["reading_comprehension"], tmp_path / "run", teacher="recorded:sample", tracer=trace.tracer
    )

    shapes = {tuple(name.split()[0] for name in trace.ancestry(span)) for span in trace.spans}
    assert shapes == {
        ("run",),
        ("run", "item"),
        ("run", "item", "stage"),
        ("run", "item", "stage", "chat"),
    }
    stages = {trace.ancestry(call)[2].removeprefix("stage ") for call in trace.named("chat")}
    assert stages == {"transform", "instruct", "refine", "respond", "verify"}
    assert len(trace.named("chat")) == summary.calls
    assert len({span.context.trace_id for span in trace.spans}) == 1
    (run,) = trace.named("run")
    told = of(run)
    assert told["agentinstruct.pairs"] == summary.pairs
    assert told["agentinstruct.flows"] == "reading_comprehension"
    assert all(span.status.status_code is StatusCode.UNSET for span in trace.spans)


def test_calls_of_items_and_branches_side_by_side_stand_under_their_own(tmp_path: Path, trace: Trace) -> None:
    flow = write_flow(
        tmp_path / "wide",
        {
            "flow.py": '''
import asyncio
from agentinstruct import Content, Flow, Instruction, Pair

async def transform(seed, ask):
    """Three contents."""
    branches = [ask.branch(n) for n in range(3)]
    texts = await asyncio.gather(*(b("agent", text=f"{seed.text} t{n}") for n, b in enumerate(branches)))
    return [Content.of(seed, f"{seed.text} {n} {text}", agent="agent") for n, text in enumerate(texts)]

async def instruct(content, ask):
    """Two instructions."""
    said = [await ask("agent", text=content.text) for n in range(2)]
    return [Instruction.of(content.id, f"{content.text} i{n} {text}", type="any") for n, text in enumerate(said)]

async def respond(instruction, ask):
    """One answer."""
    return Pair.of(instruction.text, await ask("agent", text=instruction.text))

async def check(pair, instruction, ask):
    """Ask, and pass."""
    await ask("agent", text="check " + instruction.text)

flow = Flow(skill="Wide", transform=transform, instruct=instruct, respond=respond, verify=[check])
''',
            "agent.md": "You answer.\n---\n{{ text }}\n",
        },
    )
    teacher = Teacher(_said)
    summary = generate(
        seeds("one", "twelve", "thirteen"),
        [flow],
        tmp_path / "run",
        teacher=TeacherOptions(teacher=teacher, concurrency=8),
        tracer=trace.tracer,
    )

    assert not summary.failed
    by_id = {span.context.span_id: span for span in trace.spans}
    found: Counter[str] = Counter()
    for call in trace.named("chat"):
        assert call.parent
        stage = by_id[call.parent.span_id]
        assert stage.parent
        item = by_id[stage.parent.span_id]
        question = next(q for q in teacher.asked if q.user == asked_in(tmp_path / "run", of(call)))
        assert question.user.removeprefix("check ").startswith(seed_text(tmp_path / "run", of(item)))
        assert stage.start_time <= call.start_time <= call.end_time <= stage.end_time  # type: ignore[operator]
        found[of(stage)["agentinstruct.stage"]] += 1
    assert found == {"transform": 9, "instruct": 18, "respond": 18, "verify": 18}
    assert Counter(span.name for span in trace.named("stage"))["stage respond"] == 18


async def _said(question: Question) -> Reply:
    """Answer so that of questions side by side the last asked are often the first answered."""
    await asyncio.sleep(0.01 / (1 + len(question.user) % 5))
    return f"said {len(question.user)}"


def _journal(run: Path, statement: str, *values: object) -> Any:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(run / "journal.sqlite")) as connection:
        return connection.execute(statement, values).fetchone()[0]


def asked_in(run: Path, call: dict[str, Any]) -> str:
    messages = json.loads(_journal(run, "SELECT request FROM replies WHERE key=?", call["agentinstruct.request"]))
    return str(messages[-1]["content"])


def seed_text(run: Path, item: dict[str, Any]) -> str:
    return str(json.loads(_journal(run, "SELECT seed FROM seeds WHERE id=?", item["agentinstruct.seed"]))["text"])


def test_a_function_flows_calls_stand_directly_under_their_item(tmp_path: Path, trace: Trace) -> None:
    run_haiku(tmp_path, trace, Teacher(lambda _: HAIKU), "a", "bb")
    assert {trace.ancestry(call) for call in trace.named("chat")} == {("run", "item haiku", "chat spider-1")}


def test_calls_that_another_items_task_makes_stand_under_the_item_they_are_for(tmp_path: Path, trace: Trace) -> None:
    """OpenTelemetry's own idea of what is current follows the task; a parent handed in follows the work."""
    flow = write_flow(
        tmp_path / "pooled",
        {
            "flow.py": '''
import asyncio
from agentinstruct import Pair
from agentinstruct.flow import flow

waiting = []
other_is_there = asyncio.Event()

@flow(kinds=("text",))
async def pooled(seed, ask):
    """The second item to come asks for both."""
    waiting.append((ask, seed.text))
    if len(waiting) == 2:
        replies.extend([await each("poet", text=text) for each, text in waiting])
        other_is_there.set()
    await other_is_there.wait()
    yield Pair.of(seed.text, replies[0])

replies = []
''',
            "poet.md": ONE_QUESTION["poet.md"],
        },
    )
    chosen = TeacherOptions(teacher=Teacher(lambda _: "a haiku"))
    assert not generate(seeds("a", "b"), [flow], tmp_path / "run", teacher=chosen, tracer=trace.tracer).failed
    by_id = {span.context.span_id: span for span in trace.spans}
    calls = trace.named("chat")
    for call in calls:
        assert call.parent
        assert seed_text(tmp_path / "run", of(by_id[call.parent.span_id])) == asked_in(tmp_path / "run", of(call))
    assert len(calls) == 2


def test_in_a_notebook_too_the_users_own_span_is_the_parent(tmp_path: Path, trace: Trace) -> None:
    async def cell() -> None:
        run_haiku(tmp_path, trace, Teacher(lambda _: HAIKU), "a")

    with trace.tracer.start_as_current_span("mine"):
        asyncio.run(cell())
    (run,) = trace.named("run")
    assert trace.ancestry(run) == ("mine", "run")


def test_a_call_tells_by_the_conventions_who_was_asked_and_what_it_took(tmp_path: Path, trace: Trace) -> None:
    run_haiku(tmp_path, trace, Teacher(lambda _: HAIKU), "a")
    (call,) = trace.named("chat")
    told = of(call)
    request = told.pop("agentinstruct.request")
    assert call.kind is SpanKind.CLIENT
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "spider-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "agentinstruct.agent": "poet",
        "agentinstruct.replayed": False,
        "agentinstruct.finish_reason": "stop",
    }
    assert asked_in(tmp_path / "run", {"agentinstruct.request": request}) == "a"


def test_a_replayed_answer_says_so_and_counts_no_tokens(tmp_path: Path, trace: Trace) -> None:
    flow = write_flow(tmp_path / "haiku", ONE_QUESTION)
    generate(seeds("a"), [flow], tmp_path / "run", teacher=TeacherOptions(teacher=Teacher(lambda _: HAIKU)))
    write_flow(flow, {"flow.py": ONE_QUESTION["flow.py"].replace("Write a haiku", "Write one")})
    run_flow = TeacherOptions(teacher=Teacher(lambda _: HAIKU))
    generate(seeds("a"), [flow], tmp_path / "run", teacher=run_flow, tracer=trace.tracer)
    (call,) = trace.named("chat")
    assert of(call)["agentinstruct.replayed"] is True
    assert not [name for name in of(call) if name.startswith("gen_ai.usage")]


def test_a_repaired_reply_is_two_calls_in_one_place(tmp_path: Path, trace: Trace) -> None:
    answers: Iterator[Reply] = iter(["no JSON", HAIKU])
    run_haiku(tmp_path, trace, Teacher(lambda _: next(answers)), "a")
    calls = sorted(trace.named("chat"), key=lambda call: call.start_time or 0)
    assert len(calls) == 2
    assert len({trace.ancestry(call) for call in calls}) == 1


def test_a_failure_is_told_by_its_type_and_the_others_are_none(tmp_path: Path, trace: Trace) -> None:
    def answer(question: Question) -> Reply:
        return TeacherUnavailable(SECRET_WORDS, retry_after=9999) if "bad" in question.user else HAIKU

    summary = run_haiku(tmp_path, trace, Teacher(answer), "bad", "good")
    assert summary.failed == 1
    failed = [span for span in trace.spans if span.status.status_code is StatusCode.ERROR]
    assert sorted(span.name for span in failed) == ["chat spider-1", "item haiku"]
    assert {of(span)["error.type"] for span in failed} == {"TeacherUnavailable"}
    assert not any(span.events for span in trace.spans)


def test_what_ends_a_run_is_told_on_its_span_and_being_stopped_is_no_error(tmp_path: Path, trace: Trace) -> None:
    asked = 0

    def answer(_question: Question) -> Reply:
        nonlocal asked
        asked += 1
        return HAIKU if asked == 1 else RunStopped("stop, please")

    run_haiku(tmp_path, trace, Teacher(answer), "a", "b")
    assert all(span.status.status_code is StatusCode.UNSET for span in trace.spans)
    assert Counter(of(item).get("agentinstruct.stopped") for item in trace.named("item")) == {None: 1, True: 1}

    with pytest.raises(TeacherRefused):
        run_haiku(tmp_path / "other", trace, Teacher(lambda _: TeacherRefused("no such key")), "a")
    assert of(trace.named("run")[-1])["error.type"] == "TeacherRefused"


def test_a_rejection_is_an_outcome_with_its_reason_and_no_error(tmp_path: Path, trace: Trace) -> None:
    run_haiku(tmp_path, trace, Teacher(lambda _: Rejected("content_filter", SECRET_WORDS)), "a")
    assert all(span.status.status_code is StatusCode.UNSET for span in trace.spans)
    (call,) = trace.named("chat")
    assert of(call)["agentinstruct.rejected"] == "content_filter"
    (item,) = trace.named("item")
    assert of(item)["agentinstruct.rejections"] == 1


def test_no_word_of_seeds_prompts_or_replies_and_no_key_reaches_a_span(
    tmp_path: Path, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-secret-000")

    def answer(question: Question) -> Reply:
        match question.user.partition("\n")[0].count("!"):
            case 0:
                raise ValueError(SECRET_WORDS)
            case 1:
                return {**HAIKU, "response": SECRET_WORDS, "final_answer": SECRET_WORDS}
            case _:
                return SECRET_WORDS  # malformed, and malformed again

    summary = run_haiku(tmp_path, trace, Teacher(answer), *(SECRET_WORDS + "!" * more for more in range(3)))
    assert (summary.pairs, summary.failed) == (1, 1)
    told = "".join(span.to_json() for span in trace.spans)
    for words in ("heron", "You write haiku", "planted-secret"):
        assert words not in told


def test_a_users_own_span_is_the_runs_parent_and_autogens_spans_stand_within_ours(tmp_path: Path) -> None:
    """The global provider can be set once in a process, so this needs one of its own."""
    script = tmp_path / "script.py"
    script.write_text(
        "from opentelemetry import trace\n"
        "from tests.telemetry.test_spans import HAIKU, ONE_QUESTION, Trace\n"
        "from tests.engine import Teacher, seeds, write_flow\n"
        "from agentinstruct import generate\n"
        "from agentinstruct import TeacherOptions\n"
        "from pathlib import Path\n"
        "kept = Trace()\n"
        "trace.set_tracer_provider(kept.provider)\n"
        "flow = write_flow(Path('haiku'), ONE_QUESTION)\n"
        "with kept.tracer.start_as_current_span('mine'):\n"
        "    generate(seeds('a', 'b'), [flow], 'run', teacher=TeacherOptions(teacher=Teacher(lambda _: HAIKU)),"
        " tracer=kept.tracer)\n"
        "for shape in sorted({' > '.join(kept.ancestry(span)) for span in kept.spans}): print(shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "mine",
        "mine > run",
        "mine > run > item haiku",
        "mine > run > item haiku > chat spider-1",
        "mine > run > item haiku > create_agent poet",
    ]


def test_without_a_tracer_no_part_of_the_opentelemetry_sdk_is_imported(tmp_path: Path) -> None:
    told = (
        "import atexit, sys; sys.argv = ['agentinstruct', 'generate', sys.argv[1], '-f', 'math_word_problems', "
        "'--limit', '1', '-o', 'run', '-t', 'recorded:sample'];"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr));"
        "import agentinstruct.cli; agentinstruct.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", told, str(SEEDS / "sample" / "word_problems.jsonl")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    loaded = done.stderr.split()
    assert "agentinstruct.run" in loaded
    assert not [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert not {"agentinstruct.telemetry.opentelemetry", "agentinstruct.telemetry.otlp"} & set(loaded)
