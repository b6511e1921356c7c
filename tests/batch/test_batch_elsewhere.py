"""A run whose questions are carried elsewhere and whose answers are brought back, wave by wave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Summary, TeacherOptions, cli, generate
from agentinstruct.batch.files import Imported, export_questions, import_answers
from agentinstruct.errors import ConfigurationError, QuestionsWait
from tests.batch_file import Bounds, Line, read_lines
from tests.batching import CHAIN, ITEMS, POEMS, STEPS, quickly, run_batches, run_live, tell_on
from tests.engine import dataset_bytes, pairs_of, rejected_of, write_flow
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

_BY_EXPORT = {"via": "export"}


def _next_wave(server: OpenAIServer, stories: Path, chain: Path, out: Path) -> Summary | None:
    """Take the run as far as it goes; None when questions wait."""
    try:
        return run_batches(server, stories, chain, out, batch=_BY_EXPORT)
    except QuestionsWait:
        return None


def _questions(run: Path) -> list[Line]:
    path = run.parent / "questions.jsonl"
    number = export_questions(run, path)
    lines, errors = read_lines(path.read_bytes(), Bounds())
    assert not errors, "the Batch API would not take this file"
    assert len(lines) == number
    return lines


def _bring(run: Path, entries: Iterable[dict[str, Any] | str]) -> Imported:
    path = run.parent / "answers.jsonl"
    texts = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return import_answers(run, [path])


def _by_hand(line: Line) -> dict[str, Any]:
    return {"custom_id": line.custom_id, "content": tell_on(line.body)}


def _reply(server: OpenAIServer, line: Line) -> dict[str, Any]:
    return {"status_code": 200, "body": server.complete(line.body, None)}


@pytest.mark.parametrize("form", ["by hand", "a batch's output"])
def test_answers_brought_wave_by_wave_give_the_live_dataset(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path, form: str
) -> None:
    run, waves = tmp_path / "run", 0
    while (summary := _next_wave(server, stories, chain, run)) is None:
        lines = _questions(run)
        written = _by_hand if form == "by hand" else lambda line: line.entry(_reply(server, line), None)
        brought = _bring(run, map(written, reversed(lines)))
        assert brought == Imported(kept=ITEMS, known=0, unknown=0, failed=0, waiting=0)
        waves += 1
        assert waves <= STEPS
    assert (waves, summary.done, summary.pairs, summary.calls) == (STEPS, ITEMS, ITEMS, ITEMS * STEPS)
    assert not server.requests
    run_live(server, stories, chain, tmp_path / "live")
    assert dataset_bytes(run) == dataset_bytes(tmp_path / "live")


def test_what_is_answered_in_part_goes_on_in_part_and_the_rest_is_exported_again(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert _next_wave(server, stories, chain, run) is None
    first = _questions(run)
    assert _questions(run) == first, "an export must change nothing"
    some = [_by_hand(line) for line in first[:4]]
    assert _bring(run, some) == Imported(kept=4, known=0, unknown=0, failed=0, waiting=6)
    assert _bring(run, some) == Imported(kept=0, known=4, unknown=0, failed=0, waiting=6)
    assert [line.custom_id for line in _questions(run)] == [line.custom_id for line in first[4:]]
    assert _next_wave(server, stories, chain, run) is None
    waiting = {line.custom_id for line in _questions(run)}
    assert len(waiting) == ITEMS
    assert waiting.isdisjoint(line.custom_id for line in first[:4])
    assert _bring(run, some).known == 4, "what is answered and used is known still"
    while (summary := _next_wave(server, stories, chain, run)) is None:
        _bring(run, map(_by_hand, _questions(run)))
    assert (summary.pairs, summary.calls) == (ITEMS, ITEMS * STEPS)


def test_answers_for_nobody_doubled_or_failed_are_counted_and_the_first_of_two_is_kept(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert _next_wave(server, stories, chain, run) is None
    lines = _questions(run)
    throttled = {"error": {"message": "too many requests", "code": "rate_limit_exceeded"}}
    expired = {"code": "batch_expired", "message": "too late"}
    entries = [
        *(_by_hand(line) for line in lines[:5]),
        {"custom_id": lines[0].custom_id, "content": "Another answer."},
        {"custom_id": "nobody", "content": "An answer."},
        lines[5].entry({"status_code": 429, "body": throttled}, None),
        lines[6].entry(None, expired),
    ]
    assert _bring(run, entries) == Imported(kept=5, known=1, unknown=1, failed=2, waiting=5)
    while _next_wave(server, stories, chain, run) is None:
        _bring(run, map(_by_hand, _questions(run)))
    run_live(server, stories, chain, tmp_path / "live")
    assert dataset_bytes(run) == dataset_bytes(tmp_path / "live")


def test_a_filtered_answer_is_a_rejection_and_an_object_answers_a_typed_question(
    server: OpenAIServer, stories: Path, tmp_path: Path
) -> None:
    run, flow = tmp_path / "run", write_flow(tmp_path / "poems", {**CHAIN, "flow.py": POEMS})
    assert _next_wave(server, stories, flow, run) is None
    filtered = {"error": {"message": "not for you", "code": "content_filter"}}
    lines = _questions(run)
    poem = {"subject": "a ship: ⛵\u2028\U0001f30a", "lines": 3}
    answers = [{"custom_id": line.custom_id, "content": poem} for line in lines[1:]]
    _bring(run, [lines[0].entry({"status_code": 400, "body": filtered}, None), *answers])
    summary = _next_wave(server, stories, flow, run)
    assert summary is not None and summary.done == ITEMS
    assert [row["reason"] for row in rejected_of(run)] == ["content_filter"]
    asked = {row["messages"][0]["content"].partition(" Story")[0] for row in pairs_of(run)}
    assert asked == {f"Write 3 lines on {poem['subject']}"}


_WRONG = {
    "{": ("line 2", "not JSON", "custom_id"),
    "[1]": ("line 2", "custom_id"),
    '{"content": "Yes."}': ("line 2", "custom_id"),
    '{"custom_id": 7, "content": "Yes."}': ("line 2", "custom_id"),
    '{"custom_id": "a"}': ("line 2", "content"),
    '{"custom_id": "a", "content": 7}': ("line 2", "content"),
    '{"custom_id": "a", "response": {"status_code": 200}}': ("line 2", "response"),
    "[" * 100_000: ("line 2", "custom_id"),
}


@pytest.mark.parametrize("wrong", _WRONG, ids=lambda wrong: wrong[:40])
def test_a_line_that_is_no_answer_is_named_and_what_was_before_it_is_kept(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path, wrong: str
) -> None:
    run = tmp_path / "run"
    assert _next_wave(server, stories, chain, run) is None
    first, *_, last = _questions(run)
    with pytest.raises(ConfigurationError) as raised:
        _bring(run, [_by_hand(first), wrong, _by_hand(last)])
    assert all(part in str(raised.value) for part in ("answers.jsonl", *_WRONG[wrong])), raised.value
    assert len(_questions(run)) == ITEMS - 1


def test_a_file_or_a_run_that_is_not_there_is_told(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="is not a run"):
        import_answers(tmp_path, [])
    with pytest.raises(ConfigurationError, match="is not a run"):
        export_questions(tmp_path, tmp_path / "questions.jsonl")
    run = tmp_path / "run"
    assert _next_wave(server, stories, chain, run) is None
    with pytest.raises(ConfigurationError, match=r"none\.jsonl"):
        import_answers(run, [tmp_path / "none.jsonl"])
    with pytest.raises(ConfigurationError, match="chain"):
        import_answers(run, [chain])
    with pytest.raises(ConfigurationError, match="nowhere"):
        export_questions(run, tmp_path / "nowhere" / "questions.jsonl")


def test_questions_for_elsewhere_need_no_key_and_no_server(
    stories: Path, chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    teacher = TeacherOptions(teacher="openai:m")
    with pytest.raises(QuestionsWait, match=f"{ITEMS} questions wait"):
        generate([stories], [chain], tmp_path / "run", teacher=teacher, batch=quickly(**_BY_EXPORT))
    assert {line.body["model"] for line in _questions(tmp_path / "run")} == {"m"}


def test_a_run_begun_by_export_can_be_ended_in_batches_and_live(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for _ in range(2):
        assert _next_wave(server, stories, chain, run) is None
        _bring(run, map(_by_hand, _questions(run)))
    server.batches.ends([None, None])
    server.batches.fail("upload", [None, None, Fault(status=401)])
    with pytest.raises(Exception, match=r"401|key"):
        run_batches(server, stories, chain, run)
    run_live(server, stories, chain, run)
    assert (len(server.batches.made), len(server.requests), server.duplicates) == (2, ITEMS * (STEPS - 2), 0)
    run_live(server, stories, chain, tmp_path / "live")
    assert dataset_bytes(run) == dataset_bytes(tmp_path / "live")


def test_the_command_line_leads_through_it(
    server: OpenAIServer,
    stories: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["agentinstruct", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), " ".join((said.out + said.err).split())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_flow(tmp_path / "poems", {**CHAIN, "flow.py": POEMS})
    words = ["generate", stories, "-f", "poems", "-o", "my run", "-t", "openai:m", "--batch", "export"]
    words += ["--base-url", server.base_url]
    code, said = command(*words)
    assert code == 4
    assert "agentinstruct batch export 'my run' -o questions.jsonl" in said
    assert command("batch", "export", "my run", "-o", "questions.jsonl") == (0, f"{ITEMS} questions in questions.jsonl")
    code, piped = command("batch", "export", "my run")
    assert code == 0 and len(piped.split('"custom_id"')) == ITEMS + 1
    lines, _ = read_lines(Path("questions.jsonl").read_bytes(), Bounds())
    answers = [{"custom_id": line.custom_id, "content": {"subject": "ships", "lines": 2}} for line in lines]
    Path("answers.jsonl").write_text("\n".join(map(json.dumps, answers[:7])), encoding="utf-8")
    Path("more.jsonl").write_text("\n".join(map(json.dumps, answers[5:])), encoding="utf-8")
    code, said = command("batch", "import", "my run", "answers.jsonl", "more.jsonl")
    assert (
        code == 0
        and f"{ITEMS} answers brought in" in said
        and "2 answered before" in said
        and "0 questions still" in said
    )
    code, said = command("batch", "list", "my run")
    assert code == 0 and f"{ITEMS} answers wait to be used" in said
    assert command(*words)[0] == 0
    assert len(pairs_of(tmp_path / "my run")) == ITEMS
    code, said = command("batch", "import", "my run", "none.jsonl")
    assert code == 2 and "none.jsonl" in said and "Traceback" not in said
