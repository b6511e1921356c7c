"""The verbs as Python functions, as a script or a notebook calls them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import agentinstruct
from agentinstruct import RunOptions, Seed, TeacherOptions
from agentinstruct.api import run
from agentinstruct.errors import BudgetExceeded, ConfigurationError, FlowError, RunStopped, SeedError, TeacherError
from agentinstruct.journal.directory import read_manifest
from agentinstruct.paths import SEEDS
from agentinstruct.run.engine import Run
from tests.engine import Question, Teacher, pairs_of

PROBLEMS = SEEDS / "sample" / "word_problems.jsonl"
MATH = ["math_word_problems"]
RECORDED = "recorded:sample"
ALL = len(PROBLEMS.read_text(encoding="utf-8").splitlines())


def test_generate_returns_what_the_directory_holds_and_status_says_the_same(tmp_path: Path) -> None:
    summary = agentinstruct.generate([PROBLEMS], MATH, tmp_path / "run", limit=3, teacher=RECORDED)
    rows = pairs_of(tmp_path / "run")
    assert (summary.items, summary.done, summary.failed, summary.pending) == (3, 3, 0, 0)
    assert summary.pairs == len(rows) > 3
    assert summary.dollars == 0
    status = agentinstruct.status(tmp_path / "run")
    for name in ("items", "done", "pairs", "rejections", "calls", "prompt_tokens", "completion_tokens"):
        assert getattr(status, name) == getattr(summary, name)


def test_generate_works_where_an_event_loop_already_runs(tmp_path: Path) -> None:
    async def notebook_cell() -> agentinstruct.Summary:
        return agentinstruct.generate(PROBLEMS, MATH, tmp_path / "run", limit=1, teacher=RECORDED)

    assert asyncio.run(notebook_cell()).done == 1


def test_one_path_and_records_are_seeds_too(tmp_path: Path) -> None:
    by_path = agentinstruct.generate(str(PROBLEMS), MATH, tmp_path / "path", limit=2, teacher=RECORDED)
    row = json.loads(PROBLEMS.read_text(encoding="utf-8").splitlines()[0])
    record = Seed.of(row["problem"], kind="math", license="MIT", meta={"answer": str(row["answer"])})
    by_record = agentinstruct.generate(iter([record]), MATH, tmp_path / "record", teacher=RECORDED)
    assert (by_path.items, by_record.items) == (2, 1)
    assert {row["license"] for row in pairs_of(tmp_path / "record")} == {"MIT"}


def test_the_published_pairs_lead_back_to_their_seeds(tmp_path: Path) -> None:
    read = agentinstruct.read_seeds([PROBLEMS], options=agentinstruct.ReadOptions())
    known = {seed.id: seed for seed in islice(read, 3) if isinstance(seed, Seed)}
    agentinstruct.generate(list(known.values()), MATH, tmp_path / "run", teacher=RECORDED)
    assert pairs_of(tmp_path / "run")
    for row in pairs_of(tmp_path / "run"):
        seed = known[row["lineage"]["seed_id"]]
        assert row["source"] == seed.source
        assert row["license"] == seed.license


def test_stream_yields_the_pairs_that_are_published(tmp_path: Path) -> None:
    async def collect() -> list[agentinstruct.Pair]:
        return [
            pair async for pair in agentinstruct.stream([PROBLEMS], MATH, tmp_path / "run", limit=4, teacher=RECORDED)
        ]

    streamed = asyncio.run(collect())
    assert sorted(pair.id for pair in streamed) == sorted(row["id"] for row in pairs_of(tmp_path / "run"))


def test_leaving_a_stream_early_leaves_a_run_that_resumes(tmp_path: Path) -> None:
    async def first() -> agentinstruct.Pair:
        pairs = agentinstruct.stream(
            [PROBLEMS], MATH, tmp_path / "run", teacher=TeacherOptions(teacher=RECORDED, concurrency=1)
        )
        async for pair in pairs:
            await pairs.aclose()  # type: ignore[attr-defined]  # an AsyncIterator that is a generator
            return pair
        raise AssertionError("no pair came")

    pair = asyncio.run(first())
    status = agentinstruct.status(tmp_path / "run")
    assert status.items == status.done + status.failed + status.pending
    assert status.done < ALL
    finished = agentinstruct.generate([PROBLEMS], MATH, tmp_path / "run", teacher=RECORDED)
    assert finished.done == ALL
    assert pair.id in {row["id"] for row in pairs_of(tmp_path / "run")}


def test_a_run_that_is_stopped_reads_no_more_seeds_though_it_passes_them_all_over(tmp_path: Path) -> None:
    read: list[Seed] = []
    runs: list[Run] = []

    def passages() -> Iterator[Seed]:
        for number in range(1000):
            read.append(Seed.of(f"Passage number {max(number, 1)}."))
            yield read[-1]

    options = RunOptions(
        seeds=passages(), flows=("math_word_problems",), out=tmp_path / "run", teacher=TeacherOptions(teacher=RECORDED)
    )
    summary = asyncio.run(run(options, watch=runs.append, on_skip=lambda _: runs[0].stop()))
    assert isinstance(summary.stopped, RunStopped)
    assert len(read) < 100


def test_the_error_that_stopped_a_run_is_raised_and_the_next_call_resumes(tmp_path: Path) -> None:
    poor = TeacherOptions(teacher=Teacher(lambda _: "no JSON"), budget_tokens=40)
    with pytest.raises(BudgetExceeded, match="of 40 tokens are spent"):
        agentinstruct.generate([PROBLEMS], MATH, tmp_path / "run", teacher=poor, limit=2)
    assert agentinstruct.status(tmp_path / "run").pending == 2
    assert agentinstruct.generate([PROBLEMS], MATH, tmp_path / "run", limit=2, teacher=RECORDED).done == 2


def test_preview_shows_a_seeds_tree_and_estimate_the_size_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = agentinstruct.preview([PROBLEMS], "math_word_problems", index=2, teacher=RECORDED)
    assert shown.pairs
    assert {asked.request for pair in shown.pairs if pair.lineage for asked in pair.lineage.asked} <= set(
        shown.exchanges
    )
    found = agentinstruct.estimate([PROBLEMS], MATH, teacher="openai:gpt-4.1-mini", limit=4)
    assert found.flows[0].items == 4
    assert found.calls > 10
    assert found.dollars
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_of_the_sample_seeds_is_what_their_run_then_takes(tmp_path: Path) -> None:
    found = agentinstruct.estimate([PROBLEMS], MATH)
    made = agentinstruct.generate([PROBLEMS], MATH, tmp_path / "run", teacher=RECORDED)
    assert found.flows[0].recorded
    assert found.calls == made.calls


def test_the_limit_counts_the_seeds_that_a_chosen_flow_takes(tmp_path: Path) -> None:
    passages = [Seed.of(f"Passage number {number} tells of many things.") for number in range(5)]
    problems = list(agentinstruct.read_seeds([PROBLEMS], options=agentinstruct.ReadOptions()))[:4]
    given = [*passages, *(each for each in problems if isinstance(each, Seed))]
    assert agentinstruct.generate(given, MATH, tmp_path / "run", limit=2, teacher=RECORDED).done == 2
    assert agentinstruct.estimate(given, MATH, limit=2).flows[0].items == 2


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"flows": []}, ConfigurationError, "no flow was given"),
        ({"flows": ["nope"]}, FlowError, "no flow 'nope'"),
        ({"seeds": []}, SeedError, "no seeds were given"),
        ({"seeds": ["nothere.md"]}, SeedError, "nothere.md"),
        ({"teacher": "nobody"}, ConfigurationError, "no teacher 'nobody'"),
        ({"teacher": None}, ConfigurationError, r"no teacher is named: .*--base-url.*gguf:.*recorded:sample"),
        (
            {"teacher": TeacherOptions(teacher=RECORDED, roles={"judge": "offline"})},
            ConfigurationError,
            "no agent 'judge'",
        ),
    ],
)
def test_a_mistake_raises_an_error_of_the_tree_that_names_it(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        agentinstruct.generate(
            **{"seeds": [PROBLEMS], "flows": MATH, "out": tmp_path / "run", "teacher": RECORDED, **arguments}
        )


def test_from_a_pair_one_reaches_its_seed_and_every_word_said_on_the_way(tmp_path: Path) -> None:
    run = tmp_path / "run"
    agentinstruct.generate(
        [SEEDS / "sample" / "word_problems.jsonl"], ["math_word_problems"], run, limit=5, teacher=RECORDED
    )
    pair = max(pairs_of(run), key=lambda row: len(row["lineage"]["asked"]))
    (way,) = agentinstruct.recorded(run, pair["id"])
    assert [each.id for each in way.pairs] == [pair["id"]]
    assert [way.exchanges[asked["request"]].agent for asked in pair["lineage"]["asked"]] == [
        asked["agent"] for asked in pair["lineage"]["asked"]
    ]
    assert len(way.exchanges) == len(pair["lineage"]["asked"])
    (whole,) = agentinstruct.recorded(run, pair["lineage"]["seed_id"])
    assert whole.seed == way.seed
    assert pair["id"] in {each.id for each in whole.pairs}
    assert way.exchanges.keys() < whole.exchanges.keys()
    with pytest.raises(ConfigurationError, match="nobody"):
        agentinstruct.recorded(run, "nobody")


def test_what_a_failed_item_asked_can_be_looked_at(tmp_path: Path) -> None:
    def refuse_to_solve(question: Question) -> str:
        if question.wanted == "Answer":
            raise TeacherError("no more today")
        return '{"statement": "Two and two make 4."}'

    run = tmp_path / "run"
    seed = Seed.of("What are two and two?", kind="math", meta={"answer": "4"})
    agentinstruct.generate([seed], ["math_word_problems"], run, teacher=Teacher(refuse_to_solve))
    (tree,) = agentinstruct.recorded(run, seed.id)
    assert "no more today" in tree.error
    assert "statement_writer" in {exchange.agent for exchange in tree.exchanges.values()}


def test_status_counts_what_is_finished_before_anything_is_published(tmp_path: Path) -> None:
    problems = SEEDS / "sample" / "word_problems.jsonl"
    summary = agentinstruct.generate([problems], ["math_word_problems"], tmp_path / "run", teacher=RECORDED)
    with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as journal, journal:
        journal.execute("DELETE FROM meta WHERE name='published'")  # as a kill before publishing leaves it
    found = agentinstruct.status(tmp_path / "run")
    assert (found.pairs, found.rejections) == (summary.pairs, summary.rejections)
    assert found.pairs > 0


def test_the_manifest_tells_whether_two_runs_read_the_same_seeds(tmp_path: Path) -> None:
    def fingerprint(name: str, *texts: str, **options: Any) -> str | None:
        given = [Seed.of(text) for text in texts]
        agentinstruct.generate(given, ["reading_comprehension"], tmp_path / name, teacher="offline", **options)
        found: str | None = read_manifest(tmp_path / name)["seed_fingerprint"]
        return found

    first = fingerprint("a", "One.", "Two.")
    assert first == fingerprint("b", "One.", "Two.") == fingerprint("c", "One.", "Two.", "Three.", limit=2)
    assert len({first, fingerprint("d", "One."), fingerprint("e", "Two.", "One."), None}) == 4


def test_no_seeds_and_no_calls_are_taken_for_what_they_say(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="no seed was found"):
        agentinstruct.generate(
            [Seed.of("One.")], ["reading_comprehension"], tmp_path / "run", limit=0, teacher=RECORDED
        )
    with pytest.raises(ConfigurationError, match="concurrency must be at least 1, not 0"):
        TeacherOptions(concurrency=0)
