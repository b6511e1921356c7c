"""The journal and its directory: what was answered survives, and what cannot be read or written is said plainly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agentinstruct import Seed, generate
from agentinstruct.errors import AgentInstructError, ConfigurationError, RunLocked
from agentinstruct.journal.writer import ItemRecorder, Journal, item_id
from agentinstruct.teacher.journaled import Exchange
from tests.engine import SAID, Question, Teacher, dataset_bytes, seeds, write_flow

_TEXTS = [f"Text {number}." for number in range(8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "said", SAID)


def _echo(question: Question) -> str:
    return f"{question.user} again"


def _exchange(key: str, reply: str = '["yes", "stop", [1, 1], null]', tokens: int = 1) -> Exchange:
    return Exchange(
        key=key, agent="a", model="m", request="[]", reply=reply, prompt_tokens=tokens, completion_tokens=tokens
    )


@contextmanager
def _looking_into(run: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(run / "journal.sqlite", isolation_level=None)) as connection:
        yield connection


def test_a_reply_is_on_disk_when_record_returns(tmp_path: Path) -> None:
    async def record(journal: Journal) -> list[int]:
        seen = []
        for number in range(5):
            await journal.record(1, _exchange(str(number)))
            with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as other:
                seen.append(other.execute("SELECT count(*) FROM replies").fetchone()[0])
        return seen

    with Journal(tmp_path / "journal.sqlite") as journal:
        assert asyncio.run(record(journal)) == [1, 2, 3, 4, 5]


def test_writes_that_come_together_share_commits_and_keep_their_order(tmp_path: Path) -> None:
    async def record(journal: Journal) -> None:
        for number in range(50):
            journal.post("INSERT OR REPLACE INTO meta VALUES ('last', ?)", (str(number),))
        await asyncio.gather(*(journal.record(1, _exchange(str(number))) for number in range(100)))
        assert journal.meta("last") == "49"

    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        asyncio.run(record(journal))
        assert [exchange.key for exchange in journal.exchanges(1)] == [str(number) for number in range(100)]
        with path.with_name("journal.sqlite-wal").open("rb") as log:
            commits = _commits(log.read())
    assert commits < 50, "each write had a commit of its own"


def _commits(log: bytes) -> int:
    """Count the frames of a write-ahead log that end a transaction: those that give the database's size."""
    page = int.from_bytes(log[8:12], "big")
    frames = range(32, len(log), 24 + page)
    return sum(int.from_bytes(log[start + 4 : start + 8], "big") > 0 for start in frames)


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        for number in range(5000):
            journal.post("INSERT INTO meta VALUES (?, '')", (f"name {number}",))
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.meta("name 4999") == ""


def test_the_earlier_seed_takes_a_claim_over_and_the_later_never_does(tmp_path: Path) -> None:
    async def claim(journal: Journal) -> None:
        early, late = Seed.of("early"), Seed.of("late")
        for position, seed in enumerate((early, late)):
            journal.register(seed, "f", position=position, call=1)
        await journal.write()
        first, second = item_id("f", early.id), item_id("f", late.id)
        assert journal.claim("key", second)
        await journal.write()
        assert journal.claim("key", second), "its own"
        assert journal.claim("key", first)
        await journal.write()
        assert not journal.claim("key", second)
        await journal.write()
        assert journal.claim("key", first)
        assert journal.claim("other", first)
        assert journal.claim("other", second), "the first claim is not yet written"
        await journal.write()
        assert not journal.claim("other", second)

    with Journal(tmp_path / "journal.sqlite") as journal:
        asyncio.run(claim(journal))


@pytest.mark.parametrize("words", [b"not a database, but a letter to a friend" * 100, b"\0" * 8192])
def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path: Path, folder: Path, words: bytes) -> None:
    run = tmp_path / "run"
    run.mkdir()
    path = run / "journal.sqlite"
    path.write_bytes(words)
    with pytest.raises(ConfigurationError, match=r"journal\.sqlite .*move it away"):
        generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo))
    assert path.read_bytes() == words


