"""pass@1 beside a control: what is asked, marked, judged, resumed and reported, with replies nobody can trust."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentinstruct.errors import AgentInstructError, ConfigurationError, RunLocked
from agentinstruct.evaluation import maths_report, report
from agentinstruct.evaluation.asking import KeptReplies, ask_all
from agentinstruct.evaluation.benchmarks import Benchmark, read_benchmark
from agentinstruct.evaluation.maths import Doubt, MathsResults, evaluate_maths
from tests.evaluation.scripted import ScriptedStudent

pytestmark = pytest.mark.slow

HOSTILE = "| <script>alert(1)</script> [x](http://e.vil) \u202e\x1b[31m `code` ## The answer is 1"
WHO: report.Identities = {
    "student": {"model": "student $x$ | <b>", "sha256": "ab" * 32},
    "control": {"model": "base"},
}


class ScriptedJudge:
    """Finds right whatever holds the wanted answer as a word."""

    def __init__(self) -> None:
        self.doubts: list[Doubt] = []

    def __call__(self, doubts: Sequence[Doubt]) -> dict[Doubt, bool]:
        self.doubts += doubts
        return {doubt: "forty-two" in doubt.reply for doubt in doubts if "hopeless" not in doubt.reply}


def sums(tmp_path: Path, n: int = 10, name: str = "sums") -> Benchmark:
    path = tmp_path / f"{name}.jsonl"
    rows = ({"question": f"{name}: {number} and 1 is?", "answer": str(number + 1)} for number in range(n))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_benchmark(f"{name}={path}")


def number_in(prompt: str) -> int:
    return int(prompt.split()[1])


def right(prompt: str) -> str:
    return f"The answer is {number_in(prompt) + 1}."


def right_below(most: int) -> ScriptedStudent:
    return ScriptedStudent(
        lambda prompt: right(prompt) if number_in(prompt) < most else "The answer is 0.", name=f"{most}"
    )


def test_a_student_is_measured_beside_its_control_on_the_same_items(tmp_path: Path) -> None:
    found = evaluate_maths([sums(tmp_path)], right_below(8), right_below(5), KeptReplies(tmp_path / "replies.jsonl"))
    (row,) = found.rows
    assert row.control and row.paired
    assert (row.student.right, row.control.right) == (8, 5)
    assert (row.paired.only_student, row.paired.only_control) == (3, 0)
    assert row.paired.difference.value == pytest.approx(0.3)


def test_a_control_that_wins_is_told_as_loudly(tmp_path: Path) -> None:
    found = evaluate_maths([sums(tmp_path, 40)], right_below(5), right_below(39), KeptReplies(tmp_path / "r.jsonl"))
    lines = maths_report.table(found, {"student": {"model": "ours"}, "control": {"model": "base"}})
    (line,) = [line for line in lines if line.startswith("| sums ")]
    assert "-85.0" in line and "**worse**" in line and "0 / 34" in line


def test_the_judge_decides_only_what_no_program_can_read(tmp_path: Path) -> None:
    said = {
        0: "The answer is 1.",
        1: "The answer is 7.",
        2: "well, forty-two of them",
        3: "hopeless",
        4: "who knows",
        5: "",
    }
    student = ScriptedStudent(lambda prompt: said[number_in(prompt)])
    judge = ScriptedJudge()
    found = evaluate_maths([sums(tmp_path, 6)], student, None, KeptReplies(tmp_path / "r.jsonl"), judge=judge)
    assert sorted(doubt.reply for doubt in judge.doubts) == ["hopeless", "well, forty-two of them", "who knows"]
    (row,) = found.rows
    assert (row.student.right, row.student.unreadable, row.student.undecided) == (2, 4, 2)
    assert row.student.extraction_failure == pytest.approx(4 / 6)
    assert [(each.outcome.value, each.by) for each in found.replies] == [
        ("right", "program"),
        ("wrong", "program"),
        ("right", "judge"),
        ("unreadable", "program"),
        ("wrong", "judge"),
        ("unreadable", "program"),
    ]


def test_a_killed_evaluation_asks_nothing_twice_and_groups_as_an_unbroken_one(tmp_path: Path) -> None:
    prompts = [f"sums: {number} and 1 is?" for number in range(10)]
    whole = ScriptedStudent(right)
    expected = ask_all(whole, prompts, KeptReplies(tmp_path / "whole.jsonl"))
    path = tmp_path / "replies.jsonl"
    broken = ScriptedStudent(right, fail_after=2)
    with pytest.raises(KeyboardInterrupt):
        ask_all(broken, prompts, KeptReplies(path))
    assert broken.closed
    with path.open("a") as file:
        file.write('{"crc":"torn by the ki')  # the kill came in the middle of a line
    resumed = ScriptedStudent(right)
    assert ask_all(resumed, prompts, KeptReplies(path)) == expected
    assert broken.calls + resumed.calls == whole.calls
    again = ScriptedStudent(right)
    assert ask_all(again, prompts, KeptReplies(path)) == expected
    assert again.calls == []


def test_a_model_that_changed_is_asked_anew(tmp_path: Path) -> None:
    kept = KeptReplies(tmp_path / "r.jsonl")
    ask_all(ScriptedStudent(lambda _: "old", name="before"), ["a"], kept)
    assert ask_all(ScriptedStudent(lambda _: "new", name="after"), ["a"], kept) == {"a": "new"}


def test_a_question_without_a_reply_is_an_error_that_the_next_call_cures(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with pytest.raises(AgentInstructError, match="1 of 3 questions have no reply yet"):
        ask_all(ScriptedStudent(lambda prompt: None if prompt == "b" else "x"), ["a", "b", "c"], KeptReplies(path))
    student = ScriptedStudent(lambda _: "x")
    assert ask_all(student, ["a", "b", "c"], KeptReplies(path)) == {"a": "x", "b": "x", "c": "x"}


def test_replies_are_not_kept_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a link"):
        KeptReplies(path)


def test_the_same_question_in_two_benchmarks_is_asked_once(tmp_path: Path) -> None:
    one = sums(tmp_path)
    other = Benchmark(name="again", source="x", items=one.items[:3])
    student = ScriptedStudent(right)
    found = evaluate_maths([one, other], student, None, KeptReplies(tmp_path / "r.jsonl"))
    assert sum(map(len, student.calls)) == 10
    assert [row.student.pass_at_1.n for row in found.rows] == [10, 3]


def written(tmp_path: Path, *, control: bool, reply: str = "The answer is 1.") -> tuple[Path, MathsResults]:
    out = tmp_path / "out"
    with report.directory(out):
        on, kept = [sums(tmp_path), sums(tmp_path, 5, "more")], KeptReplies(out / "replies.jsonl")
        found = evaluate_maths(on, ScriptedStudent(lambda _: reply), right_below(4) if control else None, kept)
        maths_report.write(out, found, WHO if control else {"student": WHO["student"]})
        return out, found


def test_the_directory_holds_every_figure_every_reply_a_table_and_a_picture(tmp_path: Path) -> None:
    out, _ = written(tmp_path, control=True)
    assert sorted(path.name for path in out.iterdir()) == [
        ".evaluation.lock",
        "answers.jsonl",
        "replies.jsonl",
        "results.json",
        "results.png",
        "results.svg",
        "table.md",
    ]
    results = json.loads((out / "results.json").read_text())
    assert set(results) >= {"kind", "student", "control", "judge", "settings", "benchmarks", "versions"}
    figures = results["benchmarks"]["sums"]
    assert figures["n"] == 10
    assert figures["student"]["pass_at_1"].keys() == {"value", "low", "high", "n"}
    assert figures["student"]["extraction_failure_rate"] == 0
    assert figures["paired"].keys() == {"difference", "only_student", "only_control"}
    assert results["versions"]["agentinstruct"]
    rows = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    first = rows[0]
    assert (first["question"], first["wanted"], first["extracted"], first["outcome"]) == (
        "sums: 0 and 1 is?",
        "1",
        "1",
        "right",
    )
    assert first["who"] == "student" and first["right"] is True
    assert (out / "results.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_replies_leave_the_same_files(tmp_path: Path) -> None:
    out, found = written(tmp_path, control=True)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    maths_report.write(out, found, WHO)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_without_a_control_the_table_the_picture_and_the_figures_say_so(tmp_path: Path) -> None:
    out, _ = written(tmp_path, control=False)
    table = (out / "table.md").read_text()
    assert "**No control was given.**" in table.split("|")[0]
    assert json.loads((out / "results.json").read_text())["control"] is None


def test_hostile_words_stand_escaped_in_markdown_and_harm_no_picture(tmp_path: Path) -> None:
    out, _ = written(tmp_path, control=True, reply=HOSTILE)
    table = (out / "table.md").read_text()
    assert "<b>" not in table and "student \\$x\\$ \\| \\<b\\>" in table
    assert report.escaped(HOSTILE, longest=200).count("|") == report.escaped(HOSTILE, longest=200).count("\\|")
    shown = report.escaped(HOSTILE, longest=200)
    assert "\u202e" not in shown and "\x1b" not in shown and "<" not in shown.replace("\\<", "")
    rows = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert rows[0]["reply"] == HOSTILE


def test_a_directory_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    told = r"holds other things \(thesis\.docx\)"
    with pytest.raises(ConfigurationError, match=told), report.directory(tmp_path):
        pass


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    with report.directory(tmp_path / "out"), pytest.raises(RunLocked), report.directory(tmp_path / "out"):
        pass
