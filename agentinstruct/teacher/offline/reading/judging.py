"""The judge of open answers: are they grounded in the passage, and do they make the points expected?"""

from __future__ import annotations

import re
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.finding import content_words, share_found
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.sentences import split_sentences, words_of

_GROUNDED = 0.8
_COVERED = 0.6


def judge_response(material: Material) -> dict[str, Any] | None:
    """Reply `Judgement` on a response about a passage."""
    if not {"passage", "response"} <= set(material.sections):
        return None
    response, passage, question = material.text("response"), material.text("passage"), material.text("question")
    grounded = share_found(content_words(response), f"{passage} {question}")
    points = [point for point in re.split(r"[;\n]", material.text("answer")) if len(content_words(point)) > 3]
    covered = [point for point in points if share_found(content_words(point), response) >= _COVERED]
    count = len(words_of(response))
    limit = re.search(r"at most (\d+) words", question)
    broken = _form_broken(question, response, read_passage(passage))
    if count < 5:
        reason, passed = "The response says too little to be an answer.", False
    elif limit and count > int(limit[1]):
        reason, passed = f"The response has {count} words where at most {limit[1]} were asked for.", False
    elif broken:
        reason, passed = broken, False
    elif grounded < _GROUNDED:
        reason, passed = "A good part of the response is not in the passage.", False
    elif points and len(covered) * 2 < len(points):
        reason, passed = f"The response makes only {len(covered)} of the {len(points)} points expected.", False
    else:
        made = f" and makes {len(covered)} of the {len(points)} points expected" if points else ""
        reason, passed = f"The response keeps to what the passage says{made}.", True
    return {"reason": reason, "passed": passed}


_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def _form_broken(question: str, response: str, passage: Passage) -> str:
    """Return how the response breaks the form asked for (number of sentences, order), or repeats itself; else ''."""
    sentences = split_sentences(response)
    if wanted := re.search(r"exactly (one|two|three|four|five|\d+) sentences?", question):
        count = _COUNTS.get(wanted[1]) or int(wanted[1])
        if len(sentences) != count:
            return f"The response has {len(sentences)} sentences where exactly {wanted[1]} were asked for."
    said = [" ".join(words_of(sentence)).lower() for sentence in sentences]
    if len(set(said)) < len(said):
        return "The response says the same sentence twice."
    if re.search(r"\bkeeping its order\b", question):
        places = [_place_of(sentence, passage) for sentence in sentences]
        known = [place for place in places if place is not None]
        if known != sorted(known):
            return "The response does not keep the order of the passage."
    return ""


def _place_of(sentence: str, passage: Passage) -> int | None:
    wanted = content_words(sentence)
    shares = [share_found(wanted, told.text) for told in passage.sentences]
    best = max(shares, default=0.0)
    return shares.index(best) if best >= _COVERED else None
