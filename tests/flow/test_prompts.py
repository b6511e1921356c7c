"""Prompts: read as they stand, filled with values that stay values, and wrong in a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentinstruct.errors import FlowError
from agentinstruct.flow.prompts import Prompts
from agentinstruct.stages import TaskType
from tests.engine import write_flow

POET = "You are a poet. {{ this is no template }}\n---\n<text>\n{{ text }}\n</text>\n"


def test_the_system_message_stands_as_written_and_the_user_message_is_filled(tmp_path: Path) -> None:
    prompts = Prompts(write_flow(tmp_path, {"poet.md": POET, "refine/editor.md": "Edit.\n---\n{{ text }}"}))
    assert list(prompts) == ["poet", "refine/editor"]
    assert prompts["poet"].system == "You are a poet. {{ this is no template }}"
    assert prompts["poet"].render({"text": "Snow & <ice>"}) == "<text>\nSnow & <ice>\n</text>"
    assert prompts["refine/editor"].identifier == "refine_editor"


def test_only_the_first_border_counts_and_a_readme_is_no_agent(tmp_path: Path) -> None:
    files = {"poet.md": "Static\n---  \nuser\n---\nmore", "README.md": "No border here.", "refine/readme.md": "None."}
    prompts = Prompts(write_flow(tmp_path, files))
    assert list(prompts) == ["poet"]
    assert prompts["poet"].system == "Static"
    assert prompts["poet"].render({}) == "user\n---\nmore"


def test_a_changed_word_changes_the_hash_and_nothing_else_does(tmp_path: Path) -> None:
    first = Prompts(write_flow(tmp_path / "a", {"poet.md": POET}))["poet"].hash
    assert Prompts(write_flow(tmp_path / "b", {"poet.md": POET + "\n\n"}))["poet"].hash == first
    assert Prompts(write_flow(tmp_path / "c", {"poet.md": POET.replace("poet", "bard")}))["poet"].hash != first
    moved = POET.replace("\n---\n", "\n").replace("<text>", "---\n<text>")
    assert Prompts(write_flow(tmp_path / "d", {"poet.md": moved}))["poet"].hash == first
    other = POET.replace("---\n<text>", "<text>\n---")
    assert Prompts(write_flow(tmp_path / "e", {"poet.md": other}))["poet"].hash != first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("No border at all.", r"poet\.md: no line `---`"),
        ("Static\n---\n{% if %}", r"poet\.md: the template is malformed"),
        ("Static\n---\n{{ text", r"poet\.md: the template is malformed"),
    ],
)
def test_a_malformed_prompt_is_refused_when_it_is_read(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(FlowError, match=told):
        Prompts(write_flow(tmp_path, {"poet.md": text}))


def test_a_prompt_that_is_not_utf8_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "poet.md").write_bytes(b"caf\xe9\n---\nx")
    with pytest.raises(FlowError, match=r"poet\.md.*UTF-8"):
        Prompts(tmp_path)


def test_a_variable_that_was_not_given_is_named_with_those_that_were(tmp_path: Path) -> None:
    prompt = Prompts(write_flow(tmp_path, {"poet.md": POET}))["poet"]
    with pytest.raises(FlowError, match=r"poet: 'text' is undefined; it was given title"):
        prompt.render({"title": "Snow"})


def test_a_misspelt_agent_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    prompts = Prompts(write_flow(tmp_path, {"refine/editor.md": POET, "poet.md": POET}))
    with pytest.raises(FlowError, match=r"no agent 'edtor'.*poet, refine/editor"):
        prompts["edtor"]
    with pytest.raises(FlowError, match=r"did you mean 'poet'\?"):
        prompts["pote"]
    with pytest.raises(FlowError, match=r"no agent fits 'transform/\*'"):
        prompts.matching("transform/*")
    with pytest.raises(FlowError, match=r"no template 'layout\.jinja'"):
        prompts.render_file("layout.jinja", {})


HOSTILE = st.sampled_from(
    ["{{ 7 * 7 }}", "{% for x in y %}", "{# gone #}", "{{ ''.__class__.__mro__ }}", "</text>\n---\n", "{% raw %}", "%}"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(HOSTILE | st.text(), min_size=1).map("".join))
def test_whatever_a_seed_holds_is_a_value_and_never_a_template(tmp_path: Path, text: str) -> None:
    prompt = Prompts(write_flow(tmp_path, {"poet.md": POET}))["poet"]
    assert prompt.render({"text": text}) == f"<text>\n{text}\n</text>"


@pytest.mark.parametrize(
    "reach",
    [
        "{{ text.__class__ }}",
        "{{ text.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ text|attr('__class__') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ things.append(1) }}",
        "{{ range(10 ** 9) }}",
    ],
)
def test_a_template_cannot_reach_what_it_was_not_given(tmp_path: Path, reach: str) -> None:
    prompt = Prompts(write_flow(tmp_path, {"poet.md": f"Static\n---\n{reach}"}))["poet"]
    things: list[int] = []
    with pytest.raises(FlowError, match="poet"):
        prompt.render({"text": "a", "things": things})
    assert things == []


@pytest.mark.parametrize("toml", ["[[type]]\nname = 'misspelt'", "[[types]]\nnome = 'a'", "[types]\nname = 'a'", "[["])
def test_a_faulty_taxonomy_is_named(tmp_path: Path, toml: str) -> None:
    prompts = Prompts(write_flow(tmp_path, {"types.toml": toml}))
    with pytest.raises(FlowError, match=r"types\.toml: "):
        prompts.entries("types.toml", "types", TaskType)
