"""Solve: a student behind an OpenAI-compatible server answers each problem several times.

In the seed's `meta` are `problem`, `samples`, the number of replies, and `most`, the tokens of the longest one (the
engine asks once more with twice the room where a reply was cut off). Each is asked for in a branch of its own, so that
none is asked for twice. A pair holds the seed's id and the replies as a JSON list of [text, finished, tokens]: a run
takes several pairs with one instruction for duplicates.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from autogen_core.models import UserMessage

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, flow
from agentinstruct.records import Pair, Seed


@flow(skill="Solve", kinds=("math",))
async def solve(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    """Ask the student `samples` times, side by side; an empty reply, or one too long, counts as not finished."""
    prompt = ask.prompts["student"]
    question = UserMessage(content=prompt.render({"problem": seed.meta["problem"]}), source="user")

    async def one(number: int) -> tuple[str, bool, int]:
        try:
            result = await ask.branch("sample", number).client("student", prompt=prompt).create([question])
        except Rejected:
            return "", False, 0
        tokens = result.usage.completion_tokens
        return str(result.content), tokens <= int(str(seed.meta["most"])), tokens

    replies = await asyncio.gather(*(one(number) for number in range(int(str(seed.meta["samples"])))))
    yield Pair.of(seed.id, json.dumps(replies))
