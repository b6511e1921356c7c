"""From raw documents to a student that writes, with no step between; and the script that does the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import agentinstruct
from agentinstruct.errors import ConfigurationError
from agentinstruct.paths import SEEDS, TRAINERS
from agentinstruct.training.fit.log import read_log
from agentinstruct.training.fit.sft import train_sft
from agentinstruct.training.settings import SftSettings

pytestmark = pytest.mark.slow

TOLD = SftSettings(learning_rate=1e-3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run over two shipped files."""
    seeds = [SEEDS / "sample"]
    directory = tmp_path_factory.mktemp("runs") / "first"
    agentinstruct.generate(seeds, ["math_word_problems", "reading_comprehension"], directory, teacher="recorded:sample")
    return directory


def test_a_dataset_just_made_teaches_a_student_that_writes(run: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    said: list[str] = []
    fit = train_sft([run], None, tmp_path / "out", TOLD, smoke=True, recipe="a recipe", say=said.append)
    student = AutoModelForCausalLM.from_pretrained(fit.folder)
    tokenizer = AutoTokenizer.from_pretrained(fit.folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 2 + 2?"}], add_generation_prompt=True, return_tensors="pt"
    )
    written = student.generate(**prompt, max_new_tokens=5, do_sample=False)
    assert written.shape[1] > prompt["input_ids"].shape[1]

    assert fit.steps == len(read_log(tmp_path / "out")) == 4
    told = "\n".join(said)
    assert "which bear the loss" in told
    assert "«" in told  # the first example with what is learnt of it
    assert f"the student is in {fit.folder}" in told
    card = (fit.folder / "README.md").read_text(encoding="utf-8")
    assert "A smoke test" in card
    assert "after the recipe a recipe" in card
    assert "| rows learnt from |" in card
    again: list[str] = []
    assert train_sft([run], None, tmp_path / "out", TOLD, smoke=True, say=again.append) == fit
    assert not [line for line in again if line.startswith("training")]


def test_with_no_student_there_is_nothing_to_teach(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--model"):
        train_sft([run], None, tmp_path / "out", TOLD)


def script(*words: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TRAINERS / "sft.py"), *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(TRAINERS.parent), "HF_HUB_OFFLINE": "1"},
    )


def test_the_script_trains_in_plain_lines(tiny_model: Path, run: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.toml"
    told.write_text("learning_rate = 1e-4\nmax_length = 512\n[adapter]\nrank = 4\n")
    out = tmp_path / "out"
    changed = ("--set", "max_steps=1", "--set", "adapter.alpha=8")
    done = script(run, "--model", tiny_model, "--out", out, "--settings", told, "--skip-bad", *changed)
    assert (done.returncode, done.stderr) == (0, "")
    assert (out / "student" / "model.safetensors").exists()
    assert (out / "adapter" / "adapter_model.safetensors").exists()
    assert "step 1/1 · loss " in done.stdout
    assert "left out: " in done.stdout
    assert "\r" not in done.stdout
    assert "| adapter.alpha | 8 |" in (out / "student" / "README.md").read_text(encoding="utf-8")
