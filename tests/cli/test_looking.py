"""Looking into a run: `status`, `journal` and `export` on what is read-only, killed, or being written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from agentinstruct import api, generate
from agentinstruct.dataset.export import export_lines
from agentinstruct.errors import BudgetExceeded, ConfigurationError, TeacherUnavailable
from agentinstruct.teacher.options import TeacherOptions
from tests.cli.test_cli import MATH, PROBLEMS, Command, command
from tests.engine import Question, Reply, Teacher, seeds, write_flow

assert command  # the fixture
NOBODY = 65534
HOSTILE = "\x1b]0;owned\x07 \u202e"
TWO_STEPS = {
    "flow.py": '''
from agentinstruct import Pair
from agentinstruct.flow import flow
from agentinstruct.stages.replies import Answer

@flow(kinds=("text",))
async def two_steps(seed, ask):
    """A draft, then an answer."""
    draft = await ask("drafter", text=seed.text)
    answer = await ask("writer", returns=Answer, text=draft)
    yield Pair.of("Say it: " + seed.text, answer.response)
''',
    "drafter.md": "You draft.\n---\nDraft {{ text }}\n",
    "writer.md": "You write.\n---\nWrite {{ text }}\n",
}


def run(folder: Path, reply: Callable[[Question], Reply], *texts: str) -> Path:
    flow = write_flow(folder / "two_steps", TWO_STEPS)
    generate(seeds(*texts), [flow], folder / "run", teacher=TeacherOptions(teacher=Teacher(reply), concurrency=1))
    return folder / "run"


def answered(question: Question) -> Reply:
    if question.wanted:
        return {"answerable": True, "response": "the answer", "final_answer": ""}
    return "the draft"


def look(directory: Path) -> tuple[object, ...]:
    """Look in every way there is."""
    summary = api.status(directory)
    listed = list(api.items(directory))
    trees = [len(tree.exchanges) for _, _, seed, *_ in listed for tree in api.recorded(directory, seed)]
    return (
        summary.pairs,
        summary.pending,
        api.failures(directory),
        listed,
        trees,
        list(export_lines(directory, "messages")),
    )


def state_of(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {
        path.relative_to(directory).as_posix(): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in files
    }


@contextmanager
def read_only(directory: Path) -> Iterator[Path]:
    """Give a copy that this process cannot write to, root or not."""
    shelf = Path(tempfile.mkdtemp())
    copy = shelf / "run"
    shutil.copytree(directory, copy)
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    shelf.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionError):
            (copy / "new").touch()
        yield copy
    finally:
        if is_root:
            os.seteuid(0)
        for path in (shelf, copy, *copy.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(shelf)


def killed(folder: Path) -> Path:
    """Leave a run as a kill does: its last commits only in the write-ahead log."""
    whole = run(folder, answered, "one", "two")
    live = folder / "live"
    shutil.copytree(whole, live)
    with closing(sqlite3.connect(live / "journal.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE items SET state='pending' WHERE position=1")
        connection.execute("DELETE FROM meta WHERE name='published'")
        connection.commit()
        shutil.copytree(live, folder / "killed")
    assert (folder / "killed" / "journal.sqlite-wal").stat().st_size
    return folder / "killed"


def test_looking_changes_no_file(tmp_path: Path) -> None:
    directory = run(tmp_path, answered, "one", "two")
    before = state_of(directory)
    assert look(directory)[0] == 2
    assert state_of(directory) == before


def test_a_read_only_copy_tells_the_same(tmp_path: Path) -> None:
    directory = run(tmp_path, answered, "one", "two")
    there = look(directory)
    with read_only(directory) as copy:
        assert look(copy) == there


@pytest.mark.parametrize("index", ["whole", "empty", "gone"])
def test_a_killed_run_on_a_read_only_disk_is_read_with_its_last_commits(tmp_path: Path, index: str) -> None:
    directory = killed(tmp_path)
    if index == "empty":
        (directory / "journal.sqlite-shm").write_bytes(bytes(32768))
    if index == "gone":
        (directory / "journal.sqlite-shm").unlink()
    with read_only(directory) as copy:
        before = state_of(copy)
        assert look(copy)[1] == 1
        assert state_of(copy) == before
    names = sorted(state_of(directory))
    assert look(directory)[1] == 1
    assert sorted(state_of(directory)) == names


def test_a_run_can_be_looked_into_while_it_goes_on_and_is_not_held_up(tmp_path: Path) -> None:
    seen: list[int] = []

    def reply(question: Question) -> Reply:
        if question.wanted:
            summary = api.status(tmp_path / "run")
            assert summary.items == summary.done + summary.failed + summary.pending
            (tree,) = api.recorded(tmp_path / "run", list(api.items(tmp_path / "run"))[summary.done][2])
            assert tree.pending
            seen.append(summary.calls)
        return answered(question)

    run(tmp_path, reply, "one", "two", "three")
    assert seen == [1, 3, 5]
    assert sorted(path.name for path in (tmp_path / "run").glob("journal*")) == ["journal.sqlite"]


def test_a_journal_that_is_gone_or_of_another_format_is_an_error_in_words(tmp_path: Path) -> None:
    directory = run(tmp_path, answered, "one")
    with closing(sqlite3.connect(directory / "journal.sqlite")) as connection, connection:
        connection.execute("UPDATE meta SET value='99' WHERE name='format'")
    with pytest.raises(ConfigurationError, match="has format 99"):
        api.status(directory)
    (directory / "journal.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="not a readable journal"):
        api.status(directory)
    (directory / "journal.sqlite").unlink()
    with pytest.raises(ConfigurationError, match=r"cannot read .*journal.sqlite"):
        api.status(directory)
    assert not (directory / "journal.sqlite").exists()


def test_the_journal_lists_items_and_draws_each_by_the_id_in_the_list(command: Command) -> None:
    command("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run")
    lines = command("journal", "run").out.splitlines()
    assert [line.split()[0] for line in lines] == ["done", "done"]
    assert lines[0].split()[3:5] == ["math_word_problems", "wp-001"]
    assert "word_problems.jsonl:1" in lines[0]
    drawn = command("journal", "run", "wp-001").out
    assert "1 statement_writer" in drawn
    unknown = command("journal", "run", "nothing")
    assert unknown.code == 2
    assert "`agentinstruct journal run` lists its seeds" in unknown.err


def test_questions_are_numbered_in_order_and_a_repair_shows_what_it_mends(command: Command, tmp_path: Path) -> None:
    malformed = iter([f"no JSON {HOSTILE}"])

    def reply(question: Question) -> Reply:
        return next(malformed, answered(question)) if question.wanted else answered(question)

    run(tmp_path, reply, "one")
    (item,) = api.items(tmp_path / "run")
    said = command("journal", tmp_path / "run", item[2], "--full").out
    lines = [line.lstrip("│├└─ ").rstrip() for line in said.splitlines()]
    assert [line for line in lines if line[:1].isdigit() and "er" in line] == ["1 drafter", "2 writer", "3 writer"]
    repair = lines[lines.index("3 writer") :]
    order = [
        repair.index(words) for words in ("asked", "Write the draft", "it had said", r"no JSON \x1b]0;owned\x07 \u202e")
    ]
    assert order == sorted(order)
    assert "Your reply could not be read as the form asked for:" in repair
    assert "\x1b" not in said
    assert "\u202e" not in said


@pytest.mark.parametrize(
    ("error", "mark"),
    [
        (TeacherUnavailable(f"no reply {HOSTILE}", retry_after=9999), r"✗ failed: no reply \x1b]0;owned\x07"),
        (BudgetExceeded("the cap"), "… not finished: the next `agentinstruct generate` goes on from here"),
    ],
)
def test_an_item_that_did_not_finish_shows_what_it_asked_and_why_it_ended(
    command: Command, tmp_path: Path, error: Exception, mark: str
) -> None:
    with suppress(BudgetExceeded):
        run(tmp_path, lambda question: error if question.wanted else "the draft", "one")
    (item,) = api.items(tmp_path / "run")
    said = command("journal", tmp_path / "run", item[2]).out
    assert "1 drafter" in said
    assert mark in said
    assert said.index("1 drafter") < said.index(mark)
    listed = command("journal", tmp_path / "run").out
    assert listed.startswith(item[0])
    assert "\x1b" not in said + listed