def test_a_journal_damaged_inside_gives_a_clear_error(tmp_path: Path, folder: Path) -> None:
    run = tmp_path / "run"
    generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo))
    path = run / "journal.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    with pytest.raises(AgentInstructError, match=r"journal\.sqlite"):
        generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo))
    path.write_bytes(whole)
    teacher = Teacher(_echo)
    generate(seeds(*_TEXTS), [folder], run, teacher=teacher)
    assert not teacher.asked


def test_a_journal_of_another_format_is_refused_and_not_touched(tmp_path: Path, folder: Path) -> None:
    run = tmp_path / "run"
    generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo))
    before = dataset_bytes(run)
    with _looking_into(run) as connection:
        connection.execute("UPDATE meta SET value='77' WHERE name='format'")
    teacher = Teacher(_echo)
    with pytest.raises(ConfigurationError, match="format 77"):
        generate(seeds(*_TEXTS), [folder], run, teacher=teacher)
    assert not teacher.asked
    assert dataset_bytes(run) == before


_FULL = """
import resource, signal, sys
from agentinstruct import generate
from tests.engine import Teacher, result, seeds

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails as it does on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
asked = []

def reply(question):
    asked.append(question)
    return "much to say " * 1000

try:
    generate(seeds(*(f"Text {n}." for n in range(60))), [sys.argv[1]], sys.argv[2], teacher=Teacher(reply))
except Exception as error:
    print(f"{type(error).__module__}.{type(error).__name__}: {error}")
print(len(asked))
"""


@pytest.mark.parametrize("room", [20_000, 300_000])
def test_a_full_disk_stops_the_run_with_a_reason_and_what_was_kept_is_not_asked_again(
    tmp_path: Path, folder: Path, room: int
) -> None:
    texts = [f"Text {number}." for number in range(60)]
    run = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(folder), str(run), str(room)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    error, asked = done.stdout.splitlines()
    assert error.startswith("agentinstruct.errors."), done.stdout + done.stderr
    assert "journal.sqlite" in error
    assert "Traceback" not in done.stderr
    assert int(asked) < 180
    kept = 0
    if (run / "journal.sqlite").stat().st_size:
        with _looking_into(run) as connection:
            known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name='replies'").fetchone()[0]
            kept = connection.execute("SELECT count(*) FROM replies").fetchone()[0] if known else 0
    teacher = Teacher(lambda _: "much to say " * 1000)
    summary = generate(seeds(*texts), [folder], run, teacher=teacher)
    assert (summary.done, summary.pairs) == (60, 180)
    assert len(teacher.asked) == 180 - kept


def test_words_that_no_database_takes_fail_their_item_and_nothing_else(tmp_path: Path, folder: Path) -> None:
    code = SAID["flow.py"].replace(
        "    for", "    if '3' in seed.text:\n        raise ValueError('half a pair: \\ud800')\n    for"
    )
    write_flow(folder, {"flow.py": code})
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert (summary.done, summary.failed) == (7, 1)


def test_a_write_that_cannot_be_made_is_told_to_all_who_wait(tmp_path: Path) -> None:
    async def record(journal: Journal) -> list[object]:
        bad = journal.record(1, _exchange("bad", tokens=2**70))
        good = (journal.record(1, _exchange(str(number))) for number in range(5))
        async with asyncio.timeout(10):
            return await asyncio.gather(bad, *good, return_exceptions=True)

    with Journal(tmp_path / "journal.sqlite") as journal:
        told = asyncio.run(record(journal))
        assert all(isinstance(each, AgentInstructError) for each in told)
        with pytest.raises(AgentInstructError, match="cannot write"):
            journal.post("INSERT INTO meta VALUES ('a', 'b')")


