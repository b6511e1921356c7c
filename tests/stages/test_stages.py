"""The shipped stages, in small flows: what each asks, makes and turns away, and how teams of AutoGen fit in."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct import TeacherOptions, generate
from agentinstruct.api import failures
from agentinstruct.errors import Rejected, TeacherRefused
from agentinstruct.stages import SuggesterEditorTeam, lettered
from tests.engine import Question, Reply, Teacher, pairs_of, rejected_of, seeds, write_flow

_HEAD = '''"""A flow for a test."""

from agentinstruct.flow.definition import Flow
from agentinstruct.records import Instruction, Pair, Verdict
from agentinstruct.stages.replies import GroundedAnswer
from agentinstruct.stages import *


async def ask_once(content, ask):
    return [Instruction.of(content.id, f"{content.agent}: {content.text}", type="t", guidance="", question="Why?")]


async def answer(instruction, ask):
    return Pair.of(instruction.text, "Because.")


'''
_FILES = {
    "transform/poem.md": "poem\n---\n{{ text }}",
    "transform/satire.md": "satire\n---\n{{ text }}",
    "transform/dialogue.md": "dialogue\n---\n{{ text }}",
    "writer.md": "write\n---\n<type>{{ type.name }}</type><count>{{ count }}</count><passage>{{ passage }}</passage>",
    "suggester.md": "suggest\n---\n<goal>{{ goal.name }}</goal><question>{{ question }}</question>",
    "editor.md": "edit\n---\n<suggestion>\n{{ suggestion }}\n</suggestion>",
    "responder.md": "respond\n---\n<passage>{{ passage }}</passage><question>{{ question }}</question>",
    "instruction.jinja": "{{ passage }}\n{{ question }}\n{% for option in options %}\n"
    "{{ 'ABCDEFG'[loop.index0] }}. {{ option }}\n{% endfor %}",
    "goals.toml": '[[goals]]\nname = "harder"\nguidance = "Harder."\n',
}
_TEXTS = [f"Text {number}." for number in range(12)]


def _run(tmp_path: Path, stages: str, teacher: Teacher, *texts: str, **files: str) -> Path:
    code = f"{_HEAD}flow = Flow(skill='Test', {stages})\n"
    folder = write_flow(tmp_path / "small", {**_FILES, "flow.py": code, **files})
    generate(seeds(*(texts or _TEXTS)), [folder], tmp_path / "run", teacher=teacher)
    assert not failures(tmp_path / "run")
    return tmp_path / "run"


def _passage(text: str = "", irrelevant: bool = False) -> dict[str, Any]:
    return {"irrelevant": irrelevant, "title": "", "text": text}


def test_one_of_draws_until_a_transformation_suits_and_counts_those_that_did_not(tmp_path: Path) -> None:
    teacher = Teacher(lambda q: _passage("A play.") if q.system == "dialogue" else _passage(irrelevant=True))
    stages = "transform=OneOf('transform/*'), instruct=ask_once, respond=answer"
    run = _run(tmp_path, stages, teacher)
    asked = Counter(question.system for question in teacher.asked)
    assert asked["dialogue"] == len(_TEXTS)
    assert 0 < asked["poem"] < len(_TEXTS), "the order was not drawn"
    irrelevant = [row for row in rejected_of(run) if row["reason"] == "irrelevant"]
    assert len(irrelevant) == asked["poem"] + asked["satire"]
    assert {row["stage"] for row in irrelevant} == {"transform"}
    first, *_ = pairs_of(run)
    assert first["lineage"]["transformation"] == "transform/dialogue"
    assert [asked["agent"] for asked in first["lineage"]["asked"]] == ["transform/dialogue"]


def test_one_of_gives_the_seeds_own_text_where_identity_is_drawn_and_nothing_where_nothing_suits(
    tmp_path: Path,
) -> None:
    teacher = Teacher(lambda _: _passage(irrelevant=True))
    run = _run(tmp_path, "transform=OneOf('transform/*', identity), instruct=ask_once, respond=answer", teacher)
    assert [pair["messages"][0]["content"] for pair in pairs_of(run)] == [f"identity: {text}" for text in _TEXTS]
    nothing = _run(tmp_path / "2", "transform=OneOf('transform/*'), instruct=ask_once, respond=answer", teacher)
    assert not pairs_of(nothing)
    assert len(rejected_of(nothing)) == 3 * len(_TEXTS)


def test_all_of_keeps_what_suits_in_the_order_of_the_transformations(tmp_path: Path) -> None:
    async def reply(question: Question) -> Reply:
        for _ in range({"dialogue": 50, "poem": 10, "satire": 0}[question.system]):
            await asyncio.sleep(0)
        return _passage(question.system, irrelevant=question.system == "poem")

    run = _run(
        tmp_path, "transform=AllOf('transform/*', identity), instruct=ask_once, respond=answer", Teacher(reply), "One."
    )
    told = [pair["messages"][0]["content"] for pair in pairs_of(run)]
    assert told == ["transform/dialogue: dialogue", "transform/satire: satire", "identity: One."]


_TYPES = """
[[types]]
name = "rhyme"
form = "short_answer"
guidance = "Of rhymes."
transformations = ["poem"]

