"""For people who write flows: a new flow's folder, and a flow's agents as components for AutoGen Studio."""

from __future__ import annotations

import json
import re
from keyword import iskeyword
from pathlib import Path
from typing import Any

from jinja2 import Template

from agentinstruct.errors import ConfigurationError
from agentinstruct.flow import Skill

_SCAFFOLD = Path(__file__).with_name("scaffold")


def new_flow(name: str, folder: Path) -> Path:
    """Write a flow called `name` into `folder`/`name`: it runs at once, on the offline teacher too.

    Raises `ConfigurationError` when the name is no Python name or the folder exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise ConfigurationError(f"{name!r} cannot name a flow: use lower-case letters, digits and _, such as my_skill")
    target = folder / name
    if target.exists():
        raise ConfigurationError(f"{target} exists already: choose another name, or delete it first")
    target.mkdir(parents=True)
    title = name.replace("_", " ").title()
    code = Template((_SCAFFOLD / "flow.py.txt").read_text(encoding="utf-8"), keep_trailing_newline=True)
    (target / "flow.py").write_text(code.render(name=name, title=title), encoding="utf-8")
    for prompt in sorted(_SCAFFOLD.glob("*.md")):
        (target / prompt.name).write_text(prompt.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def export_components(skill: Skill, *, model: str) -> dict[str, Any]:
    """Return a gallery for AutoGen Studio: the flow's agents, and its suggester–editor team where it has one.

    The model's entry holds no key: it is taken from the environment of whoever loads it.
    """
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    from agentinstruct.stages import SuggesterEditor, SuggesterEditorTeam

    client = OpenAIChatCompletionClient(
        model=model,
        api_key="set OPENAI_API_KEY instead",
        model_info={
            "vision": False,
            "function_calling": True,
            "json_output": True,
            "structured_output": True,
            "family": "unknown",
        },
    )

    def agent(name: str) -> AssistantAgent:
        prompt = skill.prompts[name]
        description = f"The agent {name} of the flow {skill.name}."
        return AssistantAgent(prompt.identifier, client, description=description, system_message=prompt.system)

    agents = {name: agent(name) for name in skill.prompts}
    teams = []
    stage = getattr(skill.flow, "refine", None)
    if isinstance(stage, SuggesterEditor):
        template = skill.prompts[stage.editor].user
        team = SuggesterEditorTeam(
            agents[stage.suggester], agents[stage.editor], suggestion_template=template, edits=stage.edits
        )
        teams.append(_component(team))
    return {
        "id": skill.name,
        "name": skill.flow.skill,
        "url": None,
        "metadata": {"author": "agentinstruct", "version": skill.fingerprint, "description": skill.description},
        "components": {
            "agents": [_component(each) for each in agents.values()],
            "models": [_component(client)],
            "tools": [],
            "terminations": [],
            "teams": teams,
        },
    }


def _component(component: Any) -> Any:
    return _without_keys(json.loads(component.dump_component().model_dump_json()))


def _without_keys(value: Any) -> Any:
    """Drop `api_key` entries: a key belongs in the environment, even a masked one has no place in a file."""
    match value:
        case dict():
            return {name: _without_keys(entry) for name, entry in value.items() if name != "api_key"}
        case list():
            return [_without_keys(entry) for entry in value]
        case _:
            return value