def test_a_recorder_knows_only_its_own_item(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        asyncio.run(journal.record(1, _exchange("key", "mine")))
        assert ItemRecorder(journal, 1).find("key") == "mine"
        assert ItemRecorder(journal, 2).find("key") is None


_HOLD = """
import sys, time
from agentinstruct import generate
from tests.engine import Teacher, seeds

def reply(question):
    print("asked", flush=True)
    time.sleep(60)
    return ""

generate(seeds("Text 0."), [sys.argv[1]], sys.argv[2], teacher=Teacher(reply))
"""


def test_a_second_process_is_told_who_holds_the_directory_and_a_killed_holder_does_not_block(
    tmp_path: Path, folder: Path
) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder), str(run)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "asked\n"
        with pytest.raises(RunLocked, match=f"process {holder.pid} on {socket.gethostname()}"):
            generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo))
        os.kill(holder.pid, signal.SIGKILL)
    assert generate(seeds(*_TEXTS), [folder], run, teacher=Teacher(_echo)).done == len(_TEXTS)


def test_a_directory_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pairs").mkdir()
    (home / "pairs" / "mine.txt").write_text("mine")
    teacher = Teacher(_echo)
    with pytest.raises(ConfigurationError, match="pairs"):
        generate(seeds(*_TEXTS), [folder], home, teacher=teacher)
    assert not teacher.asked
    assert [path.name for path in home.iterdir()] == ["pairs"]
    assert (home / "pairs" / "mine.txt").read_text() == "mine"


def test_every_question_in_flight_is_kept_when_the_run_stops(tmp_path: Path) -> None:
    """One branch of an item meets the closed gate while its siblings still wait for their answers."""
    from agentinstruct.api import run as run_options
    from agentinstruct.run.engine import Run
    from agentinstruct.run.options import RunOptions
    from agentinstruct.teacher.options import TeacherOptions

    code = """import asyncio

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow
async def beside(seed, ask):
    async def twice(number):
        branch = ask.branch(number)
        first = await branch("sayer", text=seed.text, number=number)
        return await branch("sayer", text=first, number=number)

    for number, said in enumerate(await asyncio.gather(*map(twice, range(4)))):
        yield Pair.of(f"{seed.text} {number}", said)
"""
    folder = write_flow(tmp_path / "beside", {**SAID, "flow.py": code})
    runs: list[Run] = []
    answered = 0

    async def reply(question: Question) -> str:
        nonlocal answered
        await asyncio.sleep(0.02 if question.user.endswith("0") else 0.3)
        if question.user.endswith("0"):
            runs[0].stop()
        answered += 1
        return _echo(question)

    teacher = Teacher(reply)
    options = RunOptions(
        seeds=seeds("One."), flows=(folder,), out=tmp_path / "run", teacher=TeacherOptions(teacher=teacher)
    )
    summary = asyncio.run(run_options(options, watch=runs.append))
    assert (summary.done, summary.failed, summary.pending) == (0, 0, 1)
    assert len(teacher.asked) == answered == summary.calls == 4
    again = Teacher(_echo)
    assert generate(seeds("One."), [folder], tmp_path / "run", teacher=again).pairs == 4
    assert len(again.asked) == 4


@pytest.mark.parametrize("name", [".publishing", ".manifest.json.new", ".README.md.new"])
def test_a_dataset_that_cannot_be_written_is_said_plainly_and_no_answer_is_lost(
    tmp_path: Path, folder: Path, name: str
) -> None:
    run = tmp_path / "run"
    generate(seeds(*_TEXTS[:4]), [folder], run, teacher=Teacher(_echo))
    (run / name).mkdir() if name != ".publishing" else (run / name).write_text("in the way")
    teacher = Teacher(_echo)
    with pytest.raises(AgentInstructError, match=r"cannot write .*run.*no answer is lost"):
        generate(seeds(*_TEXTS), [folder], run, teacher=teacher)
    (run / name).rmdir() if name != ".publishing" else (run / name).unlink()
    assert generate(seeds(*_TEXTS), [folder], run, teacher=teacher).pairs == 24
    assert len(teacher.asked) == 12
