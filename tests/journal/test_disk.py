"""Disks that are full, or were damaged: what is missing is said, and what is there is used."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import TeacherOptions, generate
from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.journal.recovery import recover
from tests.engine import SAID, Question, Teacher, dataset_bytes, seeds, write_flow

pytestmark = pytest.mark.slow

_SMALL_DISK = """
import json, random, subprocess, sys
from pathlib import Path
from agentinstruct import generate
from tests.engine import Teacher, dataset_bytes, pairs_of, seeds

flow, disk = Path(sys.argv[1]), Path(sys.argv[2])
run = disk / "run"

def size(told):
    subprocess.run(["mount", "-t", "tmpfs", "-o", told, "none", str(disk)], check=True)

def call(texts):
    asked = []

    def reply(question):
        asked.append(question.user)
        return random.Random(question.user).randbytes(8000).hex()  # nothing that could be made smaller

    try:
        summary = generate(seeds(*texts), [flow], run, teacher=Teacher(reply))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "asked": asked}
    return {"pairs": summary.pairs, "done": summary.done, "asked": asked}

texts = [f"Text {number}." for number in range(60)]
"""
_FULL_JOURNAL = """
size("size=1500k")
told = [call(texts)]
size("remount,size=64m")
told += [call(texts)]
print(json.dumps(told))
"""
_FULL_DATASET = """
size("size=64m")
told = [call(texts[:2])]
before = dataset_bytes(run)
told += [call(texts)]
# as if it had never come to publish, with room for the journal's own writing and not for the dataset
for path, content in before.items():
    for other in (run / path).parent.iterdir():
        other.unlink()
    (run / path).write_bytes(content)
used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*") if path.is_file())
size(f"remount,size={used // 1024 + 700}k")
told += [call(texts)]
kept = dataset_bytes(run) == before
size("remount,size=64m")
told += [call(texts), kept, len(pairs_of(run))]
print(json.dumps(told))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "said", SAID)


def _on_a_small_disk(story: str, folder: Path) -> Any:
    """Run `story` where it may mount a disk of its own; what is on that is gone afterwards."""
    disk = folder.parent / "disk"
    disk.mkdir()
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(disk)]
    try:
        can = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        can = False
    if not can:
        pytest.skip("this system lets nobody mount a disk in a namespace of one's own (unshare -rm)")
    words = ["unshare", "-rm", sys.executable, "-c", _SMALL_DISK + story, str(folder), str(disk)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_a_full_disk_under_the_journal_stops_the_run_with_its_path_and_with_room_it_goes_on(folder: Path) -> None:
    full, whole = _on_a_small_disk(_FULL_JOURNAL, folder)
    assert full["error"].startswith("AgentInstructError: cannot write "), full["error"]
    assert "run/journal.sqlite: database or disk is full; see its space" in full["error"]
    assert 0 < len(full["asked"]) < 180
    assert (whole["done"], whole["pairs"]) == (60, 180)
    again = len(full["asked"]) + len(whole["asked"]) - 180
    assert 0 <= again < len(full["asked"]), "what had been kept was asked for again"
    assert len(set(whole["asked"])) == len(whole["asked"])


def test_a_full_disk_under_the_dataset_leaves_the_old_one_and_with_room_it_is_made_for_nothing(folder: Path) -> None:
    _, first, full, whole, kept, pairs = _on_a_small_disk(_FULL_DATASET, folder)
    assert first["pairs"] == 180
    assert full["error"].startswith("AgentInstructError: cannot write to "), full["error"]
    assert "No space left on device" in full["error"]
    assert "no answer is lost" in full["error"]
    assert kept, "the dataset that was there is not whole any more"
    assert (full["asked"], whole["asked"]) == ([], [])
    assert whole["pairs"] == pairs == 180


@pytest.mark.parametrize("folder_name", ["pairs", "rejected"])
@pytest.mark.parametrize("damage", ["deleted", "cut", "emptied", "folder deleted"])
def test_a_damaged_shard_is_made_anew_and_nothing_is_asked(
    tmp_path: Path, folder: Path, folder_name: str, damage: str
) -> None:
    run, texts = tmp_path / "run", [f"Text {number}." for number in range(8)]
    generate(seeds(*texts), [folder], run, teacher=Teacher(lambda question: question.user))
    before = dataset_bytes(run)
    (shard,) = (run / folder_name).iterdir()
    match damage:
        case "deleted" | "folder deleted":
            shard.unlink()
        case "cut":
            shard.write_bytes(shard.read_bytes()[:-100])
        case "emptied":
            shard.write_bytes(b"")
    if damage == "folder deleted":
        shard.parent.rmdir()
    teacher = Teacher(lambda question: question.user)
    generate(seeds(*texts), [folder], run, teacher=teacher)
    assert dataset_bytes(run) == before
    assert not teacher.asked


def _reply(question: Question) -> str:
    return f"{question.user} again " * 20


def _torn(run: Path, folder: Path, texts: list[str], torn: Path) -> list[str]:
    """Make a run, and beside it what its journal was in the middle, as when the power fails; return what was asked."""
    asked: list[str] = []

    def reply(question: Question) -> str:
        asked.append(question.user)
        if len(asked) == 90:
            torn.mkdir()
            for name in ("manifest.json", "journal.sqlite", "journal.sqlite-wal"):
                shutil.copy(run / name, torn / name)
        return _reply(question)

    generate(seeds(*texts), [folder], run, teacher=TeacherOptions(teacher=Teacher(reply), concurrency=4))
    return asked[:89]


@pytest.mark.parametrize("damage", ["cut", "overwritten", "zeroed"])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.4, 1.0])
def test_a_journal_with_a_damaged_tail_is_used_as_far_as_it_can_be_read_and_the_rest_is_asked_again(
    tmp_path: Path, folder: Path, damage: str, share: float
) -> None:
    texts = [f"Text {number}." for number in range(40)]
    asked = _torn(tmp_path / "run", folder, texts, tmp_path / "torn")
    log = tmp_path / "torn" / "journal.sqlite-wal"
    whole = log.read_bytes()
    bad = int(len(whole) * share)
    end = {"cut": b"", "overwritten": random.Random(7).randbytes(bad), "zeroed": bytes(bad)}[damage]
    log.write_bytes(whole[: len(whole) - bad] + end)
    teacher = Teacher(_reply)
    summary = generate(seeds(*texts), [folder], tmp_path / "torn", teacher=teacher)
    assert (summary.done, summary.pairs, summary.calls) == (40, 120, 120)
    assert dataset_bytes(tmp_path / "torn") == dataset_bytes(tmp_path / "run")
    again = len({question.user for question in teacher.asked} & set(asked))
    if share == 0:
        assert again <= 4, "those in flight"
    if share == 0.4:
        assert 0 < again < 60


