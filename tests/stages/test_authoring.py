"""What is there for people who write flows: a folder that runs at once, and components for AutoGen Studio."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import ComponentLoader
from autogen_core.models import ChatCompletionClient

import agentinstruct
from agentinstruct.errors import ConfigurationError
from agentinstruct.flow.library import find_flow, shipped_flows
from agentinstruct.paths import SEEDS
from agentinstruct.stages import SuggesterEditorTeam
from agentinstruct.stages.authoring import export_components, new_flow
from tests.engine import pairs_of


def test_a_new_flow_runs_at_once_and_its_pairs_are_whole(tmp_path: Path) -> None:
    folder = new_flow("my_skill", tmp_path)
    skill = find_flow(folder)
    assert (skill.name, skill.flow.skill) == ("my_skill", "My Skill")
    assert set(skill.prompts) == {"writer", "responder"}
    summary = agentinstruct.generate(
        [SEEDS / "sample" / "texts"], [folder], tmp_path / "run", limit=6, teacher="offline"
    )
    assert summary.failed == 0
    rows = pairs_of(tmp_path / "run")
    assert rows
    for row in rows:
        asked, said = row["messages"]
        assert asked["content"].strip().endswith("?")
        assert said["content"]
        assert [each["agent"] for each in row["lineage"]["asked"]] == ["writer", "responder"]


def test_a_new_flow_is_made_where_it_is_wanted_and_never_over_another(tmp_path: Path) -> None:
    made = new_flow("my_skill", tmp_path / "deep" / "down")
    (made / "flow.py").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        new_flow("my_skill", tmp_path / "deep" / "down")
    assert (made / "flow.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["My-Skill", "1st", "", "../up", "a b", "class", "naïve", "a/b", "skill\n"])
def test_a_name_that_python_does_not_take_is_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="such as my_skill"):
        new_flow(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flow", shipped_flows())
def test_exported_components_load_back_through_autogen_and_hold_no_key(
    flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-secret")
    skill = find_flow(flow)
    text = json.dumps(export_components(skill, model="gpt-4.1"))
    assert "api_key" not in text
    assert "a-planted-secret" not in text

    components = json.loads(text)["components"]
    agents = [ComponentLoader.load_component(each, AssistantAgent) for each in components["agents"]]
    assert {agent.name for agent in agents} == {skill.prompts[name].identifier for name in skill.prompts}
    systems = {each["config"]["system_message"] for each in components["agents"]}
    assert systems == {skill.prompts[name].system for name in skill.prompts}
    (team,) = (ComponentLoader.load_component(each, SuggesterEditorTeam) for each in components["teams"])
    assert json.loads(team.dump_component().model_dump_json())["provider"].startswith("agentinstruct.")
    (model,) = (ChatCompletionClient.load_component(each) for each in components["models"])
    assert model.model_info["structured_output"]


def test_a_flow_without_a_team_exports_its_agents(tmp_path: Path) -> None:
    components = export_components(find_flow(new_flow("my_skill", tmp_path)), model="m")["components"]
    assert [each["config"]["name"] for each in components["agents"]] == ["responder", "writer"]
    assert components["teams"] == []
