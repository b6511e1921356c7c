"""Duplicates: what a run yields is what a run of one item at a time yields, whatever the timing was."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentinstruct import RunOptions, Seed, TeacherOptions, generate
from agentinstruct.api import run
from agentinstruct.verify.same_text import instruction_key
from tests.engine import Question, Teacher, dataset_bytes, pairs_of, rejected_of, write_flow

pytestmark = pytest.mark.slow

_FLOW = '''"""Writes the problems that the seed's plan names, and refines them twice as it says."""

from agentinstruct.errors import Rejected
from agentinstruct.flow.definition import Flow
from agentinstruct.records import Instruction, Pair
from agentinstruct.stages import identity
from agentinstruct.stages.refine import Goal, child_of

GOAL = Goal(name="harder", guidance="")


async def write(content, ask):
    words = (await ask("writer", text=content.text)).split()[1:]
    return [Instruction.of(content.id, word, type="word", guidance="") for word in words]


async def refine(parent, ask):
    words = (await ask("refiner", seed=ask.seed.text, text=parent.text)).split()[1:]
    return [child_of(parent, word, goal=GOAL) for word in words]


async def respond(instruction, ask):
    answer = await ask("responder", seed=ask.seed.text, text=instruction.text)
    if answer == "unanswerable":
        raise Rejected("unsuitable", instruction.text)
    return Pair.of(instruction.text, answer)


