"""The dataset: what leaves a run. Parquet shards, the card, exports, and what a run preferred.

Everything here is derived from a journal, or from a dataset that is published, and can be made again. This room may
know the journal and flows; it does not know how a run goes.
"""

from agentinstruct.dataset.attempts import Attempt, Judged, Problem
from agentinstruct.dataset.card import Ready, fill_card, front_matter, license_rows
from agentinstruct.dataset.export import to_messages, write_lines
from agentinstruct.dataset.parquet import Counts, publish, read_pairs
from agentinstruct.dataset.preference_rows import BORROWED, Row, Tally, labelled_replies, preference_pairs, sft_rows
from agentinstruct.dataset.preferences import labelled_of_run, preferences_of_run

__all__ = [
    "BORROWED",
    "Attempt",
    "Counts",
    "Judged",
    "Problem",
    "Ready",
    "Row",
    "Tally",
    "fill_card",
    "front_matter",
    "labelled_of_run",
    "labelled_replies",
    "license_rows",
    "preference_pairs",
    "preferences_of_run",
    "publish",
    "read_pairs",
    "sft_rows",
    "to_messages",
    "write_lines",
]
