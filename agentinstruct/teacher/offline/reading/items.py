"""The item a suggester and an editor are shown, and the edits they may return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.choosing import Response
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.responses import answer, option_texts

IMPOSSIBLE: dict[str, Any] = {"possible": False, "passage": "", "question": "", "options": [], "answer": ""}


@dataclass(frozen=True, slots=True)
class Item:
    """The item to be refined."""

    passage: Passage
    question: str
    options: tuple[str, ...]
    key: str
    """The text of the right option, or the answer itself."""
    response: Response
    form: str

    @classmethod
    def of(cls, material: Material) -> Item | None:
        """Read the item that a prompt shows, and answer it afresh."""
        if "passage" not in material.sections or "question" not in material.sections:
            return None
        passage = read_passage(material.text("passage"))
        question, options = material.text("question"), option_texts(material.text("options"))
        response = answer(passage, question, options)
        kind = material.sections.get("question_type")
        form = kind.attributes.get("form", "") if kind else ""
        return cls(passage, question, options, key_of(response, options, form), response, form)

    def edit(
        self, *, passage: str = "", question: str = "", options: tuple[str, ...] | None = None, answer: str = ""
    ) -> dict[str, Any]:
        """Return the `Edit` reply that changes what is given and keeps the rest."""
        return {
            "possible": True,
            "passage": passage,
            "question": question or self.question,
            "options": list(self.options if options is None else options),
            "answer": answer,
        }


def key_of(response: Response, options: tuple[str, ...], form: str) -> str:
    """Return the text of the option that a response picks, or its answer where there are none to pick from."""
    picked = options and form != "sequence" and len(response.final) == 1
    return options[ord(response.final) - ord("A")] if picked else response.final
