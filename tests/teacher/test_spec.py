"""Teachers opened from what a person writes, and a whole run on an AutoGen client from a component file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentinstruct import TeacherOptions, generate
from agentinstruct.errors import ConfigurationError
from agentinstruct.paths import SEEDS
from agentinstruct.teacher.layer import identity_of
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.spec import Sampling, open_client
from tests.engine import pairs_of, sample_answer
from tests.openai_server import OpenAIServer

PROBLEMS = SEEDS / "sample" / "word_problems.jsonl"
KEY = "sk-a-key-that-stays-in-the-environment"


def _component(folder: Path, server: OpenAIServer, *, structured: bool) -> Path:
    config = {
        "provider": "autogen_ext.models.openai.OpenAIChatCompletionClient",
        "component_type": "model",
        "version": 1,
        "component_version": 1,
        "config": {
            "model": "local",
            "base_url": server.base_url,
            "max_tokens": 2048,
            "model_info": {
                "vision": False,
                "function_calling": True,
                "json_output": True,
                "structured_output": structured,
                "family": "unknown",
            },
        },
    }
    path = folder / "client.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def test_a_component_file_teaches_a_run_and_its_key_is_written_nowhere(
    tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    openai_server.answer = sample_answer
    teacher = TeacherOptions(teacher=str(_component(tmp_path, openai_server, structured=True)))
    near = generate([PROBLEMS], ["math_word_problems"], tmp_path / "near", teacher="recorded:sample", limit=4)
    far = generate([PROBLEMS], ["math_word_problems"], tmp_path / "far", teacher=teacher, limit=4)
    assert far.pairs == near.pairs > 10
    assert [row["messages"] for row in pairs_of(tmp_path / "far")] == [
        row["messages"] for row in pairs_of(tmp_path / "near")
    ]
    asked = len(openai_server.requests)
    generate([PROBLEMS], ["math_word_problems"], tmp_path / "far", teacher=teacher, limit=4)
    assert len(openai_server.requests) == asked
    for path in (tmp_path / "far").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def test_a_component_without_structured_output_is_told_the_schema_in_words(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.answer = lambda request: "no JSON at all"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_API_KEY", KEY)
        teacher = TeacherOptions(teacher=str(_component(tmp_path, openai_server, structured=False)))
        generate([PROBLEMS], ["math_word_problems"], tmp_path / "run", teacher=teacher, limit=1)
    for request in openai_server.requests:
        assert "response_format" not in request
        (told,) = (turn["content"] for turn in request["messages"] if turn["role"] == "system")
        assert "fits this schema" in told
        assert '"properties"' in told


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("gpt-4", "openai:MODEL"),
        ("openai:", "openai:MODEL"),
        ("nowhere.json", "cannot read"),
    ],
)
def test_a_spec_that_names_no_teacher_is_refused_with_those_there_are(spec: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        open_client(spec)


def test_sampling_is_part_of_what_a_teacher_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    client = open_client("openai:small", sampling=Sampling(temperature=0.7, top_p=0.95, max_tokens=100))
    assert isinstance(client, OpenAITeacher)
    identity = identity_of(client)
    assert (identity["model"], identity["temperature"], identity["top_p"], identity["max_tokens"]) == (
        "small",
        0.7,
        0.95,
        100,
    )
    assert KEY not in repr(identity)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (TeacherOptions(teacher="offline", base_url="http://127.0.0.1:9"), "base_url"),
        (TeacherOptions(teacher="recorded:sample", sampling=Sampling(temperature=0.5)), "temperature"),
    ],
)
def test_settings_that_no_teacher_would_heed_are_refused(options: TeacherOptions, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{named} is only for"):
        generate([PROBLEMS], ["math_word_problems"], tmp_path / "run", teacher=options)
