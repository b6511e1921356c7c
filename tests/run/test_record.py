"""Recording a run and making it again from the recording: the same ids and bytes, and nothing asked of anybody."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Summary, TeacherOptions, generate, preview, record, status
from agentinstruct.batch.files import import_answers, question_lines
from agentinstruct.errors import ConfigurationError, QuestionsWait
from tests.engine import Question, Reply, Teacher, dataset_bytes, pairs_of, rejected_of, seeds, write_flow

FLOW = {
    "flow.py": '''"""A question, its answer, and a judge: three agents, each asked on what the one before said."""

import asyncio

from pydantic import BaseModel

from agentinstruct import Pair, Rejection
from agentinstruct.flow import flow


class Asked(BaseModel):
    """What the asker returns."""

    question: str


@flow(skill="Quiz")
async def quiz(seed, ask):
    async def one(number):
        branch = ask.branch(number)
        asked = await branch("asker", text=seed.text, number=number, returns=Asked)
        answers = [await branch("solver", question=asked.question) for _ in range(2)]
        verdict = await branch("judge", question=asked.question, answers=answers)
        return asked.question, answers, verdict

    for question, answers, verdict in await asyncio.gather(one(1), one(2)):
        if verdict == "no":
            yield Rejection(stage="verify", reason="judge", detail=question)
        else:
            yield Pair.of(question, " / ".join(answers))
''',
    "asker.md": "You ask.\n---\n<number>{{ number }}</number>\n<text>{{ text }}</text>\n",
    "solver.md": "You solve.\n---\n<question>{{ question }}</question>\n",
    "judge.md": "You judge.\n---\n<question>{{ question }}</question>\n{{ answers | join(', ') }}\n",
}
TEXTS = seeds("The mill stood by the river.", "The ferry sank in 1911.", "A heron nests in the reeds.")
QUESTIONS = 2 * 4 * len(TEXTS)


def _reply(question: Question) -> Reply:
    """Answer so that two equal questions get two answers, some JSON stays as odd as it came, and one is refused."""
    match question.system:
        case "You ask.":
            words = f"What of it ({question.section('number')}): {question.section('text')}?"
            return {"question": words} if "mill" in words else json.dumps({"question": words}, indent=2)
        case "You judge.":
            return "no" if "heron" in question.user and "(2)" in question.user else 'yes, \u2026 "so"'
        case _:
            return f"Answer {len(TEACHER.asked)} to {question.user}"


TEACHER = Teacher(_reply)


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "quiz", FLOW)


@pytest.fixture
def first(flow: Path, tmp_path: Path) -> Iterator[Path]:
    """A run asked of a teacher that never gives the same answer twice."""
    global TEACHER  # noqa: PLW0603  # a client serves one run
    TEACHER = Teacher(_reply, model="strong-1")
    generate(TEXTS, [flow], tmp_path / "first", teacher=TEACHER)
    yield tmp_path / "first"


def _replay(flow: Path, recording: Path, out: Path, **options: Any) -> Summary:
    return generate(TEXTS, [flow], out, teacher=f"recorded:{recording}", **options)


@pytest.mark.parametrize("name", ["quiz.jsonl", "quiz.jsonl.gz"])
def test_a_recorded_run_is_made_again_byte_for_byte_and_nobody_is_asked(
    first: Path, flow: Path, tmp_path: Path, name: str
) -> None:
    recording = tmp_path / name
    done = record(first, recording, note="Given by a machine.")
    assert (done.added, done.answers, done.waiting) == (QUESTIONS, QUESTIONS, 0)
    summary = _replay(flow, recording, tmp_path / "again")
    assert (summary.pairs, summary.calls, summary.dollars) == (5, QUESTIONS, 0.0)
    assert dataset_bytes(tmp_path / "again") == dataset_bytes(first)
    assert json.loads((tmp_path / "again/manifest.json").read_text())["teachers"][""]["model"] == "strong-1"
    card = (tmp_path / "again/README.md").read_text(encoding="utf-8")
    assert f"| strong-1 | {QUESTIONS} |" in card and "Given by a machine." in card
    # recorded once more, from the replay, it is the same file: whose answers they are and when they came included
    record(tmp_path / "again", tmp_path / f"again-{name}", note="Given by a machine.")
    assert (tmp_path / f"again-{name}").read_bytes() == recording.read_bytes()


def test_recording_again_adds_only_what_is_new_at_the_end(first: Path, flow: Path, tmp_path: Path) -> None:
    recording = tmp_path / "quiz.jsonl"
    record(first, recording)
    before = recording.read_text(encoding="utf-8")
    assert record([first, first], recording).added == 0
    assert recording.read_text(encoding="utf-8") == before
    more = seeds("The bell is cracked.")
    generate([*TEXTS, *more], [flow], first, teacher=Teacher(_reply, model="strong-1"))
    assert record(first, recording).added == QUESTIONS // len(TEXTS)
    assert recording.read_text(encoding="utf-8").startswith(before)


def test_a_changed_prompt_leaves_just_its_questions_and_what_depends_on_them_missing(
    first: Path, flow: Path, tmp_path: Path
) -> None:
    recording, again = tmp_path / "quiz.jsonl", tmp_path / "again"
    record(first, recording)
    (flow / "solver.md").write_text("You solve with care.\n---\n<question>{{ question }}</question>\n")
    with pytest.raises(QuestionsWait, match=r"lacks answers .*: solver \d+\. .*--batch export"):
        _replay(flow, recording, again)
    assert status(again).pending == len(TEXTS)
    waves: list[list[str]] = []
    for _ in range(4):
        with pytest.raises(QuestionsWait) if len(waves) < 3 else nullcontext():
            _replay(flow, recording, again, batch="export")
        lines = [json.loads(line) for line in question_lines(again)]
        waves.append([line["body"]["messages"][0]["content"] for line in lines])
        answers = [{"custom_id": line["custom_id"], "content": f"Mended {line['custom_id']}"} for line in lines]
        (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, answers)), encoding="utf-8")
        import_answers(again, [tmp_path / "answers.jsonl"], model="strong-2")
    # two answers to each question in turn, then their judge; the askers are replayed
    assert waves == [["You solve with care."] * 6, ["You solve with care."] * 6, ["You judge."] * 6, []]
    assert record(again, recording).added == 18
    summary = _replay(flow, recording, tmp_path / "third")
    assert dataset_bytes(tmp_path / "third") == dataset_bytes(again)
    assert summary.calls == QUESTIONS
    by = [json.loads(line).get("model") for line in recording.read_text(encoding="utf-8").splitlines()[1:]]
    assert (by.count("strong-1"), by.count("strong-2")) == (QUESTIONS, 18)
    assert "| strong-2 | 18 |" in (tmp_path / "third/README.md").read_text(encoding="utf-8")


def test_answers_are_carried_over_to_a_wording_that_changes_none_of_them(
    first: Path, flow: Path, tmp_path: Path
) -> None:
    recording, again = tmp_path / "quiz.jsonl", tmp_path / "again"
    record(first, recording)
    (flow / "solver.md").write_text("You solve .\n---\n<question>{{ question }}</question>\n")
    for expected in (6, 6):  # the second of two equal questions is asked when the first is answered
        with pytest.raises(QuestionsWait):
            _replay(flow, recording, again, batch="export")
        assert record(again, recording, carry=True).carried == expected
    _replay(flow, recording, again, batch="export")
    words = [pair["messages"] for pair in pairs_of(again)]
    assert words == [pair["messages"] for pair in pairs_of(first)]
    marked = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines() if '"carried"' in line]
    assert {line["agent"] for line in marked} == {"solver"} and len(marked) == 12
    assert record(again, recording, carry=True).carried == 0


def test_an_answer_of_another_seed_counts_only_for_the_very_same_question(
    first: Path, flow: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "quiz.jsonl"
    record(first, recording)
    same = [seed.model_copy(update={"id": f"other-{number}"}) for number, seed in enumerate(TEXTS)]
    generate(same, [flow], tmp_path / "again", teacher=f"recorded:{recording}")
    said = [pair["messages"] for pair in pairs_of(tmp_path / "again")]
    assert said == [pair["messages"] for pair in pairs_of(first)]


def test_the_judges_own_teacher_is_recorded_and_replayed_as_such(flow: Path, tmp_path: Path) -> None:
    global TEACHER  # noqa: PLW0603  # a client serves one run
    TEACHER = Teacher(_reply, model="strong-1")
    asked = TeacherOptions(teacher=TEACHER, roles={"judge": Teacher(_reply, model="judge-1")})
    generate(TEXTS, [flow], tmp_path / "first", teacher=asked)
    record(tmp_path / "first", tmp_path / "quiz.jsonl")
    _replay(flow, tmp_path / "quiz.jsonl", tmp_path / "again")
    assert dataset_bytes(tmp_path / "again") == dataset_bytes(tmp_path / "first")
    card = (tmp_path / "again/README.md").read_text(encoding="utf-8")
    assert "| judge-1 | 6 |" in card and "| strong-1 | 18 |" in card


def test_a_rejected_question_is_rejected_again_and_no_key_gets_into_a_recording(flow: Path, tmp_path: Path) -> None:
    from agentinstruct.errors import Rejected

    def reply(question: Question) -> Reply:
        if "ferry" in question.user and question.system == "You ask.":
            return Rejected("content_filter", "no ferries")
        if question.system == "You judge.":
            return "yes, says sk-abcdefghijklmnop"
        return {"question": question.user} if question.system == "You ask." else f"Answer to {question.user}"

    generate(TEXTS, [flow], tmp_path / "first", teacher=Teacher(reply))
    recording = tmp_path / "quiz.jsonl.gz"
    assert record(tmp_path / "first", recording).blotted == 4
    assert "sk-abc" not in gzip.decompress(recording.read_bytes()).decode()
    _replay(flow, recording, tmp_path / "again")
    assert [row["detail"] for row in rejected_of(tmp_path / "again")] == ["no ferries"]


def test_a_preview_is_answered_from_a_recording_too(first: Path, flow: Path, tmp_path: Path) -> None:
    recording = tmp_path / "quiz.jsonl"
    record(first, recording)
    tree = preview(TEXTS, flow, index=1, teacher=f"recorded:{recording}")
    assert [pair.id for pair in tree.pairs] == [row["id"] for row in pairs_of(first) if "ferry" in str(row)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot read the recording .*agentinstruct record"),
        ("", "is empty"),
        ('{"recording": 9, "teachers": {}}', "line 1: recording"),
        ('{"recording": 1, "teachers": {}}\n{"flow": 1}', "line 2: flow"),
        ('{"recording": 1, "teachers": {}}\nnonsense', "line 2: the line"),
    ],
)
def test_a_file_that_is_no_recording_is_named_with_the_line(
    flow: Path, tmp_path: Path, content: str | None, complaint: str
) -> None:
    path = tmp_path / "bad.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=complaint):
        _replay(flow, path, tmp_path / "run")


def test_a_run_of_other_teachers_needs_a_recording_of_its_own(first: Path, flow: Path, tmp_path: Path) -> None:
    record(first, tmp_path / "quiz.jsonl")
    generate(TEXTS[:1], [flow], tmp_path / "other", teacher=Teacher(_reply, model="strong-9"))
    with pytest.raises(ConfigurationError, match=r"strong-9.*strong-1.*file of its own"):
        record(tmp_path / "other", tmp_path / "quiz.jsonl")
    with pytest.raises(ConfigurationError, match="by a provider's batches"):
        _replay(flow, tmp_path / "quiz.jsonl", tmp_path / "run", batch="openai")
