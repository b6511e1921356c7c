"""`agentinstruct train` as a person meets it: rehearsals that leave no trace, and phases that leave a student."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agentinstruct
from agentinstruct import cli
from agentinstruct.paths import SEEDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
ROWS = [
    {"prompt": f"Ana has {number} apples and buys 30 more. How many?", "completion": f"{number} + 30 = {number + 30}."}
    for number in range(12)
]
PAIRS = [
    {"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"The answer is {number}."}
    for number, row in enumerate(ROWS)
]
LABELLED = [{**row, "label": bool(number % 2)} for number, row in enumerate(ROWS)]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the command line in this process, in a folder that holds data and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, rows in (("rows", ROWS), ("pairs", PAIRS), ("labelled", LABELLED), ("bad", [*ROWS, {"prompt": "?"}])):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["agentinstruct", "train", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return (left.value.code if isinstance(left.value.code, int) else 0), said.out, said.err

    return run


def _files() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


def test_a_rehearsal_shows_data_and_forecast_and_leaves_no_trace(command: Command, tiny_model: Path) -> None:
    before = _files()
    code, said, _ = command("sft", "rows.jsonl", "--model", tiny_model, "--dry-run", "--out", "student")
    assert code == 0
    assert "12 rows, 12 of them to learn from" in said
    assert "«0 + 30 = 30." in said
    assert "memory of a device: " in said
    assert "the learning rate would rise over all 3 steps (warmup 500)" in said
    assert "8e-06" in said
    assert "AgentInstruct, training" in said
    assert said.rstrip().endswith("nothing was written")
    assert _files() == before


def test_a_rehearsal_counts_the_tokens_that_training_will_see(command: Command, tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    from agentinstruct.training.data.inspection import inspect_data
    from agentinstruct.training.data.rendering import ready_tokenizer

    tokenizer = ready_tokenizer(AutoTokenizer.from_pretrained(tiny_model))
    counted = inspect_data("rows.jsonl", tokenizer, max_length=8192)
    flags = ("--variant", "one-gpu", "--set", "packing=false", "--set", "batch=4", "--devices", "2", "--json")
    code, said, _ = command("sft", "rows.jsonl", "-m", tiny_model, "--dry-run", *flags, "--tokens-per-second", "1")
    told = json.loads(said)
    assert (code, told["tokens"], told["tokens_exact"], told["rows"]) == (0, counted.tokens, True, 12)
    assert (told["variant"], told["sequences_per_step"], told["steps"]) == ("one-gpu", 2 * 4 * 64, 3)
    assert told["settings"]["packing"] is False
    assert told["memory"]["weights"] > 0
    processed = counted.tokens / (1 - told["padding"])
    assert told["hours"] == pytest.approx(3 * processed / 2 / 3600, rel=1e-3)


WATCH = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr));"


@pytest.mark.parametrize(
    "words",
    [
        ("sft", "rows.jsonl", "--dry-run"),
        ("preference", "pairs.jsonl", "--method", "dpo", "--dry-run"),
        ("recipes", "orca-math"),
    ],
)
@pytest.mark.usefixtures("command")
def test_what_needs_no_student_imports_no_torch(words: tuple[str, ...], tmp_path: Path) -> None:
    told = f"{WATCH} sys.argv = ['agentinstruct', 'train', *{words!r}]; import agentinstruct.cli as c; c.main()"
    there = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    before = _files()
    done = subprocess.run([sys.executable, "-B", "-c", told], env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"torch", "transformers", "trl", "datasets", "peft", "accelerate"}
    assert _files() == before
    if "--dry-run" in words:
        assert "a token is taken to be 4 characters" in done.stdout
        assert "its shape is the one in orca-" in done.stdout
        assert "memory of a device" in done.stdout


def test_a_student_that_is_not_here_and_not_the_recipes_gets_no_memory(command: Command) -> None:
    code, said, _ = command("sft", "rows.jsonl", "-m", "nobody/has-this", "--dry-run")
    assert code == 0
    assert "no memory is told: nobody/has-this is not on this machine" in said
    assert "memory of a device" not in said


@pytest.mark.parametrize("named", [True, False], ids=["tokenizer", "characters"])
def test_rows_that_cannot_be_learnt_from_stop_a_rehearsal_as_they_would_training(
    command: Command, tiny_model: Path, named: bool
) -> None:
    model = ("-m", tiny_model) if named else ()
    code, _, said = command("sft", "bad.jsonl", *model, "--dry-run")
    assert code == 2
    assert "1 of 13 rows" in said if named else "1 rows of bad.jsonl" in said
    assert "bad.jsonl, line 13" in said
    assert "--skip-bad" in said
    code, out, _ = command("sft", "bad.jsonl", *model, "--dry-run", "--skip-bad")
    assert code == 0
    assert "left out: 1 ×" in out


@pytest.mark.parametrize(
    ("method", "file", "rows"), [("dpo", "pairs", 12), ("kto", "pairs", 24), ("kto", "labelled", 12)]
)
@pytest.mark.parametrize("named", [True, False], ids=["tokenizer", "characters"])
def test_preferences_are_rehearsed_too(
    command: Command, tiny_model: Path, method: str, file: str, rows: int, named: bool
) -> None:
    model = ("-m", tiny_model) if named else ()
    before = _files()
    code, said, _ = command("preference", f"{file}.jsonl", "--method", method, *model, "--dry-run", "--json")
    told = json.loads(said)
    assert (code, told["rows"], told["method"], told["tokens_exact"]) == (0, rows, method, named)
    assert told["settings"]["learning_rate"] == 1e-6
    assert told["settings"]["beta"] == 0.3
    assert "samples" not in told["settings"]
    assert told["memory"]["reference model"] == told["memory"]["weights"]
    assert "Ana has 0 apples" in told["data"][0]
    assert _files() == before


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_run_is_rehearsed_as_what_it_preferred(command: Command, method: str) -> None:
    agentinstruct.generate(
        [SEEDS / "sample" / "word_problems.jsonl"], ["math_word_problems"], "run", limit=8, teacher="recorded:sample"
    )
    code, said, _ = command("sft", "run", "--dry-run")
    assert code == 0
    assert "rows to learn from" in said
    code, said, err = command("preference", "run", "--method", method, "--dry-run")
    assert "rows to learn from" not in said
    assert code == 0 or "holds no" in err


def test_words_of_strangers_reach_the_terminal_written_out(command: Command) -> None:
    Path("evil.jsonl").write_text(json.dumps({"prompt": "\x1b[2Jhi", "completion": "a\x07"}) + "\n")
    Path("evil.toml").write_text(
        (ROOT / "trainers/recipes/orca-3.toml").read_text().replace("AgentInstruct, training", "\\u001b]0;x")
    )
    for words in (("sft", "evil.jsonl", "--dry-run", "--recipe", "evil.toml"), ("recipes", "evil.toml")):
        code, said, _ = command(*words)
        assert code == 0
        assert "\x1b" not in said
        assert "\x07" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sft", "rows.jsonl"), ["--out", "--dry-run"]),
        (("sft", "nothere.jsonl", "--dry-run"), ["there is no nothere.jsonl"]),
        (("sft", "rows.jsonl", "--dry-run", "--recipe", "orca-4"), ["no recipe 'orca-4' (did you mean 'orca-"]),
        (("sft", "rows.jsonl", "--dry-run", "--phase", "kto"), ["no phase 'kto'", "sft (sft)"]),
        (("sft", "rows.jsonl", "--dry-run", "--set", "lr=1"), ["no setting 'lr'"]),
        (("sft", "rows.jsonl", "--dry-run", "-m", "no/such/folder"), ["no model folder 'no/such/folder'"]),
        (("sft", "rows.jsonl", "--dry-run", "--tflops", "1", "--tokens-per-second", "1"), ["given twice"]),
        (("preference", "rows.jsonl", "--dry-run", "--method", "ppo"), ["no method 'ppo': there are dpo and kto"]),
        (("preference", "rows.jsonl", "--dry-run"), ["12 × lacks completion", "--skip-bad"]),
        (("preference", "rows.jsonl", "--dry-run", "--recipe", "orca-1"), ["no phase of method kto or practice"]),
        (("recipes", "orca-3", "--variant", "dpo"), ["no variant 'dpo'", "one-gpu"]),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_ends_with_2(
    command: Command, words: tuple[str, ...], told: list[str]
) -> None:
    if words[0] == "preference" and "--recipe" not in words and "ppo" not in words:
        Path("rows.jsonl").write_text("".join(json.dumps({"prompt": row["prompt"]}) + "\n" for row in ROWS))
    code, _, said = command(*words)
    assert code == 2
    for each in told:
        assert each in said
    assert "Traceback" not in said


def test_recipes_are_listed_and_shown_with_values_and_sources(command: Command) -> None:
    code, said, _ = command("recipes")
    assert code == 0
    assert [line.partition(":")[0] for line in said.splitlines() if not line.startswith(" ")] == [
        "orca-1",
        "orca-2",
        "orca-3",
        "orca-math",
    ]
    assert "phases: sft (sft), practice-1 (practice), practice-2 (practice)" in said
    _, said, _ = command("recipes", "orca-math", "--variant", "one-gpu")
    for words in ("1e-05", "Orca-Math, practice", "derived", "train practice --phase practice-2", "2402.14830"):
        assert words in said
    assert "differs: An adapter in place of all weights" in said
    _, said, _ = command("recipes", "orca-3", "--json")
    assert json.loads(said)["phases"][0]["values"]["learning_rate"] == {
        "value": 8e-6,
        "source": "AgentInstruct, training",
        "known": "found",
    }
    assert len(json.loads(command("recipes", "--json")[1])) == 4


@pytest.mark.parametrize("method", ["dpo", "kto"])
@pytest.mark.parametrize("named", [True, False], ids=["tokenizer", "characters"])
def test_practice_is_rehearsed_with_the_most_it_can_draw_and_learn_from(
    command: Command, tiny_model: Path, method: str, named: bool
) -> None:
    model = ("-m", tiny_model) if named else ()
    before = _files()
    flags = ("--set", f"method={method}", "--set", "problems=10", "--dry-run", "--json")
    code, said, err = command("practice", "rows.jsonl", *model, *flags)
    assert code == 0, err
    told = json.loads(said)
    assert (told["phase"], told["method"], told["tokens_exact"]) == ("practice-1", "practice", named)
    assert told["rows"] == 10 * (4 if method == "dpo" else 8)
    assert "draws 40 replies of at most 1,024 tokens" in "".join(told["notes"])
    assert "12 problems with an answer, 0 rows left out" in told["data"][0]
    assert _files() == before


CPU = ("--set", "precision=float32", "--set", "max_steps=2", "--set", "batch=2", "--set", "accumulation=1")


def test_a_recipe_teaches_a_student_by_the_command_line(command: Command, tiny_model: Path) -> None:
    flags = ("-m", tiny_model, "--set", "max_length=128", *CPU, "--json")
    code, said, err = command("sft", "rows.jsonl", "--out", "student", *flags)
    assert code == 0, err
    told: dict[str, Any] = json.loads(said)
    assert told["steps"] == 2
    assert (Path(told["folder"]) / "model.safetensors").is_file()
    assert "12 rows, 12 of them to learn from" in err
    settings = json.loads(Path("student/settings.json").read_text())["settings"]
    assert (settings["learning_rate"], settings["weight_decay"], settings["warmup"]) == (8e-6, 0.1, 500)


def test_a_smoke_test_needs_no_model(command: Command) -> None:
    code, said, err = command("sft", "rows.jsonl", "--out", "smoke", "--smoke")
    assert code == 0, err
    assert "tiny random model" in said
    assert list(Path("smoke/student").glob("*.safetensors"))


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_preferences_teach_a_student_by_the_command_line(command: Command, tiny_model: Path, method: str) -> None:
    flags = ("-m", tiny_model, "--method", method, "--set", "max_length=128", *CPU, "--json")
    code, said, err = command("preference", "pairs.jsonl", "--out", "student", *flags)
    assert code == 0, err
    told: dict[str, Any] = json.loads(said)
    assert told["steps"] == 2
    assert (Path(told["folder"]) / "model.safetensors").is_file()


def test_a_student_practises_through_all_rounds_of_a_recipe_by_the_command_line(
    command: Command, tiny_model: Path
) -> None:
    small = ("--set", "max_new_tokens=4", "--set", "max_length=128", "--set", "samples=2")
    flags = ("-m", tiny_model, *CPU, *small, "--json")
    code, said, err = command("practice", "rows.jsonl", "--out", "practice", *flags)
    assert code == 0, err
    told: dict[str, Any] = json.loads(said)
    assert [each["round"] for each in told["rounds"]] == [1, 2]
    assert list(Path(told["student"]).glob("*.safetensors"))
    asked = json.loads(Path("practice/practice.json").read_text())["rounds"]
    assert [each["learning_rate"] for each in asked] == [1e-6, 1e-7]
