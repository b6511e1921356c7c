"""Every command, program and file in README.md, done in the order of the page in a fresh directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine import sample_answer
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(?P<language>\w+)(?: +(?P<info>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SETTING_UP = re.compile(r"(git clone|cd|pip install|python3? -m (pip|venv)|source|export OPENAI_API_KEY)\b")
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: `info` is what stands after the language, a path where the block is a file to be written."""

    language: str
    info: str
    text: str

    @property
    def is_file(self) -> bool:
        return "/" in self.info


BLOCKS = [Block(each["language"], each["info"] or "", each["text"]) for each in _FENCE.finditer(README)]


def _recipe(target: str) -> str:
    """Return the commands of a Makefile target that call agentinstruct; the target must be there."""
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert found, f"README.md names `make {target}`, which the Makefile does not have"
    lines = [line.strip() for line in found[1].splitlines()]
    return "\n".join(line.removeprefix("$(BIN)/") for line in lines if line.startswith("$(BIN)/agentinstruct"))


def _script(text: str) -> str:
    """Return a block's commands; what would set up an environment is replaced by what is left of it here."""
    lines = []
    for line in text.splitlines():
        if found := re.match(r"make (\w+)", line):
            lines.append(_recipe(found[1]))
        elif not _SETTING_UP.match(line):
            lines.append(line)
    return "set -euo pipefail\n" + "\n".join(lines)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out what a clone has, with `agentinstruct` and `python` on a path of their own."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("seeds", "flows", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    shutil.copy(ROOT / "README.md", folder)
    (folder / "bin").mkdir()
    for name, words in (("agentinstruct", "-m agentinstruct.cli"), ("python", "")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        script.chmod(0o755)
    return folder


def _run(block: Block, checkout: Path, **more: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environment |= {
        "PATH": f"{checkout / 'bin'}:{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(checkout / "home"),
        **more,
    }
    words = ["bash", "-c", _script(block.text)] if block.language == "bash" else [sys.executable, "-c", block.text]
    done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_the_blocks_of_the_readme_do_what_they_say_one_after_another(
    checkout: Path, openai_server: OpenAIServer
) -> None:
    openai_server.answer = sample_answer
    for block in BLOCKS:
        if block.is_file:
            path = checkout / block.info
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.info == "real-teacher":
            _run(block, checkout, OPENAI_API_KEY="dummy", OPENAI_BASE_URL=openai_server.base_url)
            assert openai_server.requests
        elif block.language in ("bash", "python"):
            _run(block, checkout)


def test_the_readme_has_the_blocks_that_a_newcomer_needs() -> None:
    commands = "\n".join(block.text for block in BLOCKS if block.language == "bash")
    for command in ("make demo", "agentinstruct generate", "agentinstruct preview", "agentinstruct estimate"):
        assert command in commands
    assert any(block.info == "real-teacher" for block in BLOCKS)
    assert any(block.is_file and block.language == "python" and "@flow" in block.text for block in BLOCKS)
    assert any(block.language == "python" and "agentinstruct.generate(" in block.text for block in BLOCKS)


@pytest.mark.parametrize("link", sorted(set(_LINK.findall(README))))
def test_each_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", ["demo", "test", "quick", "lint", "clean"])
def test_the_makefile_has_the_targets_that_people_expect(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_the_next_step_that_the_demo_prints_is_a_command_that_works(
    checkout: Path, openai_server: OpenAIServer
) -> None:
    found = re.search(r'@echo "  \$\(BIN\)/(agentinstruct generate .*)"', MAKEFILE)
    assert found
    openai_server.answer = sample_answer
    command = f"{found[1]} --limit 2".replace("runs/first", "runs/next")
    _run(Block("bash", "", command), checkout, OPENAI_API_KEY="dummy", OPENAI_BASE_URL=openai_server.base_url)
    assert openai_server.requests