[[types]]
name = "speaker"
form = "short_answer"
guidance = "Of speakers."
transformations = ["dialogue", "satire"]

[[types]]
name = "topic"
form = "short_answer"
guidance = "Of topics."
"""


def _questions(*texts: str, options: tuple[str, ...] = (), answer: str = "so") -> dict[str, Any]:
    return {
        "questions": [{"question": text, "options": list(options), "answer": answer, "evidence": []} for text in texts]
    }


def test_types_are_asked_for_only_of_content_that_is_eligible(tmp_path: Path) -> None:
    def reply(question: Question) -> Reply:
        if question.system == "write":
            return _questions(f"{question.section('type')} of {question.section('passage')}?")
        return _passage(question.system)

    stages = "transform=AllOf('transform/*', identity), instruct=PerType('types.toml', 'writer'), respond=answer"
    run = _run(tmp_path, stages, Teacher(reply), "One.", **{"types.toml": _TYPES})
    told = {pair["messages"][0]["content"].splitlines()[1] for pair in pairs_of(run)}
    assert told == {
        "rhyme of poem?", "topic of poem?", "speaker of dialogue?", "topic of dialogue?",
        "speaker of satire?", "topic of satire?", "topic of One.?",
    }  # fmt: skip
    assert {pair["type"] for pair in pairs_of(run)} == {"rhyme", "speaker", "topic"}


def test_no_more_types_and_instructions_are_taken_than_were_asked_for(tmp_path: Path) -> None:
    teacher = Teacher(lambda q: _questions(*(f"{q.section('type')} {n}?" for n in range(5))))
    types = "".join(f'[[types]]\nname = "t{n}"\nform = "open"\nguidance = "."\n' for n in range(9))
    stages = "transform=identity, instruct=PerType('types.toml', 'writer', draw=4, each=2), respond=answer"
    run = _run(tmp_path, stages, teacher, "One.", **{"types.toml": types})
    assert len(teacher.asked) == 4
    assert {question.section("count") for question in teacher.asked} == {"2"}
    assert len(pairs_of(run)) == 8


def test_a_writer_without_a_question_is_counted_as_irrelevant(tmp_path: Path) -> None:
    stages = "transform=identity, instruct=PerType('types.toml', 'writer'), respond=answer"
    run = _run(tmp_path, stages, Teacher(lambda _: _questions()), "One.", **{"types.toml": _TYPES})
    (rejected,) = rejected_of(run)
    assert (rejected["stage"], rejected["reason"], rejected["detail"]) == ("instruct", "irrelevant", "topic")


_CHOICE = '[[types]]\nname = "choice"\nform = "multiple_choice"\nguidance = "."\n'


def test_options_are_lettered_and_the_answer_follows_its_option(tmp_path: Path) -> None:
    options = ("red", "green", "blue", "white")
    code = """
def tell(pair, instruction):
    return Verdict(check="tell", passed=True, detail=f"{instruction.expected} {'|'.join(instruction.options)}")

