"""Responses, and the checks that ask the teacher again."""

from __future__ import annotations

from collections.abc import Callable

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask
from agentinstruct.records import Form, Instruction, Message, Pair, Verdict
from agentinstruct.stages.refine import item_variables
from agentinstruct.stages.replies import Answer, GroundedAnswer, Judgement


class Responder:
    """Has one agent answer an instruction anew from its final text, never knowing the answer its writer had in mind."""

    def __init__(self, agent: str, *, returns: type[Answer] = Answer) -> None:
        self.agent = agent
        self.returns = returns

    async def __call__(self, instruction: Instruction, ask: Ask) -> Pair:
        """Return the one-turn pair."""
        variables = item_variables(instruction) | {"answer": ""}
        answer = await ask(self.agent, returns=self.returns, **variables)
        if not answer.response.strip():
            raise Rejected("empty_reply", f"{self.agent} answered with no words")
        turns = (
            Message(role="user", content=instruction.text),
            Message(role="assistant", content=answer.response.strip()),
        )
        return Pair(
            messages=turns,
            final_answer=answer.final_answer.strip() or None,
            evidence=tuple(answer.evidence) if isinstance(answer, GroundedAnswer) else (),
            declined=not answer.answerable,
        )


class Judge:
    """Has one agent decide whether a response to an instruction of one of `forms` is good."""

    def __init__(self, agent: str, *, forms: tuple[Form, ...] = ("open",)) -> None:
        self.agent = agent
        self.forms = forms

    async def __call__(self, pair: Pair, instruction: Instruction, ask: Ask) -> Verdict | None:
        """Return the judge's verdict; None for other forms and for responses that rightly decline."""
        if instruction.form not in self.forms or pair.declined:
            return None
        variables = item_variables(instruction) | {"response": pair.messages[-1].content or ""}
        judgement = await ask(self.agent, returns=Judgement, **variables)
        return Verdict(check=self.agent, passed=judgement.passed, detail=judgement.reason)


class SecondOpinion:
    """Where no answer is known, a second agent must reach the first one's answer without having seen it."""

    def __init__(self, agent: str, *, same: Callable[[str, str], bool]) -> None:
        self.agent = agent
        self.same = same

    async def __call__(self, pair: Pair, instruction: Instruction, ask: Ask) -> Verdict | None:
        """Return whether both agree; None where the answer is known."""
        if instruction.expected is not None or pair.declined:
            return None
        answer = await ask(self.agent, returns=Answer, **(item_variables(instruction) | {"answer": ""}))
        agreed = answer.answerable and self.same(pair.final_answer or "", answer.final_answer)
        return Verdict(check=self.agent, passed=agreed, detail=f"{pair.final_answer} against {answer.final_answer}")
