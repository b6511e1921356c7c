"""Orca-Bench judging: a student's answer scored from 0 to 10 beside the teacher's, which is 10 by definition.

AgentInstruct, evaluation. Judges favour a place, so each answer is scored twice, once before the teacher's and once
after it. Which place favours the student is measured by whoever started this.
"""

import json
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow

Order = Literal["student_first", "teacher_first"]
ORDERS: tuple[Order, ...] = ("student_first", "teacher_first")


class Score(BaseModel):
    """What the judge returns."""

    model_config = ConfigDict(strict=True)

    reason: str = Field(description="What the scored answer gets right and wrong, in one to three sentences.")
    score: int = Field(ge=0, le=10, description="A whole number from 0, useless, to 10, as good as the reference.")


@flow(skill="Orca-Bench Judging", kinds=("text",))
async def orca_bench(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    """Score one answer in both orders; the seed's text is JSON with `question`, `teacher` and `student`."""
    asked = json.loads(seed.text)
    scores = {}
    for order in ORDERS:
        first, second = ("student", "teacher") if order == "student_first" else ("teacher", "student")
        score = await ask.branch(order)(
            "judge",
            returns=Score,
            question=asked["question"],
            first=asked[first],
            second=asked[second],
            scored="first" if first == "student" else "second",
            reference="second" if first == "student" else "first",
        )
        scores[order] = score.model_dump()
    yield Pair.of(seed.text, json.dumps(scores))