"""
    teacher = Teacher(lambda _: _questions("Which?", options=options, answer=" Blue "))
    stages = "transform=identity, instruct=PerType('types.toml', 'writer'), respond=answer, verify=[tell]"
    folder = write_flow(
        tmp_path / "small",
        {**_FILES, "types.toml": _CHOICE, "flow.py": f"{_HEAD}{code}flow = Flow(skill='T', {stages})"},
    )
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    letters: Counter[str] = Counter()
    for pair in pairs_of(tmp_path / "run"):
        letter, _, shown = pair["verdicts"][0]["detail"].partition(" ")
        letters[letter] += 1
        assert sorted(shown.split("|")) == sorted(options)
        assert shown.split("|")["ABCD".index(letter)] == "blue"
        assert f"{letter}. blue" in pair["messages"][0]["content"]
    assert len(letters) > 1, "the key always stands at the same letter"


@given(st.lists(st.text("abcxyz", min_size=1, max_size=3), min_size=1, max_size=7), st.integers(), st.data())
def test_a_sequence_in_letters_spells_the_right_order(options: list[str], seed: int, data: st.DataObject) -> None:
    if len(set(options)) < max(3, len(options)):
        with pytest.raises(Rejected, match="malformed_options"):
            lettered(options, "", "sequence", Random(seed))
        return
    shown, expected = lettered(options, "", "sequence", Random(seed))
    assert [shown["ABCDEFG".index(letter)] for letter in expected.split(", ")] == options
    key = data.draw(st.sampled_from(options))
    shown, letter = lettered(options, key.upper(), "multiple_choice", Random(seed))
    assert shown["ABCDEFG".index(letter)] == key
    with pytest.raises(Rejected, match="malformed_options"):
        lettered(options, "none of them", "multiple_choice", Random(seed))


def _edit(question: str, **fields: Any) -> dict[str, Any]:
    return {"possible": True, "passage": "", "question": question, "options": [], "answer": "", **fields}


_REFINED = "transform=identity, instruct=ask_once, respond=answer, refine=SuggesterEditor('suggester', 'editor', "


def test_a_suggester_and_an_editor_add_children_and_keep_the_parents(tmp_path: Path) -> None:
    def reply(question: Question) -> Reply:
        if question.system == "suggest":
            return {"suggestions": ["add a reason", "add a doubt", "never reached"]}
        return _edit(f"{question.section('question')} And {question.section('suggestion')}?")

    teacher = Teacher(reply)
    run = _run(tmp_path, _REFINED + "goals='goals.toml', edits=2), rounds=2", teacher, "One.")
    pairs = pairs_of(run)
    assert [pair["lineage"]["round"] for pair in pairs] == [0, 1, 1, 2, 2, 2, 2]
    parent, child, sibling, *grandchildren = pairs
    assert parent["messages"][0]["content"] == "identity: One."
    assert child["messages"][0]["content"] == "Why? And add a reason?"
    assert sibling["messages"][0]["content"] == "Why? And add a doubt?"
    assert grandchildren[0]["messages"][0]["content"] == "Why? And add a reason? And add a reason?"
    assert {each["lineage"]["parent_id"] for each in (child, sibling)} == {parent["lineage"]["instruction_id"]}
    assert (child["lineage"]["suggestion"], child["lineage"]["goal"]) == ("add a reason", "harder")
    assert [asked["agent"] for asked in child["lineage"]["asked"]][:2] == ["suggester", "editor"]
    edits = [question for question in teacher.asked if question.system == "edit"]
    assert all(question.user.count("<suggestion>") == 1 for question in edits), "an editor saw another suggestion"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (_edit("", possible=False), "irrelevant"),
        (_edit("Why?"), "unchanged"),
        ("no JSON", "malformed_reply"),
    ],
)
def test_an_edit_that_comes_to_nothing_leaves_the_parent_and_is_counted(
    tmp_path: Path, edit: Reply, reason: str
) -> None:
    teacher = Teacher(lambda q: {"suggestions": ["x"]} if q.system == "suggest" else edit)
    run = _run(tmp_path, _REFINED + "goals='goals.toml')", teacher, "One.")
    assert len(pairs_of(run)) == 1
    assert reason in {row["reason"] for row in rejected_of(run)}
    assert {row["stage"] for row in rejected_of(run)} == {"refine"}


def test_what_is_made_unanswerable_is_not_refined_further(tmp_path: Path) -> None:
    goals = '[[goals]]\nname = "unanswerable"\naim = "decline"\nguidance = "."\n'
    count = iter(range(100))
    teacher = Teacher(lambda q: {"suggestions": ["x"]} if q.system == "suggest" else _edit(f"Why {next(count)}?"))
    run = _run(tmp_path, _REFINED + "goals='goals.toml'), rounds=3", teacher, "One.", **{"goals.toml": goals})
    assert [pair["lineage"]["round"] for pair in pairs_of(run)] == [0, 1]


def _editing_team() -> SuggesterEditorTeam:
    suggester = AssistantAgent("suggester", ReplayChatCompletionClient(['{"suggestions": ["one", "two"]}'] * 2))
    editor = AssistantAgent("editor", ReplayChatCompletionClient(["first edit", "second edit"] * 2))
    return SuggesterEditorTeam(suggester, editor, suggestion_template="Do this: {{ suggestion }}", edits=2)


def test_the_suggester_editor_team_survives_a_dump_and_does_the_same() -> None:
    team = _editing_team()
    loaded = Team.load_component(team.dump_component())
    assert isinstance(loaded, SuggesterEditorTeam)

    async def run(each: SuggesterEditorTeam) -> list[str]:
        result = await each.run(task="An item.")
        return [f"{m.source}: {m.content}" for m in result.messages if isinstance(m, TextMessage)]

    said = asyncio.run(run(team))
    assert said == [
        "user: An item.",
        'suggester: {"suggestions": ["one", "two"]}',
        "editor: first edit",
        "editor: second edit",
    ]
    assert asyncio.run(run(loaded)) == said


def test_the_suggester_editor_team_nests_in_a_stock_group_chat() -> None:
    async def run() -> TaskResult:
        closer = AssistantAgent("closer", ReplayChatCompletionClient(["closing words"]))
        chat = RoundRobinGroupChat([_editing_team(), closer], max_turns=2)
        return await chat.run(task="An item.")

    said = [message.to_model_text() for message in asyncio.run(run()).messages if isinstance(message, TextMessage)]
    assert "second edit" in said
    assert said[-1] == "closing words"


_CHAT = """
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat


