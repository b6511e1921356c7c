"""Preference data from judged attempts: what the paper asks of it, whatever the attempts are and however they come."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.dataset.attempts import Attempt, Judged, Problem
from agentinstruct.dataset.preference_rows import BORROWED, labelled_replies, preference_pairs, sft_rows
from agentinstruct.errors import ConfigurationError

pytestmark = pytest.mark.slow

NUMBERS = st.integers(0, 5)
"""Few answers, so that a reply to one problem is often right for another."""
POSITIVES = st.sampled_from(["both", "teacher", "student"])


def is_right(reply: str, problem: Problem) -> bool:
    return reply.rpartition(" ")[2] == problem.answer


@st.composite
def judged_problems(draw: st.DrawFn) -> list[Judged]:
    made = []
    for number in range(draw(st.integers(0, 8))):
        answer = draw(NUMBERS)
        solution = draw(st.none() | st.just(f"teacher says {answer}"))
        problem = Problem(f"p{number}", f"Problem {number}?", str(answer), solution)
        given_answers = draw(st.lists(st.tuples(st.integers(0, 2), NUMBERS, st.booleans()), max_size=7))
        attempts = tuple(
            Attempt(f"way {way} gives {said}", said == answer, "teacher" if taught else "student", f"not {answer}")
            for way, said, taught in given_answers
        )
        made.append(Judged(problem, attempts))
    return made


def _by(positives: str) -> tuple[str, ...]:
    return ("teacher", "student") if positives == "both" else (positives,)


def _own(each: Judged, *, correct: bool, by: tuple[str, ...] = ("teacher", "student")) -> set[str]:
    replies = {attempt.reply for attempt in each.attempts if attempt.correct == correct and attempt.by in by}
    return replies | ({each.problem.solution} - {None} if correct and "teacher" in by else set())  # type: ignore[operator]  # solutions only


@settings(max_examples=150, deadline=None)
@given(judged_problems(), st.integers(1, 9), POSITIVES, st.booleans())
def test_every_pair_prefers_a_right_reply_to_a_wrong_one(
    judged: list[Judged], cap: int, positives: Any, borrow: bool
) -> None:
    known = {each.problem.id: each for each in judged}
    rows, _ = preference_pairs(judged, is_right=is_right if borrow else None, cap=cap, positives=positives)
    wrong = {reply for each in judged for reply in _own(each, correct=False)}
    for row in rows:
        each = known[row["problem"]]
        assert row["prompt"] == each.problem.prompt
        assert row["chosen"] in _own(each, correct=True, by=_by(positives))
        assert not is_right(row["rejected"], each.problem)
        if row["kind"] == "own":
            assert row["rejected"] in _own(each, correct=False)
            assert row["reason"] == f"not {each.problem.answer}"
        else:
            assert borrow
            assert row["rejected"] in wrong
            assert each.attempts and not _own(each, correct=False), "only a problem always solved borrows"


@settings(max_examples=150, deadline=None)
@given(judged_problems(), st.integers(1, 9), POSITIVES)
def test_the_cap_holds_and_under_it_replies_take_turns(judged: list[Judged], cap: int, positives: Any) -> None:
    rows, _ = preference_pairs(judged, is_right=is_right, cap=cap, positives=positives)
    for each in judged:
        own = [row for row in rows if row["problem"] == each.problem.id]
        sides = {"chosen": _own(each, correct=True, by=_by(positives)), "rejected": _own(each, correct=False)}
        assert len({(row["chosen"], row["rejected"]) for row in own}) == len(own) <= cap
        for side in sides:
            used = Counter(row[side] for row in own).values()
            assert not used or max(used) - min(used) <= 1
        if sides["rejected"]:
            assert {row["kind"] for row in own} <= {"own"}
            assert len(own) == min(cap, len(sides["chosen"]) * len(sides["rejected"]))
            for side, replies in sides.items():
                assert len({row[side] for row in own}) == min(len(own), len(replies))


@settings(max_examples=100, deadline=None)
@given(judged_problems(), st.integers(1, 9), POSITIVES, st.booleans())
def test_the_tally_counts_what_became_of_the_problems(
    judged: list[Judged], cap: int, positives: Any, borrow: bool
) -> None:
    right = is_right if borrow else None
    rows, tally = preference_pairs(judged, is_right=right, cap=cap, positives=positives)
    everything, uncapped = preference_pairs(judged, is_right=right, cap=999, positives=positives)
    assert tally.problems == len(judged)
    assert tally.rows == len(rows)
    assert tally.synthetic == sum(row["kind"] == "synthetic" for row in rows)
    assert tally.always_right == sum(bool(e.attempts) and all(a.correct for a in e.attempts) for e in judged)
    assert tally.never_right == sum(bool(e.attempts) and not any(a.correct for a in e.attempts) for e in judged)
    assert (tally.capped, uncapped.capped) == (len(everything) - len(rows), 0)


@settings(max_examples=150, deadline=None)
@given(judged_problems(), st.integers(1, 6), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(judged: list[Judged], cap: int, borrow: bool, random: Random) -> None:
    shuffled = []
    for each in judged:
        attempts = tuple(random.sample(each.attempts, len(each.attempts)))
        shuffled += [Judged(each.problem, attempts[:2]), Judged(each.problem, attempts[2:])]
    random.shuffle(shuffled)
    right = is_right if borrow else None
    assert preference_pairs(judged, is_right=right, cap=cap) == preference_pairs(shuffled, is_right=right, cap=cap)
    assert labelled_replies(judged, is_right=right, cap=cap) == labelled_replies(shuffled, is_right=right, cap=cap)
    assert sft_rows(judged) == sft_rows(shuffled)


@settings(max_examples=200, deadline=None)
@given(judged_problems(), st.integers(1, 9), POSITIVES, st.booleans())
def test_a_labelled_reply_is_what_its_label_says(judged: list[Judged], cap: int, positives: Any, borrow: bool) -> None:
    known = {each.problem.id: each for each in judged}
    rows, tally = labelled_replies(judged, is_right=is_right if borrow else None, cap=cap, positives=positives)
    assert tally.rows == len(rows)
    for problem, each in known.items():
        own = [row for row in rows if row["problem"] == problem]
        right = [row["completion"] for row in own if row["label"]]
        wrong = [row["completion"] for row in own if not row["label"]]
        assert len(set(right)) == len(right) and len(set(wrong)) == len(wrong)
        assert set(right) <= _own(each, correct=True, by=_by(positives))
        assert not any(is_right(reply, each.problem) for reply in wrong)
        assert all(bool(row["reason"]) != row["label"] for row in own)
        always = bool(each.attempts) and not _own(each, correct=False)
        if not borrow and always:
            assert not own, "the ablation leaves out problems that were always solved"
        elif not always:
            assert len(right) == min(cap, len(_own(each, correct=True, by=_by(positives))))
            assert len(wrong) == min(cap, len(_own(each, correct=False)))


@settings(max_examples=100, deadline=None)
@given(judged_problems(), POSITIVES)
def test_sft_rows_hold_every_wanted_right_reply_once(judged: list[Judged], positives: Any) -> None:
    expected = {
        (each.problem.prompt, reply) for each in judged for reply in _own(each, correct=True, by=_by(positives))
    }
    rows = [tuple(turn["content"] for turn in row["messages"]) for row in sft_rows(judged, positives=positives)]
    assert len(rows) == len(expected)
    assert set(rows) == expected


def _solved(number: int, replies: int = 1) -> Judged:
    attempts = tuple(Attempt(f"own {each} of {number}", True, "student") for each in range(replies))
    return Judged(Problem(f"solved {number}", f"Solved {number}?", "7", f"teacher on {number}"), attempts)


def _failed(number: int) -> Judged:
    attempts = tuple(Attempt(f"wrong {each} of {number}", False, "student", "no") for each in range(3))
    return Judged(Problem(f"failed {number}", f"Failed {number}?", "7", f"teacher on failed {number}"), attempts)


def test_a_problem_always_solved_borrows_one_wrong_reply_of_each_of_four_others() -> None:
    judged = [_solved(1), *map(_failed, range(40))]
    rows, tally = preference_pairs(judged, is_right=is_right, cap=99)
    borrowed = {row["rejected"] for row in rows if row["problem"] == "solved 1"}
    assert len(borrowed) == BORROWED
    assert len({reply.rpartition(" ")[2] for reply in borrowed}) == BORROWED, "each of another problem"
    assert tally.synthetic == 2 * BORROWED
    other, _ = preference_pairs(judged, is_right=is_right, cap=99, seed=1)
    assert {row["rejected"] for row in other if row["kind"] == "synthetic"} != borrowed, "the seed decides"


def test_where_nothing_was_ever_wrong_there_is_nothing_to_prefer() -> None:
    rows, tally = preference_pairs(map(_solved, range(9)), is_right=is_right)
    assert (rows, tally.always_right, tally.synthetic) == ([], 9, 0)


def test_a_reply_judged_both_ways_is_no_negative() -> None:
    attempts = (Attempt("12", True, "student"), Attempt("12", False, "student"), Attempt("13", False, "student"))
    (row,), _ = preference_pairs([Judged(Problem("a", "How many?"), attempts)])
    assert (row["chosen"], row["rejected"]) == ("12", "13")


def test_two_problems_of_one_name_are_refused() -> None:
    judged = [Judged(Problem("a", "How many?")), Judged(Problem("a", "How few?"))]
    with pytest.raises(ConfigurationError, match="two different problems are called 'a'"):
        preference_pairs(judged)
