"""The programs' checks: each passes what is right, fails what is wrong, and is silent about the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentinstruct.records import Instruction, Pair, Verdict
from agentinstruct.verify import checks

Check = Callable[[Pair, Instruction], Verdict | None]
COLOURS = ("red", "green", "blue")


def _instruction(form: str = "short_answer", **fields: Any) -> Instruction:
    return Instruction.of("content", "Which?", type="t", form=form, **fields)


def _passed(check: Check, instruction: Instruction, answer: str | None = None, **fields: Any) -> bool | None:
    verdict = check(Pair.of("Which?", "It is so.", final_answer=answer, **fields), instruction)
    assert verdict is None or verdict.check == check.__name__
    return None if verdict is None else verdict.passed


@pytest.mark.parametrize(("aim", "declined", "passed"), [
    ("answer", False, True), ("answer", True, False), ("decline", True, True), ("decline", False, False),
    ("changed_answer", False, True), ("changed_answer", True, False),
])  # fmt: skip
def test_only_what_was_made_unanswerable_is_to_be_declined(aim: str, declined: bool, passed: bool) -> None:
    assert _passed(checks.declines_when_unanswerable, _instruction(aim=aim), declined=declined) is passed


@pytest.mark.parametrize(("answer", "passed"), [
    ("B", True), ("C.", True), ("D", False), ("A or B", False), ("red", False), (None, False),
])  # fmt: skip
def test_a_multiple_choice_has_one_letter_of_an_option_as_its_answer(answer: str | None, passed: bool) -> None:
    assert _passed(checks.one_key, _instruction("multiple_choice", options=COLOURS), answer) is passed
    assert _passed(checks.one_key, _instruction("multiple_choice", options=(*COLOURS[:2], "Red.")), answer) is False
    assert _passed(checks.one_key, _instruction("number"), answer) is None
    assert _passed(checks.one_key, _instruction("multiple_choice", options=COLOURS), answer, declined=True) is None


@pytest.mark.parametrize(("answer", "passed"), [
    ("C, A, B", True), ("B A C", True), ("A, B", False), ("A, B, B", False), ("A, B, C, D", False), (None, False),
])  # fmt: skip
def test_a_sequence_names_every_option_once(answer: str | None, passed: bool) -> None:
    assert _passed(checks.is_permutation, _instruction("sequence", options=COLOURS), answer) is passed
    assert _passed(checks.is_permutation, _instruction("multiple_choice", options=COLOURS), answer) is None


@pytest.mark.parametrize(("form", "expected", "answer", "passed"), [
    ("multiple_choice", "B", "B.", True), ("multiple_choice", "B", "C", False), ("multiple_choice", "", "", False),
    ("sequence", "C, A, B", "C A B", True), ("sequence", "C, A, B", "A, B, C", False),
    ("number", "1,250", "1250", True), ("number", "12", "12.5", False), ("number", "twelve", "12 apples", True),
    ("list", "tin; copper", "Copper; the tin", True), ("list", "tin; copper", "tin", False), ("list", "", "", False),
    ("true_false", "True", "true", True), ("true_false", "True", "False", False),
    ("short_answer", "the old mill", "An Old Mill.", True), ("short_answer", "mill", "the mills", False),
    ("short_answer", "", "", False), ("fill_blank", "seven", "7", True),
])  # fmt: skip
def test_answers_are_compared_as_their_form_wants(form: str, expected: str, answer: str, passed: bool) -> None:
    assert _passed(checks.agrees_with_writer, _instruction(form, expected=expected), answer) is passed
    assert _passed(checks.agrees_with_writer, _instruction(form, expected=expected), answer, declined=True) is None
    assert _passed(checks.agrees_with_writer, _instruction(form), answer) is None
    assert _passed(checks.agrees_with_writer, _instruction("open", expected=expected), answer) is None


PASSAGE = "The mill “by the river” closed in 1911. Nobody\nworks there."


@pytest.mark.parametrize(("evidence", "answer", "passed"), [
    (("The mill \"by the river\" closed",), "x", True), (("nobody works there.",), "x", True),
    (("The mill burned",), "x", False), (("in 1911", "in 1912"), "x", False),
])  # fmt: skip
def test_evidence_stands_in_the_passage(evidence: tuple[str, ...], answer: str, passed: bool) -> None:
    assert _passed(checks.quoted_from_passage, _instruction(passage=PASSAGE), answer, evidence=evidence) is passed


def test_a_literal_answer_stands_in_the_passage_and_others_need_not() -> None:
    literal = _instruction(passage=PASSAGE, literal=True)
    assert _passed(checks.quoted_from_passage, literal, "by the river") is True
    assert _passed(checks.quoted_from_passage, literal, "by the sea") is False
    assert _passed(checks.quoted_from_passage, literal, "by the sea", declined=True) is True
    assert _passed(checks.quoted_from_passage, _instruction(passage=PASSAGE), "by the sea") is None


def test_an_answer_that_was_to_change_did_whatever_its_letter_is_now() -> None:
    parent = _instruction("multiple_choice", options=COLOURS, expected="A")
    child = _instruction("multiple_choice", options=COLOURS[::-1], expected="A", aim="changed_answer", parent=parent)
    assert _passed(checks.answer_changed, child, "A") is True, "it is blue now, and was red"
    assert _passed(checks.answer_changed, child, "C") is False, "it is red as before"
    number = _instruction("number", expected="7", aim="changed_answer", parent=_instruction("number", expected="6"))
    assert _passed(checks.answer_changed, number, "7") is True
    assert _passed(checks.answer_changed, number, "six") is False
    assert _passed(checks.answer_changed, parent, "A") is None


@pytest.mark.parametrize(("answer", "passed"), [("17 apples", True), ("16", False), ("", False), (None, False)])
def test_a_known_number_is_to_be_reached(answer: str | None, passed: bool) -> None:
    assert _passed(checks.matches_gold, _instruction("number", expected="17"), answer) is passed
    assert _passed(checks.matches_gold, _instruction("number"), answer) is None
