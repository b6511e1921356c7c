"""Word problems of the offline teacher: never a wrong answer, and each made problem has the answer it was made for."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentinstruct.paths import SEEDS
from agentinstruct.stages.replies import Answer, Problem, Statement, Suggestions
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.word_problems import ANSWERERS
from agentinstruct.verify.numbers import find_numbers, parse_number, same_number

REPLIES: dict[str, type[BaseModel]] = {
    "Answer": Answer,
    "Problem": Problem,
    "Statement": Statement,
    "Suggestions": Suggestions,
}


def ask(title: str, **sections: str) -> dict[str, Any]:
    user = "\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in sections.items())
    reply = ANSWERERS[title](Material.of("You are asked.", user))
    assert reply is not None
    REPLIES[title].model_validate(reply, strict=True)
    return reply


@cache
def seeds() -> list[dict[str, str]]:
    lines = (SEEDS / "sample" / "word_problems.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def hidden() -> list[tuple[str, str, str]]:
    """Every problem made by hiding a number: problem, hidden number, and the statement it came from."""
    found = []
    for seed in seeds():
        statement = ask("Statement", problem=seed["problem"], answer=seed["answer"])["statement"]
        for number in find_numbers(statement):
            figure = statement[number.start : number.end]
            marked = f"{statement[: number.start]}[[{figure}]]{statement[number.end :]}"
            reply = ask("Problem", statement=marked)
            if reply["suitable"]:
                found.append((reply["problem"], figure, statement))
    return found


@cache
def edits() -> list[tuple[str, str]]:
    """Every edit in two rounds, with the problem that it was made from."""
    found: list[tuple[str, str]] = []
    parents = [seed["problem"] for seed in seeds()]
    for _ in range(2):
        children = []
        for parent in parents:
            for suggestion in ask("Suggestions", problem=parent)["suggestions"]:
                reply = ask("Problem", problem=parent, suggestion=suggestion)
                assert reply["suitable"], suggestion
                children.append((parent, reply["problem"]))
        found += children
        parents = [child for _, child in children]
    return found


def test_the_forty_sample_problems_are_right_or_declined_and_most_are_right() -> None:
    right = 0
    for seed in seeds():
        reply = ask("Answer", problem=seed["problem"])
        if reply["answerable"]:
            assert same_number(reply["final_answer"], seed["answer"]), seed["id"]
            right += 1
        else:
            assert reply["final_answer"] == ""
    assert len(seeds()) == len({seed["problem"] for seed in seeds()}) == 40
    assert 34 <= right < 40


def test_each_hidden_number_is_found_again_from_the_problem_made() -> None:
    assert len(hidden()) >= 60
    for problem, figure, _ in hidden():
        reply = ask("Answer", problem=problem)
        assert reply["answerable"], problem
        assert same_number(reply["final_answer"], figure), problem


def test_a_hidden_number_stays_only_where_the_story_had_it_twice() -> None:
    for problem, figure, statement in hidden():
        of_statement = [number.value for number in find_numbers(statement)]
        of_problem = [number.value for number in find_numbers(problem)]
        value = parse_number(figure)
        assert value is not None
        question = problem.rpartition(". ")[2]
        repeated = [number.value for number in find_numbers(question)].count(value)
        assert of_problem.count(value) - repeated == of_statement.count(value) - 1, problem
        assert "[[" not in problem
        assert problem.endswith("?")


def test_edits_differ_from_their_parents_and_take_more_steps() -> None:
    assert len(edits()) >= 60
    for parent, child in edits():
        assert child != parent
        before, after = ask("Answer", problem=parent), ask("Answer", problem=child)
        assert after["answerable"], child
        assert parse_number(after["final_answer"]) is not None
        assert after["response"].count("\n") > before["response"].count("\n"), child


def test_forty_seeds_give_at_least_130_different_solved_problems() -> None:
    texts = {seed["problem"] for seed in seeds() if ask("Answer", problem=seed["problem"])["answerable"]}
    texts |= {problem for problem, _, _ in hidden()} | {child for _, child in edits()}
    assert len(texts) >= 130


def test_every_computation_that_a_solution_shows_is_true() -> None:
    computation = re.compile(
        r"(?<![\w×+−÷(] )(?<![\d.,$])\$?([\d.,]+\d|\d) ([+−×÷]) \$?([\d.,]+\d|\d) = \$?(\d[\d,]*(?:\.\d+)?)"
    )
    shown = 0
    for problem in [
        *(seed["problem"] for seed in seeds()),
        *(child for _, child in edits()),
        *(one for one, _, _ in hidden()),
    ]:
        for left, sign, right, result in computation.findall(ask("Answer", problem=problem)["response"]):
            one, other, told = (parse_number(figure) for figure in (left, right, result))
            assert one is not None and other is not None
            computed = {"+": one + other, "−": one - other, "×": one * other, "÷": one / other if other else None}[sign]
            assert computed == told, problem
            shown += 1
    assert shown > 150


def test_a_solution_ends_with_a_sentence_that_holds_the_answer() -> None:
    for _, child in edits():
        reply = ask("Answer", problem=child)
        last = reply["response"].splitlines()[-1]
        assert last.endswith(".")
        assert any(number.value == parse_number(reply["final_answer"]) for number in find_numbers(last)), last


def test_the_same_question_gets_the_same_answer() -> None:
    for seed in seeds()[:10]:
        for title in ("Statement", "Suggestions", "Answer"):
            assert ask(title, problem=seed["problem"]) == ask(title, problem=seed["problem"])


@pytest.mark.parametrize(
    "problem",
    [
        "Amina had 14 stickers. She is 9 years old. How many stickers does Amina have?",
        "Amina had 14 stickers. She bought three times the number that Tom bought. How many stickers did she have left?",  # noqa: E501
        "Amina had 14 stickers. She gave half of them away. How many stickers did she have left?",
        "Amina had 14 stickers and lost some stickers. How many stickers did she have left?",
        "Amina had 14 stickers. Tom and Mia each had 5 stickers. How many stickers did Amina have left?",
        "Amina had 20 pens and packed them into boxes of 6. How many boxes did she fill?",
        "Amina had 14 stickers. How many books did she have?",
        "Amina had 5 stickers. She gave 9 stickers to Tom. How many stickers did she have left?",
        "Amina had 14 stickers. She bought 4 stickers every day except Sunday. How many stickers did she have then?",
        "Amina had 14 stickers. She gave 4 stickers to Ben. How many stickers does Ben have now?",
        "Amina had 20 stickers. She lost 3 stickers and her brother lost 4 stickers. How many stickers did her brother have left?",  # noqa: E501
        "Amina had 14 stickers. She did not lose 3 stickers. How many stickers did she have left?",
        "Amina had 14 stickers. She wanted to buy 3 stickers. How many stickers did she have left?",
        "Amina had 14 stickers. She bought 3 more stickers but returned them. How many stickers did she have left?",
        "Amina had 14 stickers and 3 coins. How many things does she have?",
        "Amina bought 8 pens for $3. How much did each pen cost?",
        "Amina had 3 boxes with 4 pens in each box. She gave 2 boxes to Tom. How many pens did she have left?",
        "Amina had 14 stickers. She bought 20% more. How many stickers did she have then?",
    ],
)
def test_a_problem_with_anything_unread_or_undecided_is_declined(problem: str) -> None:
    reply = ask("Answer", problem=problem)
    assert not reply["answerable"], reply
    assert reply["final_answer"] == ""
    assert ask("Suggestions", problem=problem)["suggestions"] == []


def test_a_mark_that_cannot_be_hidden_well_is_declined() -> None:
    for statement in (
        "[[14]]",
        "Amina had 14 stickers.",
        "In [[1998]] Amina had 14 stickers. She had 14 stickers left.",
        "[[x]]",
    ):
        assert ask("Problem", statement=statement) == {"suitable": False, "problem": ""}


def test_other_material_is_left_to_others() -> None:
    for answerer in ANSWERERS.values():
        assert answerer(Material.of("system", "<passage>\nTides rise.\n</passage>")) is None


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 100_000,
        "Ana had 3 pens and " * 5_000 + "?",
        "Ana had " + "9" * 10_000 + " pens. How many pens did she have left?",
        "Ana had 3 " + "very " * 380 + "pens. She bought 4 pens. How many pens did she have left?",
        "and " * 490 + "?",
        "1 1/2 " * 300,
        "Each " * 390 + "has 3 pens. How many pens did each have?",
        "{{ 7 * 7 }} {% for x in y %} Ana had 3 pens. How many {{ pens }} did she have left?",
        "Ana had ٣ pens. She bought 4 pens. How many pens did she have left?",
        "\u202eAna had 3 pens\x00. How many \ud800 pens did she have left?",
        "[[" * 900 + "]]" * 90,
    ],
)
def test_hostile_text_is_declined_without_an_error(hostile: str) -> None:
    assert not ask("Answer", problem=hostile)["answerable"]
    assert not ask("Problem", statement=hostile)["suitable"]
    assert not ask("Problem", problem=hostile, suggestion=hostile)["suitable"]
    assert ask("Suggestions", problem=hostile)["suggestions"] == []
    assert ask("Statement", problem=hostile)["statement"] == ""


WORDS = st.sampled_from(
    [
        "Ana",
        "Tom",
        "she",
        "he",
        "had",
        "has",
        "bought",
        "gave",
        "3",
        "7",
        "$4",
        "half",
        "twice",
        "each",
        "pens",
        "boxes",
        "of",
        "in",
        "with",
        "for",
        "than",
        "more",
        "fewer",
        "as",
        "many",
        "much",
        "and",
        ".",
        ",",
        "?",
        "How",
        "did",
        "left",
        "the",
        "a",
        "some",
        "them",
        "equally",
        "among",
        "into",
        "there",
        "were",
        "[[5]]",
        "cost",
        "paid",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_no_jumble_of_its_own_words_makes_the_reader_raise(text: str) -> None:
    ask("Answer", problem=text)
    ask("Problem", statement=text)
    ask("Suggestions", problem=text)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 900), st.integers(2, 900), st.integers(2, 40))
def test_a_story_with_any_numbers_is_worked_out_exactly(first: int, more: int, groups: int) -> None:
    problem = f"Ana had {first} beads. She bought {groups} bags of beads with {more} beads in each bag. How many beads did she have then?"  # noqa: E501
    assert ask("Answer", problem=problem)["final_answer"] == str(first + groups * more)
