"""A run made by commit 7867646, before the rooms: it is read, exported, recorded and resumed as if made today."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentinstruct import Summary, export, generate, record, status
from agentinstruct.batch.files import import_answers, question_lines
from agentinstruct.errors import QuestionsWait
from tests.engine import pairs_of

EXAMPLES = Path(__file__).parents[2] / "examples"
EARLIER = Path(__file__).parents[1] / "data" / "run_before_rooms"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run as it was left: three seeds, one answered, one rejected, and one waiting for its second answer."""
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / "glossary", tmp_path / "my_glossary")  # the very files it was made with
    monkeypatch.chdir(tmp_path)  # its manifest and lineage name its seeds from here
    directory = tmp_path / "run"
    directory.mkdir()
    (tmp_path / "manifest.json").rename(directory / "manifest.json")
    with closing(sqlite3.connect(directory / "journal.sqlite")) as journal:
        journal.executescript((tmp_path / "journal.sql").read_text(encoding="utf-8"))
    yield directory


def _resume(run: Path) -> Summary:
    return generate(["texts"], ["my_glossary"], run, teacher="openai:some-model", batch="export")


def test_it_is_read_without_being_written_to(run: Path) -> None:
    before = (run / "journal.sqlite").read_bytes()
    summary = status(run)
    assert (summary.items, summary.done, summary.pending, summary.calls) == (3, 2, 1, 4)
    assert len(list(question_lines(run))) == 1
    assert (run / "journal.sqlite").read_bytes() == before


def test_it_goes_on_from_where_it_stood_and_asks_nothing_again(run: Path, tmp_path: Path) -> None:
    with pytest.raises(QuestionsWait, match="1 question"):
        _resume(run)
    (line,) = question_lines(run)
    answer = {"custom_id": json.loads(line)["custom_id"], "content": "Peat is soil made of half-rotted plants."}
    (tmp_path / "answers.jsonl").write_text(json.dumps(answer), encoding="utf-8")
    assert import_answers(run, ["answers.jsonl"]).kept == 1
    summary = _resume(run)
    assert (summary.done, summary.pairs, summary.calls, sum(summary.rejections.values())) == (3, 2, 5, 1)
    export(run, "messages", tmp_path / "mine.jsonl")
    assert len((tmp_path / "mine.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_its_answers_can_be_recorded_and_replayed(run: Path, tmp_path: Path) -> None:
    assert record(run, tmp_path / "old.jsonl").added == 4
    with pytest.raises(QuestionsWait, match="explainer 1"):
        generate(["texts"], ["my_glossary"], tmp_path / "again", teacher="recorded:old.jsonl")
    (pair,) = pairs_of(tmp_path / "again")
    assert pair["messages"][-1]["content"] == "A weir is a low wall built across a river."
    (tmp_path / "my_glossary" / "picker.md").write_text("You pick.\n---\n{{ passage }}\n")
    with pytest.raises(QuestionsWait):
        generate(["texts"], ["my_glossary"], tmp_path / "new", teacher="recorded:old.jsonl", batch="export")
    assert record(tmp_path / "new", "old.jsonl", carry=True).carried == 0, "nobody knows where they were asked"
