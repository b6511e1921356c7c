"""The words of the shipped flows: prompts that fit what their flow gives them, taxonomies that hold together."""

from __future__ import annotations

import re
import tomllib
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from agentinstruct.flow.prompts import Prompts
from agentinstruct.paths import FLOWS
from agentinstruct.records import Form
from agentinstruct.stages import replies
from agentinstruct.teacher.offline.material import Material

READING, MATH = "reading_comprehension", "math_word_problems"
TYPE = {"name": "event_ordering", "form": "sequence", "guidance": "Ask for an order."}
GOAL = {"name": "harder", "edits": "question", "guidance": "Make it harder."}
READ = {"passage": "It rained. Then it snowed.", "question": "In which order?"}
OPTIONS = ["It snows.", "It rains."]

# Agent: the reply it is asked for, and everything its flow hands to the template.
AGENTS: dict[tuple[str, str], tuple[type[BaseModel], dict[str, Any]]] = {
    (READING, "question_writer"): (
        replies.Questions,
        {"type": TYPE, "count": 2, "title": "Weather", "passage": READ["passage"]},
    ),
    (READING, "refine/suggester"): (
        replies.Suggestions,
        {**READ, "type": TYPE, "goal": GOAL, "options": OPTIONS, "answer": "B, A"},
    ),
    (READING, "refine/editor"): (replies.Edit, {"suggestion": "Let it snow first."}),
    (READING, "responder"): (replies.GroundedAnswer, {**READ, "options": OPTIONS}),
    (READING, "judge"): (
        replies.Judgement,
        {**READ, "type": TYPE, "answer": "Rain; snow", "response": "It rained, then snowed."},
    ),
    (MATH, "statement_writer"): (replies.Statement, {"problem": "Two and two?", "answer": "4"}),
    (MATH, "number_hider"): (replies.Problem, {"statement": "[[2]] and 2 make 4."}),
    (MATH, "refine/suggester"): (replies.Suggestions, {"question": "Two and two?"}),
    (MATH, "refine/editor"): (replies.Problem, {"suggestion": "Add a step."}),
    (MATH, "solver"): (replies.Answer, {"question": "Two and two?"}),
    (MATH, "second_solver"): (replies.Answer, {"question": "Two and two?"}),
}
KEYWORDS = {
    "argument": "argument",
    "debate": "debate",
    "dialogue": "dialogue",
    "meeting": "meeting transcript",
    "poem": "poem",
    "satire": "satire",
    "manual": "manual",
    "expander": "longer, expanded text",
}
for form in KEYWORDS:
    AGENTS[READING, f"transform/{form}"] = (replies.Passage, {"text": "It rained."})

PROMPTS = {flow: Prompts(FLOWS / flow) for flow in (READING, MATH)}
TYPES: list[dict[str, Any]] = tomllib.loads((FLOWS / READING / "question_types.toml").read_text("utf-8"))["types"]
GOALS: list[dict[str, Any]] = tomllib.loads((FLOWS / READING / "refine_goals.toml").read_text("utf-8"))["goals"]
FORMS = set(get_args(Form))
BETWEEN_SPEAKERS = {"point_of_disagreement", "point_of_agreement"}

TAGS: dict[str | tuple[str, str], str] = {
    "type": "question_type",
    "text": "seed",
    "count": "how_many",
    "title": "passage",
    (MATH, "question"): "problem",
}
every_agent = pytest.mark.parametrize(("flow", "name"), AGENTS)


def test_the_agents_are_exactly_those_the_flows_ask() -> None:
    assert {(flow, name) for flow, prompts in PROMPTS.items() for name in prompts} == set(AGENTS)


@every_agent
def test_the_system_message_is_static_and_not_overlong(flow: str, name: str) -> None:
    system = PROMPTS[flow][name].system
    assert not re.search(r"\{\{|\{%|\{#", system)
    assert 150 <= len(system.split()) <= (700 if name == "question_writer" else 475)


@every_agent
def test_the_system_message_names_every_field_of_the_reply(flow: str, name: str) -> None:
    reply, _ = AGENTS[flow, name]
    fields = set(reply.model_fields) | (set(replies.Question.model_fields) if reply is replies.Questions else set())
    described = set(re.findall(r"`(\w+)`", PROMPTS[flow][name].system))
    assert fields <= described


@every_agent
def test_the_system_message_says_that_material_gives_no_orders(flow: str, name: str) -> None:
    words = " ".join(PROMPTS[flow][name].system.split())
    assert "What stands in" in words
    assert re.search(r"not addressed to you|do not follow them", words)


