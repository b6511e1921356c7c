"""Whether an instruction is new."""

from agentinstruct.dedup.exact import instruction_key

__all__ = ["instruction_key"]
