"""A flow: how one seed becomes pairs that teach one skill. `Ask`, prompts, lineage, and where flows are found.

This room may know teachers, verification and telemetry. It does not know how many seeds there are, where replies are
kept, or which stages a flow is made of.
"""

from agentinstruct.flow.ask import Ask, Item
from agentinstruct.flow.definition import Flow, flow, run_item
from agentinstruct.flow.library import Skill, find_flows
from agentinstruct.flow.lineage import refuse, with_asked

__all__ = [
    "Ask",
    "Flow",
    "Item",
    "Skill",
    "find_flows",
    "flow",
    "refuse",
    "run_item",
    "with_asked",
]
