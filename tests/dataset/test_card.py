"""The dataset card: its numbers are the data's, what strangers wrote cannot break out of it, and no key is near it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentinstruct
from agentinstruct import Seed, TeacherOptions
from agentinstruct.dataset.card import render_card
from agentinstruct.dataset.parquet import Counts
from agentinstruct.errors import AgentInstructError
from agentinstruct.flow.library import find_flow
from agentinstruct.paths import SEEDS
from tests.engine import pairs_of, rejected_of, sample_answer, write_flow
from tests.openai_server import OpenAIServer

PROBLEMS = SEEDS / "sample" / "word_problems.jsonl"
FLOW = {
    "flow.py": '''
from agentinstruct import Pair
from agentinstruct.flow import flow

@flow(skill="Echoing", kinds=("text",))
async def echoing(seed, ask):
    """One pair a seed, without a question to the teacher."""
    yield Pair.of(seed.text, "Yes.")
'''
}


def _split(card: str) -> tuple[dict[str, Any], str]:
    """Return the card's metadata and its Markdown, as the Hub splits them."""
    _, header, body = card.split("---\n", 2)
    return yaml.safe_load(header), body


def _table(body: str, head: str) -> list[list[str]]:
    """Return the cells of the table whose first line starts with `head`."""
    _, _, rest = body.partition(f"| {head}")
    lines = rest.split("\n")[2:]
    rows = lines[: next((place for place, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_cards_numbers_are_those_of_the_data(tmp_path: Path) -> None:
    summary = agentinstruct.generate([PROBLEMS], ["math_word_problems"], tmp_path / "run", teacher="recorded:sample")
    metadata, body = _split((tmp_path / "run" / "README.md").read_text(encoding="utf-8"))
    rows, rejections = pairs_of(tmp_path / "run"), rejected_of(tmp_path / "run")

    assert f"{len(rows)} accepted, {len(rejections)} rejected" in body
    assert summary.pairs == len(rows)
    types = Counter((row["skill"], row["type"]) for row in rows)
    assert {(skill, kind): int(number) for skill, kind, number in _table(body, "skill")} == types
    checks = Counter(verdict["check"] for row in rows for verdict in row["verdicts"])
    assert {check: int(number) for check, number in _table(body, "check")} == checks
    reasons = Counter((row["lineage"]["flow"], row["stage"], row["reason"]) for row in rejections)
    assert {(flow, stage, why): int(number) for flow, stage, why, number in _table(body, "flow")} == reasons
    licenses = Counter(row["license"] for row in rows)
    assert {name: int(number) for name, number in _table(body, "licence")} == licenses
    assert metadata["license"] == "cc0-1.0"
    assert metadata["configs"][0]["data_files"] == [{"split": "train", "path": "pairs/*.parquet"}]
    assert ["large-language-model", str(summary.calls)] in _table(body, "answered by")
    assert "recording.jsonl: The replies were written for this project by a large language model" in body
    assert "offline" not in body


def test_licences_that_differ_are_rolled_up_and_an_unknown_one_is_said(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "echoing", FLOW)
    known = [Seed.of("One?", license="MIT"), Seed.of("Two?", license="CC-BY-4.0")]
    agentinstruct.generate(known, [flow], tmp_path / "known", teacher="offline")
    metadata, body = _split((tmp_path / "known" / "README.md").read_text())
    assert (metadata["license"], metadata["license_name"]) == ("other", "cc-by-4.0 AND mit")
    assert "find out before you publish" not in body
    agentinstruct.generate([*known, Seed.of("Three?")], [flow], tmp_path / "unknown", teacher="offline")
    metadata, body = _split((tmp_path / "unknown" / "README.md").read_text())
    assert metadata["license"] == "other"
    assert "find out before you publish" in body
    assert "Do not train on this." in body


HOSTILE = [
    "MIT |\n---\nlicense: evil\n---\n# Owned",
    "<script>alert(1)</script>",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "`code` ```\n```\n",
    "MIT | 9999 |\r| forged | 1",
    '"\n- injected: true\n#',
    "{{ 7 * 7 }} {% raw %}",
    "a\u2028b\u0085c\x0bd\x0ce\x1cf",
]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=30), min_size=1, max_size=4, unique=True))
def test_what_a_seed_says_cannot_break_out_of_its_cell(licenses: list[str]) -> None:
    counts = Counts(pairs=len(licenses), by_license=Counter(licenses))
    counts.by_type = Counter((name, name) for name in licenses)
    counts.by_reason = Counter((name, name, name) for name in licenses)
    counts.rejections = len(licenses)
    card = render_card(
        (find_flow("math_word_problems"),),
        {"": {"client": licenses[0]}},
        counts,
        run_seed=0,
        authors=Counter(licenses),
        recordings=[(name, name) for name in licenses],
    )

    metadata, body = _split(card)
    assert set(metadata) <= {"license", "license_name", "task_categories", "tags", "size_categories", "configs"}
    assert len(_table(body, "licence")) == len(licenses)
    assert {len(row) for row in _table(body, "flow")} == {4}
    assert {len(row) for row in _table(body, "answered by")} == {2}
    assert [line for line in body.splitlines() if line.startswith("#")] == [
        "# Math Word Problems",
        *(f"## {name}" for name in ("What is in it", "How the pairs were checked", "Yield", "Teacher")),
        *(f"## {name}" for name in ("Licences of the seeds", "How to read it")),
    ]
    prose = re.sub(r"(?s)```python.*?```|`[^`\n]*`", "", body)
    assert not re.search(r"[<>`]|\]\(", prose)


@pytest.mark.parametrize("accepts", [True, False])
def test_no_byte_of_a_run_directory_holds_the_key(
    tmp_path: Path,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    accepts: bool,
) -> None:
    key = "sk-planted-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    openai_server.answer = sample_answer
    openai_server.key = key if accepts else "another"
    teacher = TeacherOptions(teacher="openai:m", base_url=openai_server.base_url)
    said = ""
    try:
        summary = agentinstruct.generate([PROBLEMS], ["math_word_problems"], tmp_path / "run", teacher=teacher, limit=2)
        assert accepts
        assert summary.pairs
    except AgentInstructError as error:
        said = repr(error)
        assert not accepts
    assert any(key in str(headers) for headers in openai_server.headers)
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {"manifest.json", "journal.sqlite", "README.md"} <= {path.name for path in written}
    for path in written:
        assert key.encode() not in path.read_bytes(), f"the key is in {path}"
    assert key not in said + "".join(capfd.readouterr())
