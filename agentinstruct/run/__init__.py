"""A run: many seeds through many flows at once. The engine, its teachers, progress, summary, estimate and preview.

This room joins the journal, batches, flows, deduplication and the dataset, and is known only to faces and trainers.
"""

from agentinstruct.run.engine import ItemEnd, Run
from agentinstruct.run.estimate import SECONDS_PER_CALL, Estimate, estimate_run
from agentinstruct.run.generate import run
from agentinstruct.run.options import RunOptions
from agentinstruct.run.preview import Tree, preview_item, recorded_trees
from agentinstruct.run.progress import Progress
from agentinstruct.run.seeds import all_seeds
from agentinstruct.run.summary import Summary, summarise
from agentinstruct.run.teachers import TeacherStack

__all__ = [
    "SECONDS_PER_CALL",
    "Estimate",
    "ItemEnd",
    "Progress",
    "Run",
    "RunOptions",
    "Summary",
    "TeacherStack",
    "Tree",
    "all_seeds",
    "estimate_run",
    "preview_item",
    "recorded_trees",
    "run",
    "summarise",
]