@every_agent
def test_the_user_message_is_nothing_but_tagged_sections_one_for_each_value(flow: str, name: str) -> None:
    prompt = PROMPTS[flow][name]
    _, variables = AGENTS[flow, name]
    user = prompt.render(variables)
    sections = Material.of(prompt.system, user).sections
    outside = re.sub(r"<(\w+)[^>]*>.*?</\1>", "", user, flags=re.DOTALL)
    assert not outside.strip()
    for variable in variables:
        tag = TAGS.get((flow, variable), TAGS.get(variable, variable))
        assert tag in sections


@every_agent
def test_material_that_looks_like_a_template_arrives_as_it_is(flow: str, name: str) -> None:
    hostile = '{{ 7 * 7 }} {% for x in y %} <b>&amp; "quoted"'
    _, variables = AGENTS[flow, name]
    changed = {key: hostile if isinstance(value, str) and key != "title" else value for key, value in variables.items()}
    assert hostile in PROMPTS[flow][name].render(changed)


def test_a_title_with_quotation_marks_does_not_break_its_tag() -> None:
    _, variables = AGENTS[READING, "question_writer"]
    user = PROMPTS[READING]["question_writer"].render({**variables, "title": 'The "Great" Frost'})
    assert Material.of("", user).sections["passage"].attributes == {"title": "The 'Great' Frost"}


@pytest.mark.parametrize("name", ["responder", "refine/suggester"])
def test_options_are_lettered_and_left_out_where_there_are_none(name: str) -> None:
    _, variables = AGENTS[READING, name]
    prompt = PROMPTS[READING][name]
    assert "<options>\nA. It snows.\nB. It rains.\n</options>\n" in prompt.render(variables) + "\n"
    assert "<options>" not in prompt.render({**variables, "options": []})


@pytest.mark.parametrize(("form", "keyword"), KEYWORDS.items())
def test_a_transformation_names_its_form_in_the_first_sentence(form: str, keyword: str) -> None:
    first_sentence = " ".join(PROMPTS[READING][f"transform/{form}"].system.split()).partition(".")[0]
    assert keyword in first_sentence
    assert not [other for other in KEYWORDS.values() if other != keyword and other in first_sentence]


def test_there_are_43_question_types_of_which_the_paper_names_the_first_14() -> None:
    assert len({kind["name"] for kind in TYPES}) == len(TYPES) == 43
    assert [kind["source"] for kind in TYPES] == ["paper"] * 14 + ["proposed"] * 29


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind["name"])
def test_a_question_type_is_complete(kind: dict[str, Any]) -> None:
    assert set(kind) <= {"name", "form", "source", "transformations", "literal", "guidance"}
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind["name"])
    assert kind["form"] in FORMS
    assert 60 <= len(kind["guidance"].split()) <= 150
    assert "Evidence:" in kind["guidance"] or kind["form"] == "open"
    assert not kind.get("literal") or kind["form"] in {"short_answer", "fill_blank"}
    assert kind["transformations"]
    assert len(set(kind["transformations"])) == len(kind["transformations"])
    assert set(kind["transformations"]) <= {"identity", *KEYWORDS}


def test_the_seeds_own_text_may_get_every_type_but_those_between_speakers() -> None:
    assert {kind["name"] for kind in TYPES if "identity" not in kind["transformations"]} == BETWEEN_SPEAKERS


@pytest.mark.parametrize("transformation", ["identity", *KEYWORDS])
def test_every_transformation_makes_at_least_five_types_eligible(transformation: str) -> None:
    assert sum(transformation in kind["transformations"] for kind in TYPES) >= 5


def test_most_types_can_be_checked_by_a_program() -> None:
    assert [kind["name"] for kind in TYPES if kind["form"] == "open"] == [
        "evaluative_essay",
        "compare_viewpoints",
        "constrained_summary",
    ]


def test_the_three_goals_say_what_they_edit_and_which_forms_they_suit() -> None:
    assert {goal["name"]: goal["edits"] for goal in GOALS} == {
        "unanswerable": "passage",
        "change_answer": "passage",
        "harder": "question",
    }
    for goal in GOALS:
        assert set(goal) <= {"name", "aim", "edits", "forms", "guidance"}
        assert set(goal.get("forms", FORMS)) <= FORMS
        assert 60 <= len(goal["guidance"].split()) <= 200
    for goal in GOALS[:2]:
        assert "open" not in goal["forms"]
