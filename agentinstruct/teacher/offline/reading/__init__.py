"""The offline teacher's reading half: writes, refines, answers and judges questions about a passage, by plain rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.judging import judge_response
from agentinstruct.teacher.offline.reading.questions import write_questions
from agentinstruct.teacher.offline.reading.refinement import edit, suggest
from agentinstruct.teacher.offline.reading.responses import respond
from agentinstruct.teacher.offline.reading.transformations import transform

ANSWERERS: dict[str, Callable[[Material], dict[str, Any] | None]] = {
    "Passage": transform,
    "Questions": write_questions,
    "Suggestions": suggest,
    "Edit": edit,
    "GroundedAnswer": respond,
    "Judgement": judge_response,
}
