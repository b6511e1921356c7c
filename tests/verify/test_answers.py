"""An answer is read where a reply states one and nowhere else, and no reply can hang or fill the program."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.verify.answers import Outcome, final_answer, mark, same_answer
from agentinstruct.verify.expressions import same_expression

pytestmark = pytest.mark.slow

STATED = {
    "12 + 30 = 42\n#### 42": "42",
    r"so it is \boxed{\frac{3}{4}}": r"\frac{3}{4}",
    r"\boxed{1} was wrong, it is $\boxed{\text{Paris}}$": r"\text{Paris}",
    "The answer is 42.": "42",
    "The final answer is: 3.5 apples. Good luck with the 7 others!": "3.5 apples",
    "**Answer:** 42 apples": "42 apples",
    "Answer: (B)": "(B)",
    "The answer is 5. No: the answer is 42 (since 12 and 30 are 42)": "42",
    "The answer is 41.\n#### 42": "42",
    "#### 42\nAsk me more.": "42",
    "First we add.\nThere are 37 plums left.": "37",
    "Plums left: 42 plums − 5 plums = 37 plums": "37 plums",
    "Everything was 30 in all. The temperature is -$4.50.": "-4.50",
}
UNSTATED = [
    "",
    "I do not know.",
    "#### Step 4\nWe go on to add.",
    "The answer is not 5",
    "So 3 boys have 12 apples each.",
    "There were 42.\nThank you!",
    r"\boxed{",
    "In May 2024 it closed.",
]


@pytest.mark.parametrize(("reply", "answer"), STATED.items())
def test_the_last_answer_a_reply_states_is_read(reply: str, answer: str) -> None:
    assert final_answer(reply) == answer


@pytest.mark.parametrize("reply", UNSTATED)
def test_no_answer_is_made_up_where_none_or_several_are_stated(reply: str) -> None:
    assert final_answer(reply) is None
    assert mark(reply, "4") is Outcome.UNREADABLE


SAME = [
    ("$1,250.50", "1250.5"),
    (r"1{,}250 \text{ kg}", "1250"),
    (r"\frac{3}{4}", "0.75"),
    (r"-\frac{1}{2}", "-1/2"),
    (r"1\frac{1}{2}", "1.5"),
    ("12 + 30 = 42", "42"),
    ("x = 42", "42"),
    ("a total of 42 apples", "42"),
    ("-$4", "-4"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    ("sqrt(12)", r"2\sqrt{3}"),
    ("(x-1)(x+1)", "x^2 - 1"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("10^3", "1000"),
    ("**Paris**", "paris"),
    ("(b)", "B"),
]
DIFFERENT = [
    ("42 or 43", "43"),
    ("43 or 42", "43"),
    ("1/2", "2"),
    ("0.333", "1/3"),
    ("5 - 3 = 2", "-2"),
    ("(1,2)", "[1,2]"),
    ("Paris", "Berlin"),
    ("x + 1", "x"),
    ("0.25", "25%"),
    ("", ""),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_ways_of_writing_one_answer_are_the_same(one: str, other: str) -> None:
    assert same_answer(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_answers_are_not_the_same(one: str, other: str) -> None:
    assert not same_answer(one, other)


@given(value=st.fractions(min_value=-9999, max_value=9999, max_denominator=60), other=st.integers(-9999, 9999))
def test_a_stated_number_is_right_exactly_when_it_is_the_wanted_one(value: Fraction, other: int) -> None:
    expected = Outcome.RIGHT if value == other else Outcome.WRONG
    sign, size = "-" if value < 0 else "", abs(value)
    latex = rf"{sign}\frac{{{size.numerator}}}{{{size.denominator}}}"
    for written in (str(value), f"${value}$", latex):
        assert same_answer(written, str(value))
        for reply in (f"Let us see.\n#### {written}", rf"So \boxed{{{written}}}.", f"The answer is {written}."):
            assert mark(reply, str(other)) is expected, reply


def test_what_holds_no_number_is_unreadable_where_a_number_is_wanted_and_wrong_where_words_are() -> None:
    assert mark("The answer is unclear.", "42") is Outcome.UNREADABLE
    assert mark("The answer is 42 or 43.", "43") is Outcome.UNREADABLE
    assert mark("The answer is Berlin.", "Paris") is Outcome.WRONG


HOSTILE = [
    r"\boxed{9^{9^{9^{9}}}}",
    "The answer is 9**9**9",
    "The answer is 9^9^9^9",
    r"\boxed{(10^{9})!}",
    r"\boxed{\sum_{k=1}^{10^{12}} \sqrt{k}}",
    r"\boxed{" + r"\frac{1}{" * 15 + "1" + "}" * 15 + "}",
    r"\boxed{" + "(" * 95 + "x" + ")" * 95 + "}",
    "The answer is " + "9" * 50_000,
    "#### " * 5_000,
    r"\boxed{" * 5_000,
    "the answer is " * 2_000,
    "(" * 100_000,
    "answer" + " " * 30_000,
    r"\boxed{__import__('os').system('touch /tmp/owned')}",
    "\x00\ud800 The answer is \ud800",
]


@pytest.mark.parametrize("reply", HOSTILE, ids=lambda reply: reply[:24].encode("ascii", "replace").decode())
def test_a_hostile_reply_is_not_right_and_takes_a_few_seconds_at_most(reply: str) -> None:
    started = time.process_time(), time.monotonic()
    assert mark(reply, r"x^2 + \sqrt{2}") is not Outcome.RIGHT
    assert time.process_time() - started[0] < 1, "the work is the other process's"
    assert time.monotonic() - started[1] < 30, "its processor time is limited, however busy the machine"


def test_formulas_are_compared_in_any_thread() -> None:
    found: list[bool] = []

    def compare() -> None:
        found.append(same_answer(r"2\sqrt{3}", r"\sqrt{12}"))

    threads = [threading.Thread(target=compare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789=.,$ {}\\boxedTheanswri#\n-/()", max_size=80))
def test_no_text_at_all_breaks_the_reading(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or answer.strip()


def test_prose_and_long_formulas_are_not_searched_for_a_formula() -> None:
    assert same_expression("1 + 42", "43")
    assert not same_expression("we get 42 and then 43", "43")
    assert not same_expression(" + ".join(["1"] * 101), "101")
