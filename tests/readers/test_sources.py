"""Folders, globs and what a person may mistype: the order of files, what is left out, and what `SOURCES.toml` says."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from agentinstruct.errors import ConfigurationError, SeedError
from agentinstruct.readers import ReadOptions, read_seeds

from .conftest import PASSAGE, Read


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{PASSAGE} This is told in {name.replace('.', ' ')}.")


def test_a_folder_is_read_in_sorted_order_and_without_what_is_hidden(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "b.md", "a/z.txt", "a/b/c.txt", "c.rst", ".git/x.txt", ".hidden.md", "__pycache__/y.txt")
    seeds, skipped = read(tmp_path)
    names = [Path(seed.source).relative_to(tmp_path).as_posix() for seed in seeds]
    assert names == ["a/b/c.txt", "a/z.txt", "b.md", "c.rst"]
    assert not skipped


def test_installed_packages_below_a_folder_are_named_and_left_out(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "a.md", "node_modules/left-pad/README.md", "x-1.0.dist-info/METADATA")
    seeds, skipped = read(tmp_path)
    assert len(seeds) == 1
    assert [Path(item.source).name for item in skipped] == ["node_modules", "x-1.0.dist-info"]
    assert len(read(tmp_path / "node_modules")[0]) == 1


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("docs/**/*.md", ["docs/a.md", "docs/deep/er/b.md"]),
        ("docs/*.md", ["docs/a.md"]),
        ("**/[bc].*", ["docs/deep/er/b.md", "docs/deep/er/c.txt"]),
        ("docs/**", ["docs/a.md", "docs/deep/er/b.md", "docs/deep/er/c.txt"]),
        ("docs/deep/er/?.[!m]*", ["docs/deep/er/c.txt"]),
    ],
)
def test_a_glob_reads_what_it_matches(tmp_path: Path, read: Read, pattern: str, names: list[str]) -> None:
    plant(tmp_path, "docs/a.md", "docs/deep/er/b.md", "docs/deep/er/c.txt", "other.md")
    seeds, _ = read(tmp_path / pattern)
    assert [Path(seed.source).relative_to(tmp_path).as_posix() for seed in seeds] == names


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "inside/a.txt", "outside/secret.txt")
    (tmp_path / "inside/b.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tmp_path / "inside/loop").symlink_to(tmp_path / "inside")
    (tmp_path / "inside/gone.txt").symlink_to(tmp_path / "inside/nowhere")
    seeds, skipped = read(tmp_path / "inside")
    assert [Path(seed.source).name for seed in seeds] == ["a.txt"]
    reasons = ["is a link that leaves the folder", "is a broken link", "is a link to a folder"]
    assert [item.reason for item in skipped] == reasons


def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Read) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert [item.reason for item in read(tmp_path)[1]] == ["is not a regular file"]
    assert [item.reason for item in read(tmp_path / "pipe.txt")[1]] == ["is not a regular file"]


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "notes.xyz", "LICENSE")
    assert len(read(tmp_path / "notes.xyz")[0]) == 1
    assert len(read(tmp_path / "LICENSE")[0]) == 1
    assert not read(tmp_path)[0]


def test_a_missing_source_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    plant(tmp_path, "passages.txt")
    with pytest.raises(SeedError, match=r"did you mean '.*passages\.txt'"):
        read_seeds([tmp_path / "passage.txt"], options=ReadOptions())
    with pytest.raises(SeedError, match="nor is there a folder"):
        read_seeds([tmp_path / "no" / "where.txt"], options=ReadOptions())
    with pytest.raises(SeedError, match="no file matches"):
        read_seeds([tmp_path / "*.pdf"], options=ReadOptions())
    with pytest.raises(SeedError, match="no source"):
        read_seeds([], options=ReadOptions())


def test_a_seed_too_small_to_ask_about_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="give 50 or more"):
        ReadOptions(seed_tokens=10)


def test_sources_toml_gives_kind_licence_source_and_title(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "history/salt.md", "history/silk.md", "code.txt", "other.md")
    (tmp_path / "SOURCES.toml").write_text(
        """
        [[files]]
        path = "history/salt.md"
        kind = "textbook"
        license = "CC0-1.0"
        source = "https://example.org/salt"
        title = "A history of salt"

        [[files]]
        path = "history/*"
        license = "CC-BY-4.0"
        source = "told by the camel drivers"
        """
    )
    seeds, skipped = read(tmp_path, license="MIT")
    by_name = {Path(str(seed.meta["path"])).name: seed for seed in seeds}
    salt = by_name["salt.md"]
    assert (salt.kind, salt.license, salt.source) == ("textbook", "CC0-1.0", "https://example.org/salt")
    silk = by_name["silk.md"]
    assert (silk.source, silk.meta["origin"]) == (silk.meta["path"], "told by the camel drivers")
    assert salt.meta["title"] == "A history of salt"
    assert (by_name["silk.md"].license, by_name["other.md"].license) == ("CC-BY-4.0", "MIT")
    assert not skipped
    assert read(tmp_path / "history", license="MIT")[0][0].license == "MIT"
    assert read(tmp_path / "*.md", license="MIT")[0][0].license == "MIT"


def test_a_kind_that_is_asked_for_overrules_every_other(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "a.md", "b.py")
    assert {seed.kind for seed in read(tmp_path, kind="textbook")[0]} == {"textbook"}
    seeds, skipped = read(tmp_path, kind="math")
    assert not seeds
    assert all("answer column" in item.reason for item in skipped)


@pytest.mark.parametrize("text", ["[[files]\n", "[[files]]\nlicence = 'MIT'\n", "[[files]]\nkind = 'novel'\n"])
def test_a_malformed_sources_toml_is_an_error_that_names_it(tmp_path: Path, read: Read, text: str) -> None:
    plant(tmp_path, "a.md")
    (tmp_path / "SOURCES.toml").write_text(text)
    with pytest.raises(SeedError, match=r"SOURCES\.toml"):
        read(tmp_path)


def test_reading_twice_gives_the_same_seeds(tmp_path: Path, read: Read) -> None:
    plant(tmp_path, "a.md", "b/c.txt", "b/d.py")
    assert read(tmp_path) == read(tmp_path)


def test_files_are_read_one_at_a_time_as_seeds_are_asked_for(tmp_path: Path) -> None:
    plant(tmp_path, *(f"{number:03}.txt" for number in range(50)))
    seeds = read_seeds([tmp_path], options=ReadOptions())
    first = list(itertools.islice(seeds, 2))
    for path in tmp_path.glob("0[1-4]*.txt"):
        path.write_text("")
    rest = list(seeds)
    assert len(first) == 2
    assert sum("is empty" in str(getattr(item, "reason", "")) for item in rest) == 40
