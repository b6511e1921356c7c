"""The chain on agentinstruct: the command `generate` with all it does, journal and publishing included."""

from __future__ import annotations

import json
import os
import sys

import agentinstruct.run.generate
from agentinstruct import cli
from agentinstruct.journal import Journal, Statement
from agentinstruct.teacher import Exchange
from benchmarks.chain import FLOW, MODEL, arguments, documents


class KeepsNoReplies(Journal):
    """A journal of items without what was asked: the same run less the cost of keeping replies."""

    async def record(self, item: int, exchange: Exchange, *others: Statement) -> None:
        """Drop the reply."""


def main() -> None:
    """Run to the end; what is done is not done again, so resuming is the same call."""
    options = arguments()
    if os.environ.get("WITHOUT_REPLIES"):
        agentinstruct.run.generate.Journal = KeepsNoReplies  # type: ignore[attr-defined]  # all else of the run stays as it is
    seeds = options.out.with_name("seeds.jsonl")
    with seeds.open("w", encoding="utf-8") as file:
        for row in documents(options.chains):
            file.write(json.dumps({"id": row["id"], "text": row["document"]}) + "\n")
    sys.argv = ["agentinstruct", "generate", str(seeds), "--flow", str(FLOW), "--out", str(options.out)]
    sys.argv += ["--teacher", f"openai:{MODEL}", "--base-url", options.url, "--concurrency", str(options.concurrency)]
    cli.main()


if __name__ == "__main__":
    main()
