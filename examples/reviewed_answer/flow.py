"""Reviewed answers: a question about a passage, answered by a stock AutoGen group chat of a writer and a reviewer.

The drafts that the reviewer objected to are kept beside the answer, so that a student can learn to prefer it to them:
`agentinstruct export RUN --format preference`.
"""

from collections.abc import AsyncIterator

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ChatCompletionClient
from pydantic import BaseModel

from agentinstruct import Ask, Pair, Rejection, Seed
from agentinstruct.flow import flow


class Asked(BaseModel):
    """What the asker returns."""

    question: str


@flow(skill="Reviewed Answers", kinds=("text", "textbook"))
async def reviewed_answer(seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
    """Ask about the passage; the last thing the writer says before the reviewer approves is the response."""
    asked = await ask("asker", returns=Asked, passage=seed.text)
    writer, reviewer = ask.prompts["writer"].system, ask.prompts["reviewer"].system

    def team(teacher: ChatCompletionClient) -> RoundRobinGroupChat:
        return RoundRobinGroupChat(
            [
                AssistantAgent("writer", teacher, system_message=writer),
                AssistantAgent("reviewer", teacher, system_message=reviewer),
            ],
            termination_condition=TextMentionTermination("APPROVE", sources=["reviewer"]) | MaxMessageTermination(7),
        )

    task = f"{seed.text}\n\n{asked.question}"
    result = await ask.team(team, task)
    answers = [message.to_text() for message in result.messages if message.source == "writer"]
    reviews = [message.to_text() for message in result.messages if message.source == "reviewer"]
    for draft, objection in zip(answers[:-1], reviews, strict=False):
        yield Rejection(stage="review", reason="not_approved", detail=objection, text=task, response=draft)
    yield Pair.of(task, answers[-1])
