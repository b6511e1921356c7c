"""The sample seeds: each has its origin on record, a licence that allows training, and text worth asking about."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from agentinstruct.readers import ReadOptions, read_seeds
from agentinstruct.records import Seed

SAMPLE = Path(__file__).resolve().parent.parent / "seeds" / "sample"
LICENCES = {"CC0-1.0"}
ORIGINS = tomllib.loads((SAMPLE / "SOURCES.toml").read_text(encoding="utf-8"))["files"]
PASSAGES = [origin["path"] for origin in ORIGINS if origin["kind"] in ("text", "textbook")]
CODE = [origin["path"] for origin in ORIGINS if origin["kind"] == "code"]
FULL_SENTENCE = re.compile(r"[.!?][\"')\]]*$")
SPDX = re.compile(r"^(?://|#|--|/\*) SPDX-License-Identifier: (\S+)(?: \*/)?$")


def read(path: str) -> str:
    return (SAMPLE / path).read_text(encoding="utf-8")


def words_of(path: str) -> list[str]:
    return re.findall(r"\w+(?:['’.,-]\w+)*", read(path))


def seeds() -> Iterator[Seed]:
    for item in read_seeds([SAMPLE], options=ReadOptions()):
        assert isinstance(item, Seed), str(item)
        yield item


def test_every_file_is_listed_once_with_its_origin_and_every_origin_has_its_file() -> None:
    found = (path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    there = {path.relative_to(SAMPLE).as_posix() for path in found} - {"SOURCES.toml", "recording.jsonl"}
    listed = Counter(origin["path"] for origin in ORIGINS)
    assert set(listed) == there
    assert max(listed.values()) == 1


def test_every_origin_is_complete_and_its_licence_allows_training() -> None:
    for origin in ORIGINS:
        assert set(origin) == {"path", "title", "kind", "license", "source"}
        assert all(value.strip() == value and value for value in origin.values()), origin
        assert origin["license"] in LICENCES, origin["path"]
        assert (origin["license"] == "CC0-1.0") == origin["source"].startswith("written for this project")


def test_kinds_follow_the_folders() -> None:
    folder_of_kind = {"text": "texts", "textbook": "textbook", "code": "code", "math": "word_problems.jsonl"}
    for origin in ORIGINS:
        assert origin["path"].split("/")[0] == folder_of_kind[origin["kind"]]


def test_the_readers_take_every_file_and_keep_licence_and_title() -> None:
    read_here = list(seeds())
    by_path = {origin["path"]: origin for origin in ORIGINS}
    seen = set()
    for seed in read_here:
        name = Path(str(seed.meta["path"])).as_posix().rpartition("seeds/sample/")[2].partition(":")[0]
        seen.add(name)
        assert (seed.kind, seed.license) == (by_path[name]["kind"], by_path[name]["license"])
        assert seed.kind == "math" or seed.meta["title"]
    assert seen == set(by_path)
    kinds = Counter(seed.kind for seed in read_here)
    assert kinds["text"] >= 9 and kinds["textbook"] >= 1
    assert kinds["code"] >= 12
    assert kinds["math"] == 6


@pytest.mark.parametrize("path", PASSAGES)
def test_a_passage_is_long_enough_to_ask_about_and_short_enough_to_read(path: str) -> None:
    assert 80 <= len(words_of(path)) <= 220


@pytest.mark.parametrize("path", [path for path in PASSAGES if path != "texts/ferry_times.txt"])  # a timetable
def test_a_passage_ends_in_a_full_sentence_and_so_do_its_paragraphs(path: str) -> None:
    text = read(path)
    assert FULL_SENTENCE.search(text.strip())
    for paragraph in re.split(r"\n\s*\n", text):
        if len(paragraph.split()) > 15 and not paragraph.lstrip().startswith("|"):
            assert re.search(r"[.!?:;,][\"')\]]*\s*$", paragraph), paragraph


def test_no_two_seeds_are_alike() -> None:
    """Two seeds that share a run of twelve words would yield pairs that differ only in name."""
    owner: dict[tuple[str, ...], str] = {}
    for seed in seeds():
        if seed.kind in ("code", "math"):
            continue
        words = re.findall(r"\w+", seed.text.lower())
        for start in range(len(words) - 11):
            assert owner.setdefault(tuple(words[start : start + 12]), seed.id) == seed.id, words[start : start + 12]


@pytest.mark.parametrize("path", CODE)
def test_a_source_file_states_the_licence_it_is_listed_with(path: str) -> None:
    lines = read(path).splitlines()
    stated = [match[1] for line in lines[:2] if (match := SPDX.match(line))]
    assert stated == ["CC0-1.0"]
    assert 40 <= len(lines) <= 120
    assert all(len(line) <= 120 and line == line.rstrip() for line in lines)


@pytest.mark.parametrize("path", [path for path in CODE if path.endswith(".py")])
def test_python_samples_document_themselves_and_their_demonstrations_run(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runpy.run_path(str(SAMPLE / path), run_name="__main__")["__doc__"]
    assert capsys.readouterr().out


def test_the_word_problems_parse_and_have_one_number_for_an_answer() -> None:
    rows = [json.loads(line) for line in read("word_problems.jsonl").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 6
    assert len({row["problem"] for row in rows}) == len(rows)
    for row in rows:
        assert row["license"] in LICENCES
        assert Decimal(row["answer"]).is_finite()
        assert row["problem"].endswith("?") or FULL_SENTENCE.search(row["problem"])
