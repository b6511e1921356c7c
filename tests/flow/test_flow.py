"""Flows: what becomes of a seed, of a flow's own mistakes, and of a teacher that refuses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agentinstruct import Seed, TeacherOptions, generate, stream
from agentinstruct.api import failures, preview
from agentinstruct.errors import BudgetExceeded, ConfigurationError, TeacherRefused
from tests.engine import Question, Teacher, dataset_bytes, pairs_of, rejected_of, seeds, write_flow
from tests.openai_server import Fault, OpenAIServer

_FUNCTION = '''"""Three sayings of each seed."""

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="Sayings", kinds=("text",))
async def sayings(seed, ask):
    for number in range(3):
        yield Pair.of(f"{seed.text} {number}", await ask("sayer", text=seed.text, number=number))
'''
_FILES = {"flow.py": _FUNCTION, "sayer.md": "Say.\n---\n{{ text }} {{ number }}"}
_TEXTS = [f"Text {number}." for number in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "sayings", _FILES)


def _echo(question: Question) -> str:
    return f"{question.user} again"


async def _slowly(question: Question) -> str:
    for _ in range(hash(question.user) % 50):
        await asyncio.sleep(0)
    return _echo(question)


def test_pairs_are_published_in_seed_order_with_their_lineage(tmp_path: Path, folder: Path) -> None:
    given = [Seed.of(text, source=f"https://example.org/{text}", license="CC-BY-4.0") for text in _TEXTS]
    generate(given, [folder], tmp_path / "run", teacher=Teacher(_slowly))
    pairs = pairs_of(tmp_path / "run")
    assert [pair["messages"][0]["content"] for pair in pairs] == [f"{text} {n}" for text in _TEXTS for n in range(3)]
    assert {pair["skill"] for pair in pairs} == {"Sayings"}
    assert [pair["lineage"]["seed_id"] for pair in pairs[::3]] == [seed.id for seed in given]
    assert [pair["source"] for pair in pairs[::3]] == [seed.source for seed in given]
    assert {pair["license"] for pair in pairs} == {"CC-BY-4.0"}
    assert len({pair["id"] for pair in pairs}) == 30
    assert [len(pair["lineage"]["asked"]) for pair in pairs[:3]] == [1, 2, 3]


def test_seeds_of_a_kind_the_flow_does_not_take_are_counted_and_named(tmp_path: Path, folder: Path) -> None:
    code = [Seed.of(f"x = {n}", kind="code", source=f"file{n}.py") for n in range(5)]
    summary = generate([*seeds(*_TEXTS), *code], [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert summary.progress is not None
    assert summary.progress.unused_count == {"code": 5}
    assert summary.progress.unused["code"][0] == "file0.py"
    assert summary.items == 10


def test_a_flow_that_raises_fails_only_its_item_and_the_journal_tells_where(tmp_path: Path, folder: Path) -> None:
    broken = _FUNCTION.replace("    for", "    if seed.text == 'Text 3.':\n        raise KeyError('a slip')\n    for")
    write_flow(folder, {"flow.py": broken})
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_slowly))
    assert (summary.done, summary.failed, summary.pending, summary.pairs) == (9, 1, 0, 27)
    ((name, seed, error),) = failures(tmp_path / "run")
    assert (name, seed) == ("sayings", Seed.of("Text 3.").id)
    assert "flow.py" in error
    assert "KeyError: 'a slip'" in error
    write_flow(folder, _FILES)
    teacher = Teacher(_slowly)
    mended = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert (mended.done, mended.failed, mended.pairs) == (10, 0, 30)
    assert len(teacher.asked) == 3
    assert not failures(tmp_path / "run")


def test_a_refusing_teacher_stops_the_run_at_once_and_nothing_is_failed(tmp_path: Path, folder: Path) -> None:
    with OpenAIServer(lambda request: str(request["messages"][-1]["content"]), key="right") as server:
        options = TeacherOptions(teacher="openai:small", base_url=server.base_url, concurrency=2)
        with pytest.raises(TeacherRefused, match=r"401|key") as refused:
            generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options)
        assert len(server.requests) <= 2
    assert "OPENAI_API_KEY" in str(refused.value)
    teacher = Teacher(_echo)
    whole = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert (whole.done, whole.failed) == (10, 0)


_BESIDE = {
    "gather": """    for said in await asyncio.gather(*map(one, range(3))):
        yield Pair.of(seed.text, said)
