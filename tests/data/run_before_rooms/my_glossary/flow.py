"""Glossary: what a passage says about one of its terms, kept only if its words are really there."""

from collections.abc import AsyncIterator

from pydantic import BaseModel

from agentinstruct import Ask, Pair, Rejection, Seed, Verdict
from agentinstruct.flow import flow


class Entry(BaseModel):
    """What the picker returns."""

    term: str
    quote: str


@flow(skill="Glossary", kinds=("text", "textbook"))
async def glossary(seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
    """Pick a term with the sentence that says most about it, and explain it in a second step."""
    entry = await ask("picker", returns=Entry, passage=seed.text)
    folded = " ".join(entry.quote.split())
    if folded not in " ".join(seed.text.split()) or entry.term.casefold() not in folded.casefold():
        yield Rejection(stage="verify", reason="not_quoted", detail=f"{entry.term}: {entry.quote}")
        return
    explanation = await ask("explainer", passage=folded, term=entry.term)
    quoted = Verdict(check="quoted_from_passage", passed=True, detail=folded)
    yield Pair.of(f"{seed.text}\n\nWhat does the text say about {entry.term}?", explanation, verdicts=(quoted,))
