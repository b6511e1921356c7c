"""Questions that are answered elsewhere: `generate --batch export`, `batch export`, `batch import`, `batch list`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import BatchOptions, RunOptions, TeacherOptions, generate
from agentinstruct.batch import files as batch_files
from agentinstruct.cli import main
from agentinstruct.errors import ConfigurationError, QuestionsWait, RunLocked
from agentinstruct.journal.directory import locked
from tests.engine import dataset_bytes, pairs_of, seeds, write_flow
from tests.openai_server import OpenAIServer

_FLOW = """
import asyncio
from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow
async def chain(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    \"\"\"Two questions side by side, and one about both answers.\"\"\"
    branches = [ask.branch(side)("echo", text=f"{seed.text} {side}") for side in ("left", "right")]
    left, right = await asyncio.gather(*branches)
    yield Pair.of(f"Join {seed.text}", await ask("echo", text=f"{left} {right}"))
"""
EXPORT = BatchOptions(via="export", quiet=0.05)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "chain", {"flow.py": _FLOW, "echo.md": "Say it.\n---\n{{ text }}\n"})


@pytest.fixture
def park(chain: Path, tmp_path: Path) -> Callable[..., str]:
    """Park until nothing can go on; returns what is said of it."""

    def start(*texts: str, **options: Any) -> str:
        given = {"teacher": "openai:some-model", "batch": EXPORT, **options}
        with pytest.raises(QuestionsWait) as told:
            generate(seeds(*(texts or ("one", "two"))), [chain], tmp_path / "run", **given)
        return str(told.value)

    return start


def _questions(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in batch_files.question_lines(run)]


def _said(question: dict[str, Any]) -> str:
    return str(question["body"]["messages"][-1]["content"])


def _write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def _answers(run: Path, path: Path) -> Path:
    return _write(path, *({"custom_id": each["custom_id"], "content": _said(each)} for each in _questions(run)))


def test_a_run_answered_elsewhere_is_the_same_as_one_asked_live(
    park: Callable[..., str], chain: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url)
    run = tmp_path / "run"
    assert park(teacher=teacher).startswith("4 questions wait for answers: `agentinstruct batch export ")
    batch_files.import_answers(run, [_answers(run, tmp_path / "answers.jsonl")])
    assert park(teacher=teacher).startswith("2 questions wait")
    batch_files.import_answers(run, [_answers(run, tmp_path / "answers.jsonl")])
    done = generate(seeds("one", "two"), [chain], run, teacher=teacher, batch=EXPORT)
    assert (done.done, done.calls) == (2, 6)
    assert not openai_server.requests
    generate(seeds("one", "two"), [chain], tmp_path / "live", teacher=teacher)
    assert dataset_bytes(run) == dataset_bytes(tmp_path / "live")


def test_answers_brought_in_are_used_live_and_nothing_is_asked_for_them(
    park: Callable[..., str], chain: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    run = tmp_path / "run"
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url, budget_tokens=100_000)
    park(teacher=TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url))
    first, second, third, _ = _questions(run)
    usable = [{"custom_id": each["custom_id"], "content": "brought"} for each in (first, second)]
    useless = {"custom_id": third["custom_id"], "response": {"status_code": 200, "body": {}}}
    batch_files.import_answers(run, [_write(tmp_path / "answers.jsonl", *usable, useless)])
    done = generate(seeds("one", "two"), [chain], run, teacher=teacher)
    assert (done.done, done.calls) == (2, 6)
    assert len(openai_server.requests) == 4
    assert "brought brought" in json.dumps(openai_server.requests)


def test_questions_parked_for_elsewhere_may_go_to_the_provider_after_all(
    park: Callable[..., str], chain: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url)
    park(teacher=teacher)
    soon = BatchOptions(poll=0.02, quiet=0.05)
    done = generate(seeds("one", "two"), [chain], tmp_path / "run", teacher=teacher, batch=soon)
    assert (done.done, done.calls) == (2, 6)
    assert batch_files.waves_of(tmp_path / "run")[1] == (0, 0, 0)
    assert openai_server.duplicates == 0


def test_every_item_is_begun_though_only_a_few_fit_into_memory(park: Callable[..., str], tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(9)]
    assert park(*texts, batch=BatchOptions(via="export", quiet=0.05, size=2)).startswith("18 questions wait")
    assert len(_questions(tmp_path / "run")) == 18


def test_parking_needs_no_key_and_no_budget_is_promised(
    park: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    park()
    assert len(_questions(tmp_path / "run")) == 4
    with pytest.raises(ConfigurationError, match="a budget cannot hold"):
        RunOptions(seeds=["a"], flows=("b",), out=tmp_path, teacher=TeacherOptions(budget=1.0), batch="export")


def test_answers_are_counted_and_none_is_overwritten(park: Callable[..., str], tmp_path: Path) -> None:
    park()
    run = tmp_path / "run"
    first, second, third, fourth = (each["custom_id"] for each in _questions(run))
    lines: list[object] = [
        {"custom_id": first, "content": "kept"},
        {"custom_id": first, "content": "again"},
        {"custom_id": "0-unknown", "content": "?"},
        {"custom_id": f"{'f' * 99}-0", "content": "?"},
        "",
        {"custom_id": second, "error": {"code": "batch_expired", "message": "too late"}},
        {"custom_id": third, "response": {"status_code": 500, "body": {}}},
    ]
    brought = batch_files.import_answers(run, [_write(tmp_path / "a.jsonl", *lines)])
    assert brought == batch_files.Imported(kept=1, known=1, unknown=2, failed=2, waiting=3)
    again = batch_files.import_answers(
        run, [_write(tmp_path / "b.jsonl", {"custom_id": first, "content": "late"}), _write(tmp_path / "c.jsonl")]
    )
    assert (again.kept, again.known) == (0, 1)
    last = [{"custom_id": each, "content": "kept"} for each in (second, third, fourth)]
    assert batch_files.import_answers(run, [_write(tmp_path / "d.jsonl", *last)]).waiting == 0
    park()
    asked = sorted(_said(each) for each in _questions(run))
    assert asked == ["kept kept", "kept kept"]
    known = batch_files.import_answers(run, [tmp_path / "d.jsonl"])
    assert (known.known, known.unknown) == (3, 0)  # their replies are recorded by now


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["{"], r"answers\.jsonl, line 1: it is not JSON"),
        (['{"custom_id": "0-0", "content": "a"}', '{"custom_id": "q"}'], r"answers\.jsonl, line 2: it has neither"),
        (["[1]"], r'line 1: it is not an object with a "custom_id"'),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_file(
    park: Callable[..., str], tmp_path: Path, lines: list[str], told: str
) -> None:
    park()
    with pytest.raises(ConfigurationError, match=told):
        batch_files.import_answers(tmp_path / "run", [_write(tmp_path / "answers.jsonl", *lines)])


def test_what_is_no_run_or_no_file_is_said_and_a_run_in_use_is_left_alone(
    park: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="is not a run"):
        batch_files.import_answers(tmp_path / "nothing", [])
    assert not (tmp_path / "nothing").exists()
    park()
    with pytest.raises(ConfigurationError, match=r"cannot read the answers in .*missing\.jsonl"):
        batch_files.import_answers(tmp_path / "run", [tmp_path / "missing.jsonl"])
    with locked(tmp_path / "run"), pytest.raises(RunLocked):
        batch_files.import_answers(tmp_path / "run", [])


def _command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["agentinstruct", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_command_line_takes_questions_out_and_answers_in(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    source = tmp_path / "one.txt"
    source.write_text("A text about one thing, long enough to be taken for a seed. " * 5)
    run, out = tmp_path / "run", tmp_path / "questions.jsonl"
    words = ["generate", source, "-f", chain, "--out", run, "-t", "openai:some-model", "--batch", "export"]
    code, _, told = _command(monkeypatch, capsys, *words)
    assert code == 4, told
    assert "2 questions wait for answers" in told and "the same command goes on" in told
    out.write_text("an older file")
    assert _command(monkeypatch, capsys, "batch", "export", run, "-o", out)[1].startswith("2 questions in ")
    assert len(out.read_text().splitlines()) == 2
    code, printed, _ = _command(monkeypatch, capsys, "batch", "export", run)
    assert printed == out.read_text()
    answers = _answers(run, tmp_path / "answers.jsonl")
    code, printed, _ = _command(monkeypatch, capsys, "batch", "import", run, answers, answers)
    assert (code, printed.splitlines()[0]) == (
        0,
        "2 answers brought in; passed over 2 answered before; 0 questions still wait",
    )
    code, printed, _ = _command(monkeypatch, capsys, "batch", "list", run, "--json")
    assert json.loads(printed) == {"waiting": 0, "out": 0, "answered": 2, "waves": []}
    assert _command(monkeypatch, capsys, *words)[0] == 4
    assert json.loads(_command(monkeypatch, capsys, "batch", "import", run, _answers(run, answers), "--json")[1]) == {
        "kept": 1,
        "known": 0,
        "unknown": 0,
        "failed": 0,
        "waiting": 0,
    }
    assert _command(monkeypatch, capsys, *words)[0] == 0
    assert len(pairs_of(run)) == 1


def test_waves_are_told_as_they_go_and_listed_afterwards(
    chain: Path,
    tmp_path: Path,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "one.txt"
    source.write_text("A text about one thing, long enough to be taken for a seed. " * 5)
    run = tmp_path / "run"
    words = ["generate", source, "-f", chain, "--out", run, "-t", "openai:some-model", "--batch", "openai"]
    more = ["--poll", "0.02", "--base-url", openai_server.base_url]
    code, printed, _ = _command(monkeypatch, capsys, *words, *more, "--json")
    events = [json.loads(line) for line in printed.splitlines()]
    waves = [(event["state"], event["questions"], event["answered"]) for event in events if event["event"] == "wave"]
    assert code == 0
    assert waves == [("submitted", 2, 0), ("done", 2, 2), ("submitted", 1, 0), ("done", 1, 1)]
    listed = _command(monkeypatch, capsys, "batch", "list", run)[1]
    assert listed.count("completed  ") == 2
    assert "0 questions wait, 0 are out" in listed