""",
    "TaskGroup": """    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(3)]
    for task in tasks:
        yield Pair.of(seed.text, task.result())
""",
    "except": """    try:
        yield Pair.of(seed.text, await one(1))
    except Exception:
        yield Pair.of(seed.text, "whatever")
""",
}


@pytest.mark.parametrize("within", _BESIDE)
def test_what_stops_the_run_is_not_lost_in_a_flow(tmp_path: Path, folder: Path, within: str) -> None:
    code = f"""import asyncio

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow
async def sayings(seed, ask):
    async def one(number):
        return await ask.branch(number)("sayer", text=seed.text, number=number)

{_BESIDE[within]}"""
    write_flow(folder, {"flow.py": code})
    teacher = Teacher(lambda _: BudgetExceeded("enough"))
    with pytest.raises(BudgetExceeded):
        generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=TeacherOptions(teacher=teacher, concurrency=1))
    assert len(teacher.asked) <= 3
    assert not failures(tmp_path / "run")
    assert not pairs_of(tmp_path / "run")


def test_a_teacher_out_of_reach_fails_items_which_are_tried_again(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    openai_server.fail(
        lambda _, request: Fault.throttled(1000) if "Text 3." in str(request) else None  # later than is waited for
    )
    options = TeacherOptions(teacher="openai:small", base_url=openai_server.base_url)
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options)
    assert (summary.done, summary.failed) == (9, 1)
    openai_server.fail(())
    before = len(openai_server.requests)
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options)
    assert (summary.done, summary.failed, len(openai_server.requests) - before) == (10, 0, 3)


@pytest.mark.parametrize("concurrency", [1, 4, 64])
@pytest.mark.parametrize("target", [1, 7, 12])
def test_a_target_gives_exactly_the_first_pairs_in_seed_order(
    tmp_path: Path, folder: Path, target: int, concurrency: int
) -> None:
    options = TeacherOptions(teacher=Teacher(_slowly), concurrency=concurrency)
    generate(seeds(*_TEXTS), [folder], tmp_path / "whole", teacher=Teacher(_echo))
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options, target=target)
    assert summary.pairs == target
    assert pairs_of(tmp_path / "run") == pairs_of(tmp_path / "whole")[:target]


def test_a_target_counts_no_duplicates(tmp_path: Path, folder: Path) -> None:
    same = _FUNCTION.replace('f"{seed.text} {number}", await', 'f"Always {number % 2 and seed.text}", await')
    write_flow(folder, {"flow.py": same})
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_slowly), target=6)
    asked = [pair["messages"][0]["content"] for pair in pairs_of(tmp_path / "run")]
    assert summary.pairs == 6
    assert asked == ["Always 0", *(f"Always {text}" for text in _TEXTS[:5])]


def test_a_target_holds_only_what_this_call_asks_for(tmp_path: Path, folder: Path) -> None:
    code = _FUNCTION.replace("Sayings", "Others").replace("{seed.text} {number}", "{number} of {seed.text}")
    other = write_flow(tmp_path / "others", {**_FILES, "flow.py": code})
    generate(seeds(*_TEXTS), [other, folder], tmp_path / "run", teacher=Teacher(_echo))
    write_flow(folder, {"sayer.md": "Say it.\n---\n{{ text }} {{ number }}"})
    options = TeacherOptions(teacher=Teacher(_echo), concurrency=1)
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options, target=9)
    assert (summary.items, summary.pairs) == (3, 9)
    assert {pair["skill"] for pair in pairs_of(tmp_path / "run")} == {"Sayings"}


def test_a_limit_reads_no_more_seeds(tmp_path: Path, folder: Path) -> None:
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo), limit=4)
    assert (summary.items, summary.done, summary.pairs) == (4, 4, 12)


def test_two_flows_of_one_run_share_no_instruction(tmp_path: Path, folder: Path) -> None:
    other = write_flow(tmp_path / "others", _FILES)
    summary = generate(seeds(*_TEXTS), [folder, other], tmp_path / "run", teacher=Teacher(_slowly))
    assert (summary.items, summary.pairs) == (20, 30)
    assert {pair["lineage"]["flow"] for pair in pairs_of(tmp_path / "run")} == {"sayings"}
    assert len(rejected_of(tmp_path / "run")) == 30


def test_a_stream_gives_pairs_as_they_come_and_leaves_the_same_run(tmp_path: Path, folder: Path) -> None:
    async def read() -> list[str]:
        teacher = Teacher(_slowly)
        return [pair.id async for pair in stream(seeds(*_TEXTS), [folder], tmp_path / "streamed", teacher=teacher)]

    streamed = asyncio.run(read())
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert sorted(streamed) == sorted(pair["id"] for pair in pairs_of(tmp_path / "run"))
    assert dataset_bytes(tmp_path / "streamed") == dataset_bytes(tmp_path / "run")


def test_a_stream_left_early_can_be_resumed(tmp_path: Path, folder: Path) -> None:
    teacher = Teacher(_slowly)

    async def read() -> None:
        pairs = stream(
            seeds(*_TEXTS), [folder], tmp_path / "run", teacher=TeacherOptions(teacher=teacher, concurrency=1)
        )
        async for _ in pairs:
            break
        await pairs.aclose()  # type: ignore[attr-defined]  # it is an async generator

    asyncio.run(read())
    assert len(teacher.asked) < 30
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert (summary.done, summary.pairs, len(teacher.asked)) == (10, 30, 30)


def test_generate_works_where_a_loop_already_runs(tmp_path: Path, folder: Path) -> None:
    async def notebook() -> int:
        return generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo)).pairs

    assert asyncio.run(notebook()) == 30


def test_seeds_that_break_off_leave_what_was_done(tmp_path: Path, folder: Path) -> None:
    def breaking() -> object:
        yield from seeds(*(f"Text {number}." for number in range(40)))
        raise OSError("the disk went away")

    teacher = Teacher(_slowly)
    with pytest.raises(OSError, match="went away"):
        generate(breaking(), [folder], tmp_path / "run", teacher=teacher)  # type: ignore[arg-type]
    asked = len(teacher.asked)
    generate(seeds(*(f"Text {number}." for number in range(40))), [folder], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 120, "an answer that was under way was lost"
    assert asked > 0


def test_a_preview_shows_the_tree_and_writes_nothing(tmp_path: Path, folder: Path) -> None:
    seen = preview(seeds(*_TEXTS), folder, index=2, teacher=Teacher(_echo))
    assert [pair.instruction for pair in seen.pairs] == [f"Text 2. {number}" for number in range(3)]
    assert len(seen.exchanges) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["sayings"]


def test_flows_of_the_same_name_are_refused(tmp_path: Path, folder: Path) -> None:
    other = write_flow(tmp_path / "deeper" / "sayings", _FILES)
    with pytest.raises(ConfigurationError, match="sayings"):
        generate(seeds(*_TEXTS), [folder, other], tmp_path / "run", teacher=Teacher(_echo))


def test_tools_that_no_pair_calls_are_published_all_the_same(tmp_path: Path, folder: Path) -> None:
    tool = {"type": "function", "function": {"name": "dial", "parameters": {"type": "object"}}}
    write_flow(folder, {"flow.py": _FUNCTION.replace("number=number))", f"number=number), tools=({tool!r},))")})
    generate(seeds("One."), [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert [json.loads(pair["tools"]) for pair in pairs_of(tmp_path / "run")] == [[tool]] * 3
