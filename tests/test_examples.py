"""Every example runs: on recorded replies, or on the placeholders of the offline teacher."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import agentinstruct
from agentinstruct.dataset.parquet import read_pairs
from agentinstruct.paths import SEEDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
TEXTS = SEEDS / "sample" / "texts"


def test_the_glossary_keeps_only_terms_that_the_passage_explains(tmp_path: Path) -> None:
    summary = agentinstruct.generate([TEXTS], [EXAMPLES / "glossary"], tmp_path / "run", teacher="offline")
    assert summary.pairs > 0
    for row in read_pairs(tmp_path / "run"):
        asked = row["messages"][0]["content"]
        term = re.search(r"What does the text say about (.+)\?$", asked)
        assert term and term[1].casefold() in " ".join(asked.casefold().split())


def test_a_stock_group_chat_answers_in_a_flow(tmp_path: Path) -> None:
    flow = EXAMPLES / "reviewed_answer"
    summary = agentinstruct.generate([TEXTS], [flow], tmp_path / "run", limit=4, teacher="offline")
    assert (summary.pairs, summary.failed) == (4, 0)
    for row in read_pairs(tmp_path / "run"):
        assert "APPROVE" not in row["messages"][-1]["content"]
        assert {each["agent"] for each in row["lineage"]["asked"]} == {"asker", "team"}


def test_the_job_file_makes_a_run(tmp_path: Path) -> None:
    words = ["generate", "--job", "examples/job.toml", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "agentinstruct.cli", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list(read_pairs(tmp_path / "run"))) == 20


def test_the_tour_of_the_api_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    tour = runpy.run_path(str(EXAMPLES / "api_tour.py"))
    tour["main"](tmp_path / "run")
    assert re.search(r"^[1-9]\d* pairs from 5 items", capsys.readouterr().out, re.MULTILINE)


def test_the_readme_shows_the_glossary_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in sorted((EXAMPLES / "glossary").iterdir()):
        if path.is_file():
            assert path.read_text(encoding="utf-8").strip() in readme
