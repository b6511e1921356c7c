"""Evaluation as a script: `python trainers/evaluate.py math MODEL --on gsm8k=test.jsonl --control BASE --out DIR`.

The same commands as `agentinstruct evaluate`: math, bench, orca-bench, harness.
"""

from __future__ import annotations

import sys

from agentinstruct.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "evaluate")
    main()
