"""Supervised fine-tuning on one GPU or many: `python trainers/sft.py DATA --model NAME --out FOLDER`, or by accelerate.

    accelerate launch --config_file trainers/accelerate/fsdp2.yaml trainers/sft.py DATA --model NAME --out FOLDER

What it does is `agentinstruct.training.sft.train_sft`; `agentinstruct train sft` calls the same with a recipe.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agentinstruct.errors import AgentInstructError
from agentinstruct.training.fit import train_sft
from agentinstruct.training.settings import SftSettings
from agentinstruct.training.settings_files import read_settings

SMOKE_RATE = 1e-3
"""A learning rate for a smoke test that was told none: a tiny random model moves within a few steps."""


def main(words: list[str] | None = None) -> int:
    """Parse the command line and train; returns the exit code, 2 where something is to be set right."""
    parser = argparse.ArgumentParser(description="Teach a student a run's pairs, or any chat data.")
    parser.add_argument("data", nargs="+", help="run directories, .jsonl, .json or .parquet files, hf:NAME[:CONFIG]")
    parser.add_argument("--model", help="a Hub name or a folder")
    parser.add_argument("--out", required=True, type=Path, help="a folder for this student; call again to go on")
    parser.add_argument("--settings", type=Path, help="a .toml or .json file with SftSettings' values")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one value over the file's")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be learnt from")
    parser.add_argument("--smoke", action="store_true", help="try the data on a tiny random model, in seconds")
    told = parser.parse_args(words)
    try:
        unless = {"learning_rate": SMOKE_RATE} if told.smoke else {}
        settings = read_settings(SftSettings, told.settings, told.set, unless=unless)
        train_sft(told.data, told.model, told.out, settings, skip_bad=told.skip_bad, smoke=told.smoke)
    except (AgentInstructError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
