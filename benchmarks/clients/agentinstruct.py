"""The chain on agentinstruct: `generate` with all it does, journal and publishing included."""

from __future__ import annotations

import os

import agentinstruct.api
from agentinstruct import TeacherOptions, generate
from agentinstruct.group_writer import Statement
from agentinstruct.journal import Journal
from agentinstruct.records import Seed
from agentinstruct.teacher.journaled import Exchange
from benchmarks.chain import FLOW, MODEL, arguments, documents


class KeepsNoReplies(Journal):
    """A journal of items without what was asked: the same run less the cost of keeping replies."""

    async def record(self, item: int, exchange: Exchange, *others: Statement) -> None:
        """Drop the reply."""


def main() -> None:
    """Run to the end; what is done is not done again, so resuming is the same call."""
    options = arguments()
    if os.environ.get("WITHOUT_REPLIES"):
        agentinstruct.api.Journal = KeepsNoReplies  # type: ignore[attr-defined]  # everything else of the run stays as it is
    seeds = (Seed.of(row["document"], id=row["id"]) for row in documents(options.chains))
    teacher = TeacherOptions(teacher=f"openai:{MODEL}", base_url=options.url, concurrency=options.concurrency)
    generate(seeds, [FLOW], options.out, teacher=teacher)


if __name__ == "__main__":
    main()
