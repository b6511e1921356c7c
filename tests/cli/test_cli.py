"""The command line as a person meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from agentinstruct import cli
from agentinstruct.paths import SEEDS
from tests.engine import pairs_of, sample_answer, write_flow
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROBLEMS = str(SEEDS / "sample" / "word_problems.jsonl")
READING = ("-f", "reading_comprehension", "-t", "recorded:sample")
MATH = ("--flow", "math_word_problems", "--teacher", "recorded:sample")
BROKEN_FLOW = {
    "flow.py": '''
from agentinstruct.flow import flow

@flow(skill="Breaking", kinds=("text",))
async def breaking(seed, ask):
    """Fails on some seeds."""
    from agentinstruct import Pair
    if "cat" in seed.text:
        raise ValueError("no cats, please")
    yield Pair.of(seed.text, "A dog.")
'''
}


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the command line in this process, in an empty working directory, without a key in its environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["agentinstruct", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        said = capsys.readouterr()
        return Said(code if isinstance(code, int) else 0, said.out, said.err)

    return run


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "COV_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}


def start(*words: object, cwd: Path, stdout: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agentinstruct.cli", *map(str, words)],
        cwd=cwd,
        env=environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell that starts the tests in the background has them, and so their children, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no lock is taken in it
    )


WRONG: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("generate", "nothere", *MATH, "-o", "run"), ("there is no file or folder 'nothere'",)),
    (("generate", "*.md", *MATH, "-o", "run"), ("no file matches '*.md'", "in quotes")),
    (("generate", "empty", *MATH, "-o", "run"), ("no seed was found",)),
    (("generate", PROBLEMS, *READING, "-o", "run"), ("6 of kind math", "takes text, textbook")),
    (("generate", PROBLEMS, "-f", "math_word_problem", "-o", "run"), ("did you mean 'math_word_problems'?",)),
    (("generate", PROBLEMS, "-f", "math_word_problems", "-o", "run"), ("no teacher is named", "recorded:sample")),
    (("generate", PROBLEMS, *MATH, *MATH, "-o", "run"), ("two flows are called 'math_word_problems'",)),
    (("generate", PROBLEMS, *MATH, "-o", "run", "--kind", "txet"), ("'txet'", "text, textbook, code, math")),
    (("generate", PROBLEMS, *MATH, "-o", "file.txt"), ("file.txt is a file", "--out")),
    (("generate", PROBLEMS, *MATH, "-o", "file.txt/run"), ("file.txt/run", "--out")),
    (("generate", PROBLEMS, *MATH, "-o", "others"), ("others holds other things (thesis.tex)", "--out")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "--role", "nonsense"), ("AGENT=TEACHER", "'nonsense'")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "--role", "nobody=offline"), ("'nobody'", "second_solver")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "--role", "solver=guess"), ("no teacher 'guess'", "openai:MODEL")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "-t", "openai:m"), ("OPENAI_API_KEY", "--base-url")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "-t", "openai:m", "--base-url", "x:9"), ("'x:9'", "http://host")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "-t", "none.json"), ("none.json", "No such file")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "-t", "file.json"), ("file.json", "not JSON")),
    (("generate", PROBLEMS, *MATH, "-o", "run", "--prices", "none.toml"), ("none.toml", "No such file")),
    (("generate", "--job", "none.toml"), ("the job file none.toml", "No such file")),
    (("generate", "--job", "file.json"), ("the job file file.json is not TOML",)),
    (("generate", "--job", "typo.toml"), ("typo.toml: no option 'flwo' (did you mean 'flow'?)", "base-url")),
    (("status", "empty"), ("empty is not a run",)),
    (("status", "damaged"), ("manifest.json is damaged",)),
    (("export", "empty"), ("empty holds no published pairs",)),
    (("export", "empty", "--format", "yaml"), ("no format 'yaml'", "sharegpt")),
    (("preview", PROBLEMS, *MATH, "--index", "900"), ("no seed number 900", "takes kinds math")),
    (("estimate", PROBLEMS, "-f", "reading_comprehension"), ("no seed that a chosen flow takes",)),
    (("flows", "show", "nope"), ("no flow 'nope'", "math_word_problems, reading_comprehension")),
    (("flows", "show", "math_word_problems", "--agent", "solvr"), ("did you mean 'solver'?",)),
    (("flows", "show", "broken_flow"), ("broken_flow/flow.py could not be loaded: NameError",)),
    (("flows", "new", "My-Skill"), ("'My-Skill' cannot name a flow", "my_skill")),
    (("flows", "new", "empty"), ("empty exists already",)),
    (("flows", "export", "math_word_problems", "-o", "gone/x.json"), ("gone/x.json: No such file",)),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words[:1] + words[2:])[:60] for words, _ in WRONG])
def test_a_mistake_is_told_in_one_sentence_with_exit_code_2(
    command: Command, tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    for folder in ("empty", "others", "damaged", "broken_flow"):
        (tmp_path / folder).mkdir()
    (tmp_path / "others" / "thesis.tex").write_text("mine")
    (tmp_path / "damaged" / "manifest.json").write_text("{")
    (tmp_path / "broken_flow" / "flow.py").write_text("flow = undefined")
    (tmp_path / "file.txt").write_text("mine")
    (tmp_path / "file.json").write_text("{")
    (tmp_path / "typo.toml").write_text('flwo = "math_word_problems"')

    said = command(*words)

    assert said.code == 2, said
    last = said.err.splitlines()[-1]
    assert last.startswith("agentinstruct: ")
    assert all(part in last for part in told), last
    assert "Traceback" not in said.err
    assert (tmp_path / "others" / "thesis.tex").read_text() == "mine"
    assert [path.name for path in (tmp_path / "others").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "words",
    [("--rpm", "0"), ("--budget", "-1"), ("--temperature", "-1"), ("--max-tokens", "0"), ("--limit", "many")],
)
def test_an_impossible_number_is_refused_with_the_name_of_its_flag(command: Command, words: tuple[str, str]) -> None:
    said = command("generate", PROBLEMS, *MATH, "-o", "run", *words)
    assert said.code == 2
    assert words[0] in said.err


def test_a_run_says_what_it_came_to_and_running_it_again_asks_nothing(command: Command, tmp_path: Path) -> None:
    first = command("generate", PROBLEMS, *MATH, "--limit", 3, "-o", "run")
    again = command("generate", PROBLEMS, *MATH, "--limit", 3, "-o", "run")

    assert first.code == again.code == 0
    assert "3 = 3 done + 0 failed + 0 pending" in first.out
    assert "dataset: run/pairs" in first.out
    assert first.out == again.out
    assert command("status", "run").out == first.out.replace("dataset: run/pairs\n", "")
    assert len(pairs_of(tmp_path / "run")) > 3


def test_what_cannot_be_read_or_used_is_named_and_counted(command: Command, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "empty.md").touch()
    (tmp_path / "docs" / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "docs" / "code.py").write_text("def double(x):\n    return 2 * x\n" * 30)
    said = command("generate", "docs", PROBLEMS, *MATH, "--limit", 3, "-o", "run")
    assert said.code == 0
    assert "skipped docs/empty.md: is empty" in said.err
    assert "skipped docs/image.png: is an image" in said.err
    assert "skipped: 2 sources, each named above" in said.err
    assert "not used: 1 seed of kind code" in said.err
    assert "code.py" in said.err


def test_json_output_is_one_object_a_line_and_ends_with_the_summary(command: Command) -> None:
    said = command("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert lines[-1]["event"] == "summary"
    assert lines[-1]["items"] == lines[-1]["done"] == 2
    status = json.loads(command("status", "run", "--json").out)
    assert {**status, "event": "summary", "seconds": lines[-1]["seconds"]} == {**lines[-1], "failures": []}


def test_a_failed_item_gives_exit_code_1_and_its_reason_in_the_status(command: Command, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "breaking", BROKEN_FLOW)
    rows = [{"text": f"The {animal} sat on the mat and looked at me. " * 20} for animal in ("cat", "dog")]
    (tmp_path / "animals.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = command("generate", "animals.jsonl", "-f", flow, "-o", "run")
    assert said.code == 1
    assert "2 = 1 done + 1 failed + 0 pending" in said.out
    assert "agentinstruct status run" in said.err
    assert "ValueError: no cats, please" in command("status", "run").out
    failures = json.loads(command("status", "run", "--json").out)["failures"]
    assert [failure["flow"] for failure in failures] == ["breaking"]


def test_the_budget_stops_a_run_with_exit_code_3_and_it_can_be_resumed(
    command: Command, openai_server: OpenAIServer
) -> None:
    openai_server.answer = sample_answer
    words = ("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run", "-t", "openai:m")
    there = ("--base-url", openai_server.base_url)
    stopped = command(*words, *there, "--budget-tokens", 15_000)
    assert stopped.code == 3
    assert "of 15000 tokens are spent" in stopped.err
    assert sum(openai_server.billed.values()) <= 15_000
    asked = len(openai_server.requests)
    assert asked > 0
    assert command(*words, *there).code == 0
    assert openai_server.duplicates == 0


def test_a_budget_in_dollars_without_a_price_is_refused_before_anything_is_asked(
    command: Command, openai_server: OpenAIServer
) -> None:
    where = ("-t", "openai:m", "--base-url", openai_server.base_url)
    said = command("generate", PROBLEMS, *MATH, "-o", "run", *where, "--budget", 1)
    assert said.code == 2
    assert "price file" in said.err
    assert not openai_server.requests


def test_a_key_that_is_not_accepted_stops_the_run_and_is_not_shown(
    command: Command, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-secret-000")
    openai_server.key = "another"
    where = ("-t", "openai:m", "--base-url", openai_server.base_url)
    said = command("generate", PROBLEMS, *MATH, "-o", "run", *where)
    assert said.code == 2
    assert "OPENAI_API_KEY" in said.err
    assert "planted-secret" not in said.out + said.err


def test_a_model_that_is_not_there_is_told_with_the_base_url(command: Command, openai_server: OpenAIServer) -> None:
    openai_server.fail(lambda _number, _request: Fault(status=404, message="no such model"))
    said = command("preview", PROBLEMS, *MATH, "-t", "openai:typo", "--base-url", openai_server.base_url)
    assert said.code == 2
    assert "'typo'" in said.err
    assert "--base-url" in said.err


def test_a_job_file_stands_in_for_flags_and_a_flag_beside_it_counts_more(command: Command, tmp_path: Path) -> None:
    job: dict[str, object] = {
        "seeds": PROBLEMS,
        "flow": "math_word_problems",
        "teacher": "recorded:sample",
        "out": "run",
    }
    job |= {"limit": 3, "seed-tokens": 500}
    (tmp_path / "job.toml").write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in job.items()))
    assert "3 = 3 done" in command("generate", "--job", "job.toml").out
    assert "1 = 1 done" in command("generate", "--job", "job.toml", "--limit", 1).out
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["reading"]["seed_tokens"] == 500


def test_a_preview_shows_what_was_asked_and_said_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    said = command("preview", PROBLEMS, *MATH, "--full")
    assert said.code == 0
    for part in ("statement_writer", "asked", "said", "✓ pair", "nothing was written"):
        assert part in said.out
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_names_calls_tokens_and_cost_without_a_key(command: Command) -> None:
    words = ("estimate", PROBLEMS, *MATH, "--teacher", "openai:gpt-4.1-mini")
    found = json.loads(command(*words, "--json").out)
    assert found["calls"] > 40
    assert found["dollars"] > 0
    assert f"{found['calls']:,}" in command(*words).out
    assert "unknown" in command("estimate", PROBLEMS, *MATH, "--teacher", "openai:nobody-knows").out


def test_flows_are_listed_shown_and_their_prompts_printed(command: Command) -> None:
    listed = command("flows", "list").out
    assert "math_word_problems" in listed
    assert "reading_comprehension" in listed
    shown = command("flows", "show", "math_word_problems").out
    assert "  solver\n" in shown
    assert "refine_goals.toml" in shown
    assert "\n---\n" in command("flows", "show", "math_word_problems", "--agent", "solver").out


def test_the_command_that_a_new_flow_suggests_works(command: Command) -> None:
    said = command("flows", "new", "my_skill")
    assert said.code == 0
    _, *words = said.out.splitlines()[-1].split()
    tree = command(*words)
    assert tree.code == 0
    assert "✓ pair" in tree.out


def test_export_prints_json_lines_or_writes_a_file(command: Command, tmp_path: Path) -> None:
    command("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run")
    printed = command("export", "run", "--format", "alpaca").out
    count = len(pairs_of(tmp_path / "run"))
    assert command("export", "run", "--format", "alpaca", "-o", "pairs.jsonl").out == f"{count} pairs in pairs.jsonl\n"
    assert (tmp_path / "pairs.jsonl").read_text() == printed
    gone = command("export", "run", "-o", "gone/pairs.jsonl")
    assert gone.code == 2
    assert "cannot write gone/pairs.jsonl: No such file or directory" in gone.err


def test_debug_shows_the_traceback_that_is_hidden_otherwise(tmp_path: Path) -> None:
    process = start("--debug", "status", "nothere", cwd=tmp_path)
    _, err = process.communicate(timeout=60)
    assert "Traceback" in err
    assert "nothere is not a run" in err


def test_a_reader_that_leaves_early_causes_no_traceback(tmp_path: Path) -> None:
    process = start("flows", "export", "reading_comprehension", cwd=tmp_path)
    assert process.stdout and process.stderr
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    process.wait(60)


def test_ctrl_c_once_keeps_the_calls_in_flight_and_the_run_resumes(
    command: Command, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    process = _interrupted_run(openai_server, tmp_path, latency=1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping: waiting for the calls in flight" in err
    assert "agentinstruct: the run was interrupted" in err
    assert "0 failed" in out
    asked = len(openai_server.requests)
    assert asked == openai_server.answered
    openai_server.latency = 0
    words = ("-t", "openai:m", "--base-url", openai_server.base_url)
    assert command("generate", PROBLEMS, *MATH, "--limit", 3, "-o", tmp_path / "run", *words).code == 0
    assert openai_server.duplicates == 0


def test_ctrl_c_twice_leaves_at_once(openai_server: OpenAIServer, tmp_path: Path) -> None:
    process = _interrupted_run(openai_server, tmp_path, latency=600)
    assert process.stderr
    process.send_signal(signal.SIGINT)
    while "stopping" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert openai_server.answered == 0


def _interrupted_run(server: OpenAIServer, folder: Path, *, latency: float) -> subprocess.Popen[str]:
    """Start a run and return when its first questions are in flight."""
    server.answer, server.latency = sample_answer, latency
    words = ("-t", "openai:m", "--base-url", server.base_url)
    process = start("generate", PROBLEMS, *MATH, "--limit", 3, "-o", folder / "run", *words, cwd=folder)
    while not server.requests and process.poll() is None:
        select.select([], [], [], 0.02)
    return process


def test_ctrl_c_while_looking_gives_exit_code_130_without_a_traceback(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.latency = 600
    words = ("-t", "openai:m", "--base-url", openai_server.base_url)
    process = start("preview", PROBLEMS, *MATH, *words, cwd=tmp_path)
    while not openai_server.requests and process.poll() is None:
        select.select([], [], [], 0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_terminal_shows_live_progress_and_gets_its_cursor_back(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.answer, openai_server.latency = sample_answer, 0.2
    ours, theirs = pty.openpty()
    words = ("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run", "-t", "openai:m")
    process = subprocess.Popen(
        [sys.executable, "-m", "agentinstruct.cli", *map(str, words), "--base-url", openai_server.base_url],
        cwd=tmp_path,
        env=environment(TERM="xterm-256color"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = b""
    try:
        while piece := os.read(ours, 65536):
            screen += piece
    except OSError:  # Linux says EIO when the other side has closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    shown = screen.decode()
    assert "running of 2" in shown
    assert "a second" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "2 = 2 done + 0 failed + 0 pending" in shown
