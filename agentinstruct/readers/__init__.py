"""Readers: files, folders, globs and `datasets` names to seeds; they know records and errors and nothing above.

`read_seeds` is the door. To read one more format, write a function from its text (or bytes) to a `Document`, in
a module of its own, and name its file endings in `read.py`.
"""

from agentinstruct.readers.document import Document, ReadOptions, Skipped, Unreadable, one_line
from agentinstruct.readers.duplicates import Duplicates
from agentinstruct.readers.read import read_seeds
from agentinstruct.readers.tables import read_csv, read_dataset, read_json, read_jsonl

__all__ = [
    "Document",
    "Duplicates",
    "ReadOptions",
    "Skipped",
    "Unreadable",
    "one_line",
    "read_csv",
    "read_dataset",
    "read_json",
    "read_jsonl",
    "read_seeds",
]
