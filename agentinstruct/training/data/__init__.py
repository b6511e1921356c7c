"""Training data: rows read in every common form, conversations, and the tokens and loss masks they become.

It knows files and templates; it knows no trainer and no recipe.
"""

from agentinstruct.training.data.conversations import Conversation, read_conversations, to_conversation
from agentinstruct.training.data.inspection import Inspection, prepare
from agentinstruct.training.data.rendering import NO_LOSS, ready_tokenizer, render
from agentinstruct.training.data.rows import BadRow, read_rows
from agentinstruct.training.data.volumes import CHARACTERS_PER_TOKEN, Volume, measure

__all__ = [
    "CHARACTERS_PER_TOKEN",
    "NO_LOSS",
    "BadRow",
    "Conversation",
    "Inspection",
    "Volume",
    "measure",
    "prepare",
    "read_conversations",
    "read_rows",
    "ready_tokenizer",
    "render",
    "to_conversation",
]
