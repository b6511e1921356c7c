"""Judge: the teacher draws the final answers out of a reference and a student's reply, and says whether they agree.

Orca-Math's GPT4-based-Exact-Match (section 2.3), for replies from which a program could read no answer: `problem`,
`reference` and `reply` are in the seed's `meta`. A pair holds the seed's id and what was decided.
"""

from collections.abc import AsyncIterator

from pydantic import BaseModel

from agentinstruct.flow import Ask, flow
from agentinstruct.records import Pair, Seed


class Judgement(BaseModel):
    """What the judge returns."""

    reference_answer: str
    student_answer: str
    agree: bool


@flow(skill="Judge", kinds=("math",))
async def judge(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    """Ask once; an answer that the student did not give cannot agree."""
    told = {name: seed.meta[name] for name in ("problem", "reference", "reply")}
    judgement = await ask("judge", returns=Judgement, **told)
    agree = judgement.agree and bool(judgement.student_answer.strip())
    yield Pair.of(seed.id, "agree" if agree else "differ", final_answer=judgement.student_answer)
