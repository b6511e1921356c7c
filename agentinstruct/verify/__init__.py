"""Whether a pair is right, as far as a program can tell."""

from agentinstruct.verify.checks import (
    agrees_with_writer,
    answer_changed,
    declines_when_unanswerable,
    is_permutation,
    matches_gold,
    one_key,
    quoted_from_passage,
)
from agentinstruct.verify.numbers import find_numbers, parse_number, same_number

__all__ = [
    "agrees_with_writer",
    "answer_changed",
    "declines_when_unanswerable",
    "find_numbers",
    "is_permutation",
    "matches_gold",
    "one_key",
    "parse_number",
    "quoted_from_passage",
    "same_number",
]
