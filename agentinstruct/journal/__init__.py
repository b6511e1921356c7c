"""The journal: what was asked and answered, durably, and the run directory around it.

One SQLite file holds every reply and every item's outcome; a reply is handed on only after its commit. Whoever only
looks gets a `JournalReader`. This room may know records and what a teacher's exchange is; it knows neither flows nor
runs.
"""

from agentinstruct.journal.directory import GRANTED, LOST, locked, read_journal, read_manifest, replace, writing
from agentinstruct.journal.group_commit import Statement
from agentinstruct.journal.reader import JournalReader, Outcome
from agentinstruct.journal.writer import ItemRecorder, Journal, item_id

__all__ = [
    "GRANTED",
    "LOST",
    "ItemRecorder",
    "Journal",
    "JournalReader",
    "Outcome",
    "Statement",
    "item_id",
    "locked",
    "read_journal",
    "read_manifest",
    "replace",
    "writing",
]
