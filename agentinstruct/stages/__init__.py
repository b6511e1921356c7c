"""The shipped stages: small teams of agents that a flow is composed from."""

from agentinstruct.stages.instruct import PerType, TaskType, lettered
from agentinstruct.stages.refine import Goal, SuggesterEditor, child_of
from agentinstruct.stages.replies import GroundedAnswer, Problem, Statement
from agentinstruct.stages.respond import Judge, Responder, SecondOpinion
from agentinstruct.stages.team import AutoGenTeam, SuggesterEditorTeam
from agentinstruct.stages.transform import AllOf, OneOf, identity

__all__ = [
    "AllOf",
    "AutoGenTeam",
    "Goal",
    "GroundedAnswer",
    "Judge",
    "OneOf",
    "PerType",
    "Problem",
    "Responder",
    "SecondOpinion",
    "Statement",
    "SuggesterEditor",
    "SuggesterEditorTeam",
    "TaskType",
    "child_of",
    "identity",
    "lettered",
]
