"""The writer of questions: which kinds the offline teacher writes, and which it honestly leaves to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.choices import (
    certain,
    impossible,
    not_stated,
    plain_choices,
    reasons,
    supported,
    true_or_false,
)
from agentinstruct.teacher.offline.reading.counting import countings, spans_of_years
from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.lexicon import words_in
from agentinstruct.teacher.offline.reading.ordering import events_in_order, matches
from agentinstruct.teacher.offline.reading.passages import read_passage
from agentinstruct.teacher.offline.reading.responses import answer_draft
from agentinstruct.teacher.offline.reading.short_answers import answerability, gaps, plain, references, two_steps
from agentinstruct.teacher.offline.reading.summaries import summaries

_Writer = Callable[[Asker], Iterator[Draft]]

_BY_NAME: dict[str, _Writer] = {
    "literal_answer": plain,
    "numerical_reasoning": countings,
    "critical_true_false": true_or_false,
    "vocabulary_fill_blank": gaps,
    "relationship_matching": matches,
    "event_ordering": events_in_order,
    "must_be_true": certain,
    "most_strongly_supported": supported,
    "cannot_be_true": impossible,
    "except_question": not_stated,
    "cause_and_effect": reasons,
    "reference_resolution": references,
    "date_time_arithmetic": spans_of_years,
    "multi_hop": two_steps,
    "constrained_summary": summaries,
    "answerability": answerability,
}
_BY_FORM: dict[str, _Writer] = {
    "multiple_choice": plain_choices,
    "sequence": events_in_order,
    "true_false": true_or_false,
    "fill_blank": gaps,
    "short_answer": plain,
    "number": spans_of_years,
}
_BEYOND_US = words_in(
    """
    strengthen weaken assum flaw princip reason paradox argument conclusion idea role agree parallel appl complet
    attitude tone organi function analog view essay title opinion figur irony purpose moral theme
    """
)


def write_questions(material: Material) -> dict[str, Any] | None:
    """Reply `Questions`: up to the number wanted of the type asked for; none where the passage offers no good one."""
    if "passage" not in material.sections or "question_type" not in material.sections:
        return None
    asked_type = material.sections["question_type"].attributes
    writer = _writer(asked_type.get("name", ""), asked_type.get("form", ""))
    if writer is None:
        return {"questions": []}
    section = material.sections["passage"]
    passage = read_passage(section.text, section.attributes.get("title", ""))
    wanted = _wanted(material.text("how_many"))
    asker = Asker(passage, material.random(), wanted)
    form = asked_type.get("form", "")
    sound = (draft for draft in writer(asker) if form == "open" or answer_draft(passage, draft, form))
    return {"questions": [draft.reply(passage) for draft in islice(sound, wanted)]}


def _writer(name: str, form: str) -> _Writer | None:
    if name in _BY_NAME:
        return _BY_NAME[name]
    return None if any(word in name for word in _BEYOND_US) else _BY_FORM.get(form)


def _wanted(text: str) -> int:
    digits = "".join(character for character in text if character.isdigit())
    return max(1, min(20, int(digits))) if digits and len(digits) < 4 else 1
