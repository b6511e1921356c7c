"""Deduplication: whether an instruction is new, decided in seed order after the fact.

It reads the outcomes in a journal, and knows neither flows nor runs.
"""

from agentinstruct.dedup.settling import first_unjustified, settle

__all__ = [
    "first_unjustified",
    "settle",
]
