"""What a person gets who installs the built wheel or sdist: everything the package needs, and no other names."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and sdist without a network, from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel, which is what installing it without its dependencies comes to."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(target)
    return target


def _content(root: Path) -> set[str]:
    """Return the content files of a tree, as git would keep them."""
    ignored = {"__pycache__", ".mypy_cache", ".ruff_cache"}
    return {
        path.relative_to(root).as_posix()
        for folder in ("flows", "seeds")
        for path in (root / folder).rglob("*")
        if path.is_file() and not ignored & set(path.parts)
    }


def test_the_wheel_holds_every_flow_prompt_taxonomy_and_sample_seed(installed: Path) -> None:
    expected = _content(ROOT)
    assert {"flows/math_word_problems/solver.md", "seeds/sample/word_problems.jsonl"} <= expected
    assert expected <= _content(installed / "agentinstruct")


def test_the_wheel_holds_every_file_of_the_package(installed: Path) -> None:
    for path in (ROOT / "agentinstruct").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (installed / path.relative_to(ROOT)).is_file(), f"{path} is missing from the wheel"


def test_the_wheel_adds_one_importable_name(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"agentinstruct"}


def test_the_sdist_holds_what_the_wheel_is_built_from_and_the_tests(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert _content(ROOT) <= names
    assert {"pyproject.toml", "LICENSE", "agentinstruct/dataset/card.md", "tests/test_wheel.py"} <= names


def test_the_installed_wheel_lists_its_flows_and_generates(installed: Path, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}
        command = [sys.executable, "-P", "-m", "agentinstruct.cli", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert f"folder: {installed}" in run("flows", "show", "reading_comprehension")
    seeds = installed / "agentinstruct" / "seeds" / "sample"
    said = run(
        "generate", str(seeds / "word_problems.jsonl"), "-f", "math_word_problems", "-t", "recorded:sample", "-o", "run"
    )
    assert "6 = 6 done + 0 failed + 0 pending" in said
    run("flows", "new", "my_skill")
    assert "✓ pair" in run("preview", str(seeds / "texts"), "-f", "my_skill", "-t", "offline")
