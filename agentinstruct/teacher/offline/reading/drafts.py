"""A question as a writer drafts it, before it takes the form of the reply."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from agentinstruct.teacher.offline.reading.passages import Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question, its options (in the right order for a sequence), its answer, and the sentences that prove it."""

    question: str
    answer: str = ""
    options: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    def reply(self, passage: Passage) -> dict[str, Any]:
        """Return it as the `Question` reply."""
        return {
            "question": self.question,
            "options": list(self.options),
            "answer": self.answer,
            "evidence": passage.exact(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Asker:
    """What a writer of questions is given: the passage, chance, and how many questions are wanted."""

    passage: Passage
    chance: Random
    wanted: int