def team(client):
    first = AssistantAgent("first", client, system_message="first")
    return RoundRobinGroupChat([first, AssistantAgent("second", client, system_message="second")], max_turns=2)


flow = Flow(skill="Talk", transform=identity, instruct=ask_once, respond=AutoGenTeam(team))
"""


def _talk(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "talk", {**_FILES, "flow.py": _HEAD + _CHAT})


def test_a_stock_group_chat_answers_and_its_words_are_journaled(tmp_path: Path) -> None:
    teacher = Teacher(lambda question: f"{question.system} speaks")
    generate(seeds(*_TEXTS), [_talk(tmp_path)], tmp_path / "run", teacher=teacher)
    pairs = pairs_of(tmp_path / "run")
    assert {pair["messages"][1]["content"] for pair in pairs} == {"second speaks"}
    assert {len(pair["lineage"]["asked"]) for pair in pairs} == {2}
    assert len(teacher.asked) == 2 * len(_TEXTS)
    (tmp_path / "talk" / "flow.py").write_text(_HEAD + _CHAT + "# again\n", encoding="utf-8")
    generate(seeds(*_TEXTS), [tmp_path / "talk"], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 2 * len(_TEXTS)


def test_the_teachers_own_error_comes_out_of_a_group_chat(tmp_path: Path) -> None:
    teacher = Teacher(lambda q: TeacherRefused("no such model") if q.system == "second" else "go on")
    with pytest.raises(TeacherRefused, match="no such model"):
        generate(
            seeds(*_TEXTS), [_talk(tmp_path)], tmp_path / "run", teacher=TeacherOptions(teacher=teacher, concurrency=1)
        )
    assert len(teacher.asked) == 2


def test_an_empty_word_in_a_group_chat_rejects_one_instruction_only(tmp_path: Path) -> None:
    teacher = Teacher(lambda q: "" if "Text 3." in q.user and q.system == "second" else "words")
    summary = generate(seeds(*_TEXTS), [_talk(tmp_path)], tmp_path / "run", teacher=teacher)
    assert (summary.done, summary.failed, summary.pairs) == (12, 0, 11)
    (rejected,) = rejected_of(tmp_path / "run")
    assert (rejected["stage"], rejected["reason"]) == ("respond", "empty_reply")


def test_a_team_that_breaks_for_reasons_of_its_own_fails_its_item(tmp_path: Path) -> None:
    code = _HEAD + _CHAT.replace("    first =", "    raise KeyError('no chairs')\n    first =")
    folder = write_flow(tmp_path / "talk", {**_FILES, "flow.py": code})
    summary = generate(seeds("One."), [folder], tmp_path / "run", teacher=Teacher(lambda _: "words"))
    assert summary.failed == 1
    ((_, _, error),) = failures(tmp_path / "run")
    assert "no chairs" in error


def test_checks_stop_at_the_first_that_fails_and_say_why(tmp_path: Path) -> None:
    code = """
def none(pair, instruction):
    return None


def short(pair, instruction):
    return Verdict(check="short", passed="3" not in instruction.text, detail="too long")


