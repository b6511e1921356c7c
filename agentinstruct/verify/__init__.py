"""Whether a pair is right, as far as a program can tell."""

from agentinstruct.verify.answers import Outcome, final_answer, mark, same_answer
from agentinstruct.verify.checks import (
    agrees_with_writer,
    answer_changed,
    declines_when_unanswerable,
    is_permutation,
    matches_gold,
    one_key,
    quoted_from_passage,
)
from agentinstruct.verify.numbers import NUMBER_WORDS, find_numbers, parse_number, same_number
from agentinstruct.verify.same_text import instruction_key, normalise

__all__ = [
    "NUMBER_WORDS",
    "Outcome",
    "agrees_with_writer",
    "answer_changed",
    "declines_when_unanswerable",
    "final_answer",
    "find_numbers",
    "instruction_key",
    "is_permutation",
    "mark",
    "matches_gold",
    "normalise",
    "one_key",
    "parse_number",
    "quoted_from_passage",
    "same_answer",
    "same_number",
]
