"""Four dependent questions about a document, each a text: what the benchmarks ask of every client, and nothing more."""

from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow(skill="Chain", kinds=("text",))
async def chain(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    """Transform the document, write a question, suggest and make a change to it, and respond."""
    passage = await ask("transform", document=seed.text)
    question = await ask("instruct", document=seed.text, passage=passage)
    edited = await ask("edit", passage=passage, question=question)
    yield Pair.of(edited, await ask("respond", passage=passage, edited=edited))
