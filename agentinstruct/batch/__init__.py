"""Batch: questions that are parked instead of sent, go out together in waves, and are answered elsewhere.

`Waves` decides when a wave leaves; `parking` keeps every question in the journal until its reply is recorded; `openai`
talks to a provider, and `files` to whoever else answers. This room may know teachers and the journal, and no run.
"""

from agentinstruct.batch.job import BatchJob
from agentinstruct.batch.options import BatchOptions
from agentinstruct.batch.parking import ParkedQuestions
from agentinstruct.batch.protocols import Batcher
from agentinstruct.batch.waves import Waves, how_to_resume, still_waiting

__all__ = [
    "BatchJob",
    "BatchOptions",
    "Batcher",
    "ParkedQuestions",
    "Waves",
    "how_to_resume",
    "still_waiting",
]
