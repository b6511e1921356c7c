"""Practice and feedback: `python trainers/practice.py PROBLEMS --model FOLDER --out FOLDER --settings round.toml`.

Give `--settings` once for each round, or a file whose `rounds` says how many; `--launcher "accelerate launch …"` trains
each round on several GPUs. What it does is `agentinstruct.training.practice.train_practice`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from agentinstruct.errors import AgentInstructError
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.practice import Server, train_practice
from agentinstruct.training.settings import PracticeSettings
from agentinstruct.training.settings_files import read_settings


def main(words: list[str] | None = None) -> int:
    """Parse the command line and practise; returns the exit code, 2 where something is to be set right."""
    parser = argparse.ArgumentParser(description="Let a student practise on problems, and learn from how it did.")
    parser.add_argument("problems", help="a run directory, a .jsonl, .json or .parquet file, or hf:NAME[:CONFIG]")
    parser.add_argument("--model", required=True, help="the student: a folder or a Hub name")
    parser.add_argument("--out", required=True, type=Path, help="a folder for this practice; call again to go on")
    parser.add_argument(
        "--settings", required=True, action="append", type=Path, help="a .toml or .json file of a round's values"
    )
    parser.add_argument("--validation", help="problems that are not practised on; the student best at them is kept")
    parser.add_argument("--teacher", help="who judges replies that no program can read, as openai:MODEL")
    parser.add_argument("--serve", help="a command that serves {model}, as 'vllm serve {model} --served-model-name s'")
    parser.add_argument("--serve-url", help="its address, as http://localhost:8000/v1")
    parser.add_argument("--serve-name", default="student", help="the name it gives the model")
    parser.add_argument("--launcher", default="", help="words before a training script, as 'accelerate launch'")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(words)
    try:
        done = train_practice(
            told.problems,
            told.model,
            told.out,
            [read_settings(PracticeSettings, path) for path in told.settings],
            validation=told.validation,
            teacher=TeacherOptions(teacher=told.teacher) if told.teacher else None,
            server=_server(told) if told.serve else None,
            launcher=shlex.split(told.launcher),
            run_seed=told.seed,
        )
    except (AgentInstructError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"the student is {done.student}")
    return 0


def _server(told: argparse.Namespace) -> Server:
    asked = TeacherOptions(teacher=f"openai:{told.serve_name}", base_url=told.serve_url)
    return Server(command=tuple(shlex.split(told.serve)), asked=asked)


if __name__ == "__main__":
    sys.exit(main())
