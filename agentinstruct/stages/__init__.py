"""The shipped stages: small teams of agents that a flow is composed from."""

from agentinstruct.stages.instruct import PerType, TaskType, lettered
from agentinstruct.stages.refine import SuggesterEditor
from agentinstruct.stages.respond import Judge, Responder, SecondOpinion
from agentinstruct.stages.team import AutoGenTeam, SuggesterEditorTeam
from agentinstruct.stages.transform import AllOf, OneOf, identity

__all__ = [
    "AllOf",
    "AutoGenTeam",
    "Judge",
    "OneOf",
    "PerType",
    "Responder",
    "SecondOpinion",
    "SuggesterEditor",
    "SuggesterEditorTeam",
    "TaskType",
    "identity",
    "lettered",
]
