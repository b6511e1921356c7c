"""The suggester and the editor: make an item unanswerable, change its answer, or make it harder.

A suggestion names in quotation marks what is to be taken out, changed or added, so the editor needs nothing else to
carry it out; a suggestion in other words is beyond this editor, and it says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.changing import CHANGE, Change, change_fact, changed
from agentinstruct.teacher.offline.reading.hardening import harden, rephrased, widened
from agentinstruct.teacher.offline.reading.items import IMPOSSIBLE, Item
from agentinstruct.teacher.offline.reading.passages import read_passage
from agentinstruct.teacher.offline.reading.removal import blurred, removable, still_hinted, without
from agentinstruct.teacher.offline.reading.responses import answer

_REPLACE = re.compile(r"Put in place of the sentence “([^”]+)” this one: “([^”]+)”")
_REMOVE = re.compile(r"“([^”]+)”")
_OPTION = re.compile(r"Add the option “([^”]+)”")
_REPHRASE = re.compile(r"Ask instead: “(.+)”")
_NO_SINGLE_KEY = re.compile(
    r"EXCEPT|cannot be true|must be true|Which of these statements|^Match|gives enough information|^Summarise|"
    r"^To whom does|____"
)


def suggest(material: Material) -> dict[str, Any] | None:
    """Reply `Suggestions` towards the goal for an item about a passage; none where nothing would come out well."""
    item = Item.of(material)
    if item is None or "goal" not in material.sections:
        return None
    ways: dict[str, Callable[[Item, Random], str | None]] = {
        "unanswerable": _take_away,
        "change_answer": change_fact,
        "harder": harden,
    }
    way = ways.get(material.sections["goal"].attributes.get("name", ""))
    suggestion = way(item, material.random()) if way and item.response.answerable else None
    return {"suggestions": [suggestion] if suggestion else []}


def edit(material: Material) -> dict[str, Any] | None:
    """Reply `Edit`: the item after the suggestion, if this editor can carry it out and the result holds."""
    item = Item.of(material)
    if item is None or "suggestion" not in material.sections:
        return None
    suggestion = re.sub(r"\s+", " ", material.text("suggestion"))
    if changes := [Change(*match.groups()) for match in CHANGE.finditer(suggestion)]:
        return changed(item, changes) or IMPOSSIBLE
    if match := _REPLACE.search(suggestion):
        return _vaguer(item, match[1], match[2]) or IMPOSSIBLE
    if match := _OPTION.search(suggestion):
        return widened(item, match[1]) or IMPOSSIBLE
    if match := _REPHRASE.search(suggestion):
        return rephrased(item, match[1]) or IMPOSSIBLE
    if suggestion.startswith("Take out"):
        return _emptied(item, _REMOVE.findall(suggestion)) or IMPOSSIBLE
    return IMPOSSIBLE


def _take_away(item: Item, chance: Random) -> str | None:
    if _NO_SINGLE_KEY.search(item.question) or not item.response.evidence:
        return None
    proof = item.response.evidence[-1]
    vaguer = blurred(item.question, proof)
    if vaguer and _vaguer(item, proof, vaguer):
        return f"Put in place of the sentence “{proof}” this one: “{vaguer}”"
    goners = removable(item.passage, item.question, item.key, item.response.evidence)
    if not goners:
        return None
    if _unanswered(item, without(item.passage, goners)) is None:
        return None
    quoted = " and ".join(f"“{sentence.text}”" for sentence in goners)
    return f"Take out of the passage {quoted} so that nothing is left in it that answers the question."


def _vaguer(item: Item, quoted: str, vaguer: str) -> dict[str, Any] | None:
    sentence = next((s for s in item.passage.sentences if s.text == quoted), None)
    if sentence is None:
        return None
    passage = item.passage.text[: sentence.start] + vaguer + item.passage.text[sentence.end :]
    return _unanswered(item, passage)


def _unanswered(item: Item, passage: str) -> dict[str, Any] | None:
    left = read_passage(passage)
    guessed = item.form not in ("number", "true_false") and still_hinted(left, item.key)
    if guessed or answer(left, item.question, item.options).answerable:
        return None
    return item.edit(passage=passage)


def _emptied(item: Item, quoted: list[str]) -> dict[str, Any] | None:
    goners = [sentence for sentence in item.passage.sentences if sentence.text in quoted]
    if len(goners) != len(quoted) or not goners:
        return None
    return _unanswered(item, without(item.passage, goners))