flow = Flow(skill="Words", transform=identity, instruct=write, refine=refine, rounds=2, respond=respond)
'''
_FILES = {
    "flow.py": _FLOW,
    "writer.md": "write\n---\n<text>{{ text }}</text>",
    "refiner.md": "refine\n---\n<seed>{{ seed }}</seed><text>{{ text }}</text>",
    "responder.md": "respond\n---\n<seed>{{ seed }}</seed><text>{{ text }}</text>",
}
UNANSWERABLE = 5
Plan = tuple[Sequence[int], dict[int, Sequence[int]]]
"""The problems a seed is asked to write, and the children of each."""


def _plans() -> st.SearchStrategy[list[Plan]]:
    number = st.integers(0, 7)
    children = st.dictionaries(number, st.lists(number, max_size=2), max_size=6)
    return st.lists(st.tuples(st.lists(number, min_size=1, max_size=3), children), min_size=2, max_size=5)


def _teacher(plans: Sequence[Plan], chance: int | None = None, broken: int | None = None) -> Teacher:
    """Answer by the plans; `chance` decides how long each answer waits, and seed `broken` gets none."""
    random = Random(chance)

    async def reply(question: Question) -> str | Exception:
        if chance is not None:
            for _ in range(random.choice([0, 0, 1, 5, 60, 300])):
                await asyncio.sleep(0)
        seed = int((question.section("seed") or question.section("text")).split()[-1])
        if seed == broken:
            return ValueError("it fell over")
        first, children = plans[seed]
        match question.system:
            case "write":
                return " ".join(["words:", *(f"word{number}" for number in first)])
            case "refine":
                return " ".join(["words:", *(f"Word{number}." for number in children.get(_number(question), ()))])
            case _:
                return "unanswerable" if _number(question) == UNANSWERABLE else f"said by {seed}"

    return Teacher(reply)


def _number(question: Question) -> int:
    return int(question.section("text").casefold().removeprefix("word").rstrip("."))


def _seeds(plans: Sequence[Plan]) -> list[Seed]:
    return [Seed.of(f"Seed {number}", license="CC0-1.0") for number in range(len(plans))]


def _run(folder: Path, plans: Sequence[Plan], name: str, chance: int | None, concurrency: int) -> Path:
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    options = TeacherOptions(teacher=_teacher(plans, chance), concurrency=concurrency)
    summary = generate(_seeds(plans), [folder / "words"], out, teacher=options)
    assert (summary.done, summary.failed, summary.pending) == (len(plans), 0, 0)
    return out


def _expected(plans: Sequence[Plan]) -> list[tuple[int, int]]:
    """Return (seed, problem) of the pairs, worked out in the plainest way: one seed after the other."""
    held: set[int] = set()
    pairs = []
    for seed, (first, children) in enumerate(plans):
        found: list[int] = []
        written = list(first)
        for _ in range(3):
            fresh = []
            for number in written:
                if number not in held:
                    held.add(number)
                    fresh.append(number)
            found += fresh
            written = [child for number in fresh for child in children.get(number, ())]
        pairs += [(seed, number) for number in found if number != UNANSWERABLE]
    return pairs


def _told(run: Path) -> list[tuple[int, int]]:
    told = []
    for pair in pairs_of(run):
        asked, said = (turn["content"] for turn in pair["messages"])
        told.append((int(said.split()[-1]), int(asked.casefold().removeprefix("word").rstrip("."))))
    return told


_LATE_HOLDER: list[Plan] = [([0, 1, 2], {2: [3]}), ([6], {6: [2]}), ([4], {4: [3]}), ([3], {})]
_LOST_WITH_ITS_PARENT: list[Plan] = [([1], {}), ([1], {1: [2]}), ([2], {2: [3]}), ([3, 2], {})]
_TWO_WAYS_TO_ONE: list[Plan] = [([1], {}), ([1, 4], {1: [2], 4: [2]}), ([2], {})]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans=_plans(), chance=st.integers(0, 10**6), concurrency=st.sampled_from([2, 3, 8]))
@example(plans=_LATE_HOLDER, chance=1, concurrency=8)
@example(plans=_LATE_HOLDER, chance=2, concurrency=3)
@example(plans=_LOST_WITH_ITS_PARENT, chance=3, concurrency=8)
@example(plans=_LOST_WITH_ITS_PARENT, chance=4, concurrency=8)
@example(plans=_TWO_WAYS_TO_ONE, chance=5, concurrency=8)
@example(plans=_TWO_WAYS_TO_ONE, chance=6, concurrency=8)
def test_pairs_and_rejections_are_those_of_a_run_of_one_item_at_a_time(
    plans: list[Plan], chance: int, concurrency: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_flow(folder / "words", _FILES)
        alone = _run(folder, plans, "alone", None, 1)
        beside = _run(folder, plans, "beside", chance, concurrency)
        assert _told(alone) == _expected(plans)
        assert dataset_bytes(alone) == dataset_bytes(beside)
        keys = Counter(instruction_key(pair["messages"][0]["content"]) for pair in pairs_of(beside))
        assert max(keys.values(), default=1) == 1


class _InOrder:
    """Lets the seeds named in `last` wait until all others have nothing more to ask."""

    def __init__(self, plans: Sequence[Plan], last: Sequence[int]) -> None:
        self.teacher = _teacher(plans)
        self._answer = self.teacher.reply
        self._last = last
        self.teacher.reply = self._reply

    async def _reply(self, question: Question) -> Any:
        seed = int((question.section("seed") or question.section("text")).split()[-1])
        if seed in self._last:
            for _ in range(2000 * (1 + self._last.index(seed))):
                await asyncio.sleep(0)
        given: Any = self._answer(question)
        return await given


def _run_with_late_seeds(folder: Path, plans: Sequence[Plan], last: Sequence[int]) -> Teacher:
    write_flow(folder / "words", _FILES)
    order = _InOrder(plans, last)
    generate(_seeds(plans), [folder / "words"], folder / "run", teacher=order.teacher)
    return order.teacher


def test_of_two_duplicates_the_earlier_seeds_stays_though_it_came_later(tmp_path: Path) -> None:
    plans: list[Plan] = [([1], {}), ([1, 2], {})]
    _run_with_late_seeds(tmp_path, plans, last=[0])
    assert _told(tmp_path / "run") == [(0, 1), (1, 2)]
    (refused,) = rejected_of(tmp_path / "run")
    assert (refused["stage"], refused["reason"], refused["text"]) == ("instruct", "duplicate", "word1")


def test_a_late_duplicate_takes_its_descendants_with_it(tmp_path: Path) -> None:
    plans: list[Plan] = [([1], {}), ([1], {1: [2, 3], 2: [4]})]
    teacher = _run_with_late_seeds(tmp_path, plans, last=[0])
    assert any(_number(question) == 4 for question in teacher.asked if question.system == "respond"), "it was made"
    assert _told(tmp_path / "run") == [(0, 1)]
    assert [refused["reason"] for refused in rejected_of(tmp_path / "run")] == ["duplicate"]


def test_an_item_refused_by_a_holder_that_lost_it_is_run_again(tmp_path: Path) -> None:
    plans: list[Plan] = [([1], {}), ([1], {1: [2]}), ([2], {2: [6]})]
    _run_with_late_seeds(tmp_path, plans, last=[2, 0])
    assert _told(tmp_path / "run") == [(0, 1), (2, 2), (2, 6)]


def test_an_item_refused_by_one_that_failed_gets_it_and_gives_it_back(tmp_path: Path) -> None:
    plans: list[Plan] = [([1], {}), ([1, 2], {})]
    write_flow(tmp_path / "words", _FILES)
    broken = generate(_seeds(plans), [tmp_path / "words"], tmp_path / "run", teacher=_teacher(plans, broken=0))
    assert (broken.failed, broken.done) == (1, 1)
    assert _told(tmp_path / "run") == [(1, 1), (1, 2)]
    generate(_seeds(plans), [tmp_path / "words"], tmp_path / "run", teacher=_teacher(plans))
    assert _told(tmp_path / "run") == _expected(plans) == [(0, 1), (1, 2)]


def test_a_duplicate_known_in_time_costs_neither_refining_nor_answering(tmp_path: Path) -> None:
    plans: list[Plan] = [([1], {}), ([1], {1: [2]})]
    write_flow(tmp_path / "words", _FILES)
    teacher = _teacher(plans)
    generate(
        _seeds(plans), [tmp_path / "words"], tmp_path / "run", teacher=TeacherOptions(teacher=teacher, concurrency=1)
    )
    asked = [question.system for question in teacher.asked if "Seed 1" in question.user]
    assert asked == ["write"]


@pytest.mark.parametrize("stage", ["write", "refine", "respond"])
def test_a_flow_that_calls_something_a_duplicate_itself_comes_to_its_end(tmp_path: Path, stage: str) -> None:
    head = f"async def {stage}("
    before, after = _FLOW.split(head)
    signature, body = after.split("\n", 1)
    code = f'{before}{head}{signature}\n    raise Rejected("duplicate", "by my own rule")\n{body}'
    write_flow(tmp_path / "words", {**_FILES, "flow.py": code})
    plans: list[Plan] = [([1], {1: [2]}), ([3], {})]
    options = RunOptions(
        seeds=_seeds(plans),
        flows=(tmp_path / "words",),
        out=tmp_path / "run",
        teacher=TeacherOptions(teacher=_teacher(plans)),
    )
    summary = asyncio.run(asyncio.wait_for(run(options), 30))
    assert (summary.done, summary.failed) == (2, 0)
    assert "duplicate" in {refused["reason"] for refused in rejected_of(tmp_path / "run")}


def test_a_function_flow_may_claim_an_instruction_before_it_pays_for_the_answer(tmp_path: Path) -> None:
    code = """from agentinstruct import Pair
from agentinstruct.errors import Rejected
from agentinstruct.flow import flow


@flow
async def careful(seed, ask):
    for word in seed.text.split():
        if ask.is_new(word):
            yield Pair.of(word, await ask("responder", text=word))
            yield Pair.of(word, "the same again")
    raise Rejected("duplicate")
"""
    write_flow(tmp_path / "careful", {"flow.py": code, "responder.md": "r\n---\n{{ text }}"})
    teacher = Teacher(lambda question: f"said of {question.user}")
    generate([Seed.of("a b"), Seed.of("b c")], [tmp_path / "careful"], tmp_path / "run", teacher=teacher)
    told = [[turn["content"] for turn in pair["messages"]] for pair in pairs_of(tmp_path / "run")]
    assert told == [["a", "said of a"], ["b", "said of b"], ["c", "said of c"]]
