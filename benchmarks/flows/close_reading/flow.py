"""Four questions about a passage, each resting on the answer before it: what the benchmarks run."""

from collections.abc import AsyncIterator

from pydantic import BaseModel, Field

from agentinstruct import Ask, Pair, Rejection, Seed
from agentinstruct.flow import flow


class Draft(BaseModel):
    """What the writer returns."""

    question: str = Field(description="A question that the passage answers.")
    topics: list[str] = Field(description="What the question is about, in a few words each.")


class Review(BaseModel):
    """What the reviewer returns."""

    fits: bool = Field(description="True when the response answers the question.")
    comment: str = Field(description="One sentence that says why.")


@flow(skill="Close Reading", kinds=("text",))
async def close_reading(seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
    """Note what the passage is about, write a question, answer it, and review the answer."""
    notes = await ask("note_taker", passage=seed.text)
    draft = await ask("writer", returns=Draft, passage=seed.text, notes=notes)
    response = await ask("responder", passage=seed.text, question=draft.question)
    review = await ask("reviewer", returns=Review, passage=seed.text, question=draft.question, response=response)
    if review.fits:
        yield Pair.of(f"{seed.text}\n\n{draft.question}", response)
    else:
        yield Rejection(stage="verify", reason="does_not_fit", detail=review.comment, text=draft.question)
