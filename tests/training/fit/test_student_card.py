"""A student's card says what it was made from, and nothing a stranger wrote breaks out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentinstruct.training.fit.folder import Fit
from agentinstruct.training.fit.student_card import write_student_card
from agentinstruct.training.settings import SftSettings

pytestmark = pytest.mark.slow

TOLD = SftSettings(learning_rate=1e-5)


def card_of(folder: Path, **values: Any) -> tuple[dict[str, Any], str]:
    """Return a written card's header and its Markdown, as the Hub splits them."""
    folder.mkdir(exist_ok=True)
    fit = Fit(steps=7, tokens=1234, loss=1.25, seconds=9.5, folder=folder)
    asked = {"method": "supervised fine-tuning", "base": "nobody/nothing", "data": [], "settings": TOLD}
    path = write_student_card(fit, **{**asked, **values})
    _, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), body


def source(folder: Path, header: str, body: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(f"---\n{header}\n---\n\n{body}", encoding="utf-8")
    return folder


def test_licences_are_rolled_up_over_phases(tmp_path: Path) -> None:
    base = source(tmp_path / "base", "license: apache-2.0\nbase_model: x/y")
    run = source(tmp_path / "run", 'license: "other"\nlicense_name: "cc0-1.0 AND mit"', "Made by the offline teacher.")
    header, body = card_of(tmp_path / "first", base=base, data=[run], recipe="orca-3")
    assert (header["license"], header["license_name"]) == ("other", "apache-2.0 AND cc0-1.0 AND mit")
    assert "base_model" not in header  # a folder here is nobody else's
    assert str(tmp_path) not in body.replace(f"{tmp_path.name}/", "")
    assert "after the recipe orca-3" in body
    assert "offline teacher" in body
    assert "| learning_rate | 1e-05 |" in body
    header, body = card_of(tmp_path / "second", base=tmp_path / "first", data=[run])
    assert header["license_name"] == "apache-2.0 AND cc0-1.0 AND mit"
    assert "offline teacher" in body
    same = source(tmp_path / "same", "license: apache-2.0")
    assert card_of(tmp_path / "third", base=base, data=[same])[0]["license"] == "apache-2.0"


def test_what_is_unknown_is_said_to_be(tmp_path: Path) -> None:
    base = source(tmp_path / "base", "license: mit")
    bare = tmp_path / "bare.jsonl"
    bare.write_text("{}\n")
    header, body = card_of(tmp_path / "out", base=base, data=[bare, "hf:someone/some.data:part"])
    assert (header["license"], header["license_name"]) == ("other", "mit")
    assert header["datasets"] == ["someone/some.data"]
    assert "bare.jsonl | unknown |" in body
    header, _ = card_of(tmp_path / "other", base="someone/some-model")
    assert (header["base_model"], header["license_name"]) == ("someone/some-model", "unknown")


hostile = st.text(st.sampled_from(list("ab|`<>[]#-\n\r\u2028\u202e\"'{}:\x85 ")), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=hostile, licence=hostile)
def test_no_name_or_licence_breaks_out_of_the_card(words: str, licence: str, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir(exist_ok=True)
    (base / "README.md").write_text(f"---\nlicense: {licence}\n---\n", encoding="utf-8")
    plain, expected = card_of(tmp_path / "plain", base=base, data=["hf:a"], recipe="r", counts={"rows": 1})
    header, body = card_of(
        tmp_path / "out", base=base, data=[f"hf:{words}"], recipe=words, counts={f"left out: {words}": words}
    )
    assert header.keys() - {"datasets"} == plain.keys() - {"datasets"}
    assert len(body.splitlines()) == len(expected.splitlines())
    assert [line.count("|") for line in body.splitlines()] == [line.count("|") for line in expected.splitlines()]
    for sign in "<[`":
        assert body.count(sign) == expected.count(sign)