def _cut(journal: bytes) -> bytes:
    return journal[: len(journal) // 4]


def _overwrite(journal: bytes) -> bytes:
    start, words = journal.index(b'["Text 30. 1 again ') // 4096 * 4096, random.Random(1).randbytes(5 * 4096)
    return journal[:start] + words + journal[start + len(words) :]


def _garble(journal: bytes) -> bytes:
    """Damage nothing but the words of one reply, and of one outcome."""
    return journal.replace(b'["Text 7. 1 again ', b'["Text 7. 1 again"', 1).replace(b'[{"id":', b'[{"id"x', 1)


@pytest.mark.parametrize(("damage", "least"), [(_cut, 30), (_overwrite, 120), (_garble, 179)])
def test_of_a_damaged_journal_every_answer_that_can_be_read_is_saved_and_the_others_are_asked_again(
    tmp_path: Path, folder: Path, damage: Callable[[bytes], bytes], least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, run = [f"Text {number}." for number in range(60)], tmp_path / "run"
    generate(seeds(*texts), [folder], run, teacher=Teacher(_reply))
    whole, path = dataset_bytes(run), run / "journal.sqlite"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigurationError, match=r"journal\.sqlite .*`agentinstruct recover .*run`"):
        generate(seeds(*texts), [folder], run, teacher=Teacher(_reply))
    saved, kept = asyncio.run(recover(run))
    assert kept == run / "journal.sqlite.damaged"
    assert kept.exists()
    assert saved >= least
    teacher = Teacher(_reply)
    summary = generate(seeds(*texts), [folder], run, teacher=teacher)
    assert (summary.done, summary.pairs, summary.calls) == (60, 180, 180)
    assert len(teacher.asked) == 180 - saved > 0
    assert dataset_bytes(run) == whole
    assert "Exception ignored" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [b"", b"a letter to a friend" * 1000])
def test_a_file_of_which_nothing_can_be_saved_is_left_as_it_is(tmp_path: Path, words: bytes) -> None:
    (tmp_path / "journal.sqlite").write_bytes(words)
    with pytest.raises(ConfigurationError, match="nothing can be read"):
        asyncio.run(recover(tmp_path))
    assert (tmp_path / "journal.sqlite").read_bytes() == words
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "journal.sqlite"]


def test_an_outcome_that_cannot_be_read_is_named_with_its_item_and_asks_nothing(tmp_path: Path, folder: Path) -> None:
    run, texts = tmp_path / "run", ["Text 0.", "Text 1."]
    generate(seeds(*texts), [folder], run, teacher=Teacher(_reply))
    with closing(sqlite3.connect(run / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE outcomes SET pairs=substr(pairs, 1, 200)")
    teacher = Teacher(_reply)
    with pytest.raises(ConfigurationError, match=r"journal\.sqlite holds an outcome that cannot be read \(said on "):
        generate(seeds(*texts), [folder], run, teacher=teacher)
    assert not teacher.asked


@pytest.mark.parametrize("gone", ["file", "directory", "replaced"])
def test_a_journal_that_is_deleted_under_a_run_stops_it_with_its_name(tmp_path: Path, folder: Path, gone: str) -> None:
    run, asked = tmp_path / "run", 0

    def reply(question: Question) -> str:
        nonlocal asked
        asked += 1
        if asked == 30:
            (run / "journal.sqlite").rename(tmp_path / "aside")
            if gone == "directory":
                shutil.rmtree(run)
            if gone == "replaced":
                shutil.copy(tmp_path / "aside", run / "journal.sqlite")
        return _reply(question)

    options = TeacherOptions(teacher=Teacher(reply), concurrency=4)
    with pytest.raises(AgentInstructError, match=r"journal\.sqlite was deleted or replaced|cannot write"):
        generate(seeds(*(f"Text {number}." for number in range(100))), [folder], run, teacher=options)
    assert asked < 60
