"""The offline teacher's reader of word problems: it tells, hides, makes harder and solves, or declines.

It knows quantities that are had, gained, lost, compared, grouped, shared, priced and repeated, at most one unknown.
A problem in which any number is not understood is declined; an answer that it gives has been worked out exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.word_problems.harder import edit, suggest
from agentinstruct.teacher.offline.word_problems.hiding import hide, tell
from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.solution import LONGEST_PROBLEM, answer_sentence, plain_figure, solve


def _tell(material: Material) -> dict[str, Any] | None:
    if "problem" not in material.sections:
        return None
    try:
        return {"statement": tell(material.text("problem"))}
    except Unsolvable:
        return {"statement": ""}


def _make_problem(material: Material) -> dict[str, Any] | None:
    try:
        if "statement" in material.sections:
            statement = material.text("statement")
            return (
                {"suitable": True, "problem": hide(statement)[0]}
                if len(statement) <= LONGEST_PROBLEM
                else _unsuitable()
            )
        if "problem" in material.sections and "suggestion" in material.sections:
            problem = edit(material.text("problem"), material.text("suggestion"), material.random())
            return {"suitable": True, "problem": problem}
    except Unsolvable:
        return _unsuitable()
    return None


def _unsuitable() -> dict[str, Any]:
    return {"suitable": False, "problem": ""}


def _suggest(material: Material) -> dict[str, Any] | None:
    if "problem" not in material.sections:
        return None
    try:
        return {"suggestions": suggest(material.text("problem"), material.random())}
    except Unsolvable:
        return {"suggestions": []}


def _answer(material: Material) -> dict[str, Any] | None:
    if "problem" not in material.sections:
        return None
    try:
        solution = solve(material.text("problem"))
    except Unsolvable:
        return {"answerable": False, "response": "I cannot work this problem out with certainty.", "final_answer": ""}
    response = "\n".join([*solution.lines, answer_sentence(solution)])
    return {"answerable": True, "response": response, "final_answer": plain_figure(solution)}


ANSWERERS: dict[str, Callable[[Material], dict[str, Any] | None]] = {
    "Statement": _tell,
    "Problem": _make_problem,
    "Suggestions": _suggest,
    "Answer": _answer,
}
"""What is answered here, by the title of the reply."""
