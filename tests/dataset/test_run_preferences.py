"""What a run's own rejections and refinements become: from generating to the exported line, with a scripted teacher."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import agentinstruct
from agentinstruct import Pair, Rejection, Seed, Verdict, generate
from agentinstruct.cli import app
from agentinstruct.dataset.export import export_lines
from agentinstruct.dataset.parquet import publish
from agentinstruct.dataset.preferences import attempts_of_run, labelled_of_run, preferences_of_run
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.reader import Outcome
from agentinstruct.paths import SEEDS
from agentinstruct.records import Lineage, Message
from tests.engine import Question, Reply, Teacher, rejected_of

EXAMPLES = Path(__file__).parents[2] / "examples"
PROBLEM = Seed.of("Ann has 3 apples and gets 14 more. How many has she?", kind="math", meta={"answer": "17"})
HARDER = "Ann has 3 apples and gets 14 more, then eats 2. How many has she?"
HARDEST = "Ann has 3 apples, gets 14 more, eats 2 and halves the rest. How many has she?"


def _answer(number: str) -> dict[str, Any]:
    return {"answerable": True, "response": f"It is {number}.", "final_answer": number}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one word problem and its two refinements: two are verified, and the third gets two answers."""
    disputed: list[Question] = []

    def reply(question: Question) -> Reply:
        match question.wanted:
            case "Statement":
                return {"statement": ""}
            case "Suggestions":
                return {"suggestions": ["Add a step."]}
            case "Problem":
                return {"suitable": True, "problem": HARDEST if HARDER in question.user else HARDER}
            case _ if HARDEST in question.user:
                disputed.append(question)
                return _answer(f"{7 + len(disputed)}")
            case _:
                return _answer("15" if HARDER in question.user else "17")

    out = tmp_path_factory.mktemp("preferences") / "run"
    generate([PROBLEM], ["math_word_problems"], out, teacher=Teacher(reply))
    return out


def _words(row: dict[str, Any], side: str) -> str:
    ((turn),) = row[side]
    return str(turn["content"])


def test_a_reply_that_failed_a_check_is_kept_with_its_instruction_and_reason(run: Path) -> None:
    (failed,) = [row for row in rejected_of(run) if row["stage"] == "verify"]
    assert (failed["text"], failed["response"]) == (HARDEST, "It is 8.")
    assert all(row["response"] == "" for row in rejected_of(run) if row["stage"] != "verify")
    (row,) = [row for row in labelled_of_run(run) if not row["label"] and _words(row, "prompt") == HARDEST]
    assert _words(row, "completion") == "It is 8."
    assert row["reason"] == "second_solver: 8 against 9"


def test_after_a_refinement_that_turned_the_answer_the_earlier_reply_is_a_wrong_one(run: Path) -> None:
    rows = [json.loads(line) for line in export_lines(run, "preference")]
    pairs = {_words(row, "prompt"): (_words(row, "chosen"), _words(row, "rejected")) for row in rows}
    assert pairs == {PROBLEM.text: ("It is 17.", "It is 15."), HARDER: ("It is 15.", "It is 17.")}
    assert all("refinement" in row["reason"] for row in rows)
    assert [turn["role"] for row in rows for side in ("prompt", "chosen", "rejected") for turn in row[side]] == [
        "user",
        "assistant",
        "assistant",
    ] * 2


def test_drafts_that_were_objected_to_stand_below_the_answer_that_was_approved(tmp_path: Path) -> None:
    def reply(question: Question) -> Reply:
        drafts = sum(bool(re.fullmatch(r"Draft \d", str(message.content))) for message in question.messages)
        if question.wanted:
            return {"question": "Who dug it?"}
        if "APPROVE" in question.system:
            return "APPROVE" if drafts == 3 else f"Draft {drafts} is too short."
        return f"Draft {drafts + 1}"

    seeds = [Seed.of("The harbour was dug by forty men.")]
    generate(seeds, [EXAMPLES / "reviewed_answer"], tmp_path / "run", teacher=Teacher(reply))
    rows = sorted(preferences_of_run(tmp_path / "run"), key=lambda row: row["reason"])
    assert [_words(row, "rejected") for row in rows] == ["Draft 1", "Draft 2"]
    assert {_words(row, "chosen") for row in rows} == {"Draft 3"}
    assert rows[0]["reason"] == "not_approved: Draft 1 is too short."
    assert {_words(row, "prompt") for row in rows} == {"The harbour was dug by forty men.\n\nWho dug it?"}


