"""Preference training on one GPU or many: `python trainers/preference.py DATA --model NAME --out FOLDER`.

DATA is a run, whose own rejections and refinements become the data, or pairs or labelled replies as rows. What it does
is `agentinstruct.training.preference_data.train_preference`; start it with `accelerate launch` for several GPUs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agentinstruct.errors import AgentInstructError
from agentinstruct.training.fit import train_preference
from agentinstruct.training.settings import PreferenceSettings
from agentinstruct.training.settings_files import read_settings


def main(words: list[str] | None = None) -> int:
    """Parse the command line and train; returns the exit code, 2 where something is to be set right."""
    parser = argparse.ArgumentParser(description="Teach a student to prefer right replies to wrong ones.")
    parser.add_argument("data", help="a run directory, a .jsonl, .json or .parquet file, or hf:NAME[:CONFIG]")
    parser.add_argument("--model", required=True, help="a Hub name or a folder: the student as it is now")
    parser.add_argument("--out", required=True, type=Path, help="a folder for this student; call again to go on")
    parser.add_argument("--reference", help="the model it is held to; itself before training if left out")
    parser.add_argument("--settings", type=Path, help="a .toml or .json file with PreferenceSettings' values")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one value over the file's")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be learnt from")
    told = parser.parse_args(words)
    try:
        settings = read_settings(PreferenceSettings, told.settings, told.set)
        train_preference(told.data, told.model, told.out, settings, reference=told.reference, skip_bad=told.skip_bad)
    except (AgentInstructError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