async def asked(pair, instruction, ask):
    said = await ask("responder", passage=pair.messages[-1].content, question="Good?")
    return Verdict(check="asked", passed=said == "yes", detail=said)


"""
    teacher = Teacher(lambda question: "yes")
    stages = "transform=identity, instruct=ask_once, respond=answer, verify=[none, short, asked]"
    folder = write_flow(tmp_path / "small", {**_FILES, "flow.py": f"{_HEAD}{code}flow = Flow(skill='T', {stages})"})
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert len(pairs_of(tmp_path / "run")) == len(teacher.asked) == 11
    assert [verdict["check"] for verdict in pairs_of(tmp_path / "run")[0]["verdicts"]] == ["short", "asked"]
    (rejected,) = rejected_of(tmp_path / "run")
    assert (rejected["stage"], rejected["reason"], rejected["detail"]) == ("verify", "short", "too long")


def test_a_responder_never_learns_the_answer_its_writer_had_in_mind(tmp_path: Path) -> None:
    def reply(question: Question) -> Reply:
        if question.system == "write":
            return _questions("What is it?", answer="SECRET")
        return {"answerable": True, "response": " It is open. ", "final_answer": "open", "evidence": ["One"]}

    teacher = Teacher(reply)
    prompt = "respond\n---\n{{ passage }} {{ question }} {{ instruction }} {{ answer }} {{ options }}"
    stages = "transform=identity, instruct=PerType('types.toml', 'writer'), "
    stages += "respond=Responder('responder', returns=GroundedAnswer)"
    run = _run(tmp_path, stages, teacher, "One.", **{"types.toml": _TYPES, "responder.md": prompt})
    assert not any("SECRET" in str(question.messages) for question in teacher.asked if question.system == "respond")
    (pair,) = pairs_of(run)
    assert pair["messages"][1]["content"] == "It is open."
    assert (pair["final_answer"], pair["evidence"], pair["declined"]) == ("open", ["One"], False)


_FUNCTIONS = """
from agentinstruct.errors import Rejected
from agentinstruct.records import Content


class Retell:
    def __init__(self, times):
        self.times = times

    async def __call__(self, seed, ask):
        if self.times == 3:
            raise Rejected("too_short", seed.text)
        told = [await ask("writer", type={"name": ask.random.random()}, count=n, passage="") for n in range(self.times)]
        return [Content.of(seed, f"{self.times} {told}", agent="retell")]


"""


def test_functions_that_transform_side_by_side_each_draw_for_themselves_and_keep_their_questions(
    tmp_path: Path,
) -> None:
    def told(name: str, first_waits: int) -> list[dict[str, Any]]:
        async def reply(question: Question) -> Reply:
            for _ in range(first_waits if question.section("count") == "0" else 1):
                await asyncio.sleep(0)
            return question.section("type")

        stages = "transform=AllOf(Retell(1), Retell(2), Retell(3)), instruct=ask_once, respond=answer"
        code = f"{_HEAD}{_FUNCTIONS}flow = Flow(skill='T', {stages})"
        folder = write_flow(tmp_path / "small", {**_FILES, "flow.py": code})
        generate(seeds(*_TEXTS), [folder], tmp_path / name, teacher=Teacher(reply))
        return pairs_of(tmp_path / name)

    pairs = told("slow", 40)
    assert pairs == told("quick", 0)
    assert [len(pair["lineage"]["asked"]) for pair in pairs[:2]] == [1, 2]
    (declined, *_) = rejected_of(tmp_path / "slow")
    assert (declined["stage"], declined["reason"]) == ("transform", "too_short")


def test_a_taxonomy_changed_while_the_program_runs_is_read_anew(tmp_path: Path) -> None:
    teacher = Teacher(lambda question: _questions(f"{question.section('type')}?"))
    stages = "transform=identity, instruct=PerType('types.toml', 'writer'), respond=answer"
    _run(tmp_path, stages, teacher, "One.", **{"types.toml": _TYPES})
    run = _run(tmp_path, stages, teacher, "One.", **{"types.toml": _TYPES.replace("topic", "theme")})
    assert {pair["type"] for pair in pairs_of(run)} == {"theme"}


def test_what_an_editor_could_not_do_is_counted_once(tmp_path: Path) -> None:
    teacher = Teacher(lambda q: {"suggestions": ["x"]} if q.system == "suggest" else "no JSON")
    run = _run(tmp_path, _REFINED + "goals='goals.toml')", teacher, "One.")
    assert [row["reason"] for row in rejected_of(run)] == ["malformed_reply"]