def _lineage(number: int, parent: int | None = None) -> Lineage:
    parent_id = None if parent is None else str(parent)
    goal = None if parent is None else "change"
    return Lineage(
        seed_id="s",
        seed_hash="h",
        source="",
        license="",
        flow="f",
        instruction_id=str(number),
        parent_id=parent_id,
        goal=goal,
    )


def _published(
    folder: Path, pairs: list[Pair], rejections: list[Rejection] | None = None, *, tools: bool = False
) -> Path:
    outcome = Outcome(item=1, flow="f", seed="s", pairs=pairs, rejections=rejections or [])
    publish(folder, [outcome], tools=tools)
    return folder


TURNED = Verdict(check="answer_changed", passed=True)


@pytest.mark.parametrize(
    ("before", "after", "turned"),
    [
        ({"final_answer": "12"}, {"final_answer": "12.0"}, False),
        ({"final_answer": "12"}, {"final_answer": "13"}, True),
        ({"final_answer": "the harbour"}, {"final_answer": "harbour of Ambleton"}, False),
        ({"final_answer": "the harbour"}, {"final_answer": "the mill", "verdicts": (TURNED,)}, True),
        ({"final_answer": "the harbour"}, {"declined": True}, True),
        ({"declined": True}, {"declined": True}, False),
        ({}, {}, False),
    ],
)
def test_only_answers_that_surely_differ_make_a_refinement_a_preference(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], turned: bool
) -> None:
    parent = Pair.of("Before?", "Reply before.", id="1", lineage=_lineage(1), **before)
    child = Pair.of("After?", "Reply after.", id="2", lineage=_lineage(2, 1), **after)
    rows = list(preferences_of_run(_published(tmp_path, [parent, child])))
    assert len(rows) == 2 * turned
    if turned:
        assert {(_words(row, "prompt"), _words(row, "chosen"), _words(row, "rejected")) for row in rows} == {
            ("Before?", "Reply before.", "Reply after."),
            ("After?", "Reply after.", "Reply before."),
        }


def test_what_is_no_single_question_is_left_out(tmp_path: Path) -> None:
    system = Message(role="system", content="Be brief.")
    plain = Pair.of("Plain?", "Yes.", id="1", lineage=_lineage(1))
    told = plain.model_copy(update={"id": "2", "messages": (system, *plain.messages)})
    tool = plain.model_copy(update={"id": "3", "tools": ({"type": "function"},)})
    refused = Rejection(stage="verify", reason="no", text="Plain?", response="No.", lineage=_lineage(1))
    replyless = Rejection(stage="instruct", reason="irrelevant", text="Other?", lineage=_lineage(4))
    (judged,) = attempts_of_run(_published(tmp_path, [told, tool, plain], [refused, replyless], tools=True))
    assert (judged.problem.prompt, judged.problem.solution) == ("Plain?", "Yes.")
    assert [(each.reply, each.correct, each.reason) for each in judged.attempts] == [("No.", False, "no")]


def test_a_pair_with_tools_or_several_turns_has_no_one_response() -> None:
    plain = Pair.of("Plain?", "Yes.")
    assert plain.response == "Yes."
    assert plain.model_copy(update={"messages": plain.messages * 2}).response == ""
    assert plain.model_copy(update={"tools": ({"type": "function"},)}).response == ""


def test_the_command_writes_both_forms_of_a_shipped_flow(tmp_path: Path) -> None:
    problems = SEEDS / "sample" / "word_problems.jsonl"
    summary = agentinstruct.generate(
        [problems], ["math_word_problems"], tmp_path / "run", limit=40, teacher="recorded:sample"
    )
    out = tmp_path / "rows.jsonl"
    done = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "labelled", "--out", str(out)])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert f"{len(rows)} rows in" in done.output
    assert sum(row["label"] for row in rows) == summary.pairs
    assert all(bool(row["reason"]) != row["label"] for row in rows)
    failed = {_words(row, "prompt") for row in rows if not row["label"] and "refinement" not in row["reason"]}
    assert failed == {row["text"] for row in rejected_of(tmp_path / "run") if row["stage"] == "verify"}
    with pytest.raises(ConfigurationError, match="holds no published pairs"):
        list(export_lines(tmp_path / "nothing", "preference"))
