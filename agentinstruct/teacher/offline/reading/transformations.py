"""Transformations of a seed that rules can do well: a dialogue and a meeting; the others are declined."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from random import Random
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.asking import Asked, plain_questions
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.sentences import Sentence, words_of

_IRRELEVANT: dict[str, Any] = {"irrelevant": True, "title": "", "text": ""}
_OPENING_WORDS = 25
_SPEAKERS = ("Nora", "Tomas", "Ines", "Rafael", "Greta", "Samir", "Hanna", "Oskar", "Lucia", "Idris", "Marta", "Ewan")


def transform(material: Material) -> dict[str, Any] | None:
    """Reply `Passage`: the seed in the form that the first words of the instruction name, if rules can do it well."""
    if "seed" not in material.sections:
        return None
    opening = " ".join(material.system.split()[:_OPENING_WORDS]).lower()
    form = next((form for name, form in _FORMS.items() if re.search(rf"\b{name}\b", opening)), None)
    passage = read_passage(material.text("seed"))
    if form is None or len(passage.asked()) < 5:
        return _IRRELEVANT
    made = form(passage, material.random())
    return {"irrelevant": False, "title": made[0], "text": made[1]} if made else _IRRELEVANT


def _dialogue(passage: Passage, chance: Random) -> tuple[str, str] | None:
    """Let one person ask and another tell, in the passage's order; every fact stays in the passage's words."""
    asked = {question.sentence.index: question for question in plain_questions(passage)}
    if len(asked) < 3:
        return None
    asks, tells = chance.sample([name for name in _SPEAKERS if name not in passage.text], 2)
    subject = _subject(passage)
    turns = [
        f"{asks}: You have been reading about “{subject}”. I know hardly anything about it. Will you tell me "
        f"what you found out?"
    ]
    openings = chance.sample(_OPENINGS, len(_OPENINGS))
    for place, stretch in enumerate(_stretches(passage, asked)):
        if place:
            question = _question_before(asked.get(stretch[0].index), passage, "\n".join(turns))
            turns.append(f"{asks}: {question or openings[place % len(openings)]}")
        turns.append(f"{tells}: {_spoken(stretch)}")
    turns.append(f"{asks}: {chance.choice(_CLOSINGS)}")
    return f"A conversation: {subject}", "\n\n".join(turns)


def _question_before(asked: Asked | None, passage: Passage, said: str) -> str:
    """Return what somebody could ask who has heard only what was `said`: what a thing is, or more of a person."""
    if asked is None or asked.clause is None:
        return ""
    subject = asked.clause.subject
    person = passage.kinds.get(subject) == "person"
    if asked.sort == "definition" and not person:
        return asked.question
    question = f"What else do you know about {subject}?"
    return question if person and subject in said and question not in said else ""


_OPENINGS = (
    "I see. What else is there to tell?", "Please go on.", "That is clear so far. What comes after that?",
    "I had never heard of that. Is there more?",
    "And what came next?", "Go on, I am listening.", "Is there more to it?", "I did not know that. What else did "
                                                                             "you find?",
    "That is worth remembering. And then?", "I would like to hear the rest.",
)  # fmt: skip
_CLOSINGS = (
    "Thank you. I shall look at it with other eyes now.",
    "That was more than I expected. Thank you.",
    "Thank you, that gives me a good picture of it.",
)


def _subject(passage: Passage) -> str:
    heading = passage.text.strip().split("\n")[0].strip("# =").strip()
    if 1 < len(words_of(heading)) <= 12 and not heading.endswith((".", "?", "!")):
        return heading
    names = sorted(passage.kinds, key=lambda name: -passage.text.count(name))
    return names[0] if names else "something new"


def _stretches(passage: Passage, asked: dict[int, Asked]) -> list[list[Sentence]]:
    """Split the prose into turns: a new one at each paragraph and before each sentence that answers a question."""
    turns: list[list[Sentence]] = []
    for sentence in filter(_says_something, passage.sentences):
        fresh = not turns or turns[-1][-1].paragraph != sentence.paragraph
        answers = sentence.index in asked and len(turns[-1]) >= 2 if turns else False
        if fresh or (answers and not sentence.leans):
            turns.append([sentence])
        else:
            turns[-1].append(sentence)
    return turns


def _meeting(passage: Passage, chance: Random) -> tuple[str, str] | None:
    """Let members report on the passage paragraph by paragraph to a chair who calls on each of them."""
    told = [sentence for sentence in passage.sentences if _says_something(sentence)]
    parts = [list(group) for _, group in groupby(told, key=lambda sentence: sentence.paragraph)]
    parts = [part for part in parts if len(part) >= 2]
    if not 3 <= len(parts) <= 9:
        return None
    free = [name for name in _SPEAKERS if name not in passage.text]
    chair, *members = chance.sample(free, 4)
    subject = _subject(passage)
    lines = [
        f"{chair}: Welcome, everyone. There is one item on the agenda today, “{subject}”. Each of you has "
        f"prepared a part of it. {members[0]}, please begin."
    ]
    thanks, calls = chance.sample(_THANKS, len(_THANKS)), chance.sample(_CALLS, len(_CALLS))
    for place, part in enumerate(parts):
        member, coming = members[place % 3], members[(place + 1) % 3]
        lines.append(f"{member}: {_spoken(part)}")
        if place + 1 < len(parts):
            words = f"{thanks[place % len(thanks)]} {calls[place % len(calls)]}"
            lines.append(f"{chair}: {words.format(member=member, coming=coming)}")
    lines.append(f"{chair}: {chance.choice(_ENDS)}")
    return f"A meeting: {subject}", "\n\n".join(lines)


def _says_something(sentence: Sentence) -> bool:
    """Whether it is more than a label (`Starting point.`) or a formula (`Thank you.`)."""
    return len(sentence.words) > 2 or (len(sentence.words) == 2 and sentence.words[0] in ("He", "She", "It", "They"))


def _spoken(sentences: list[Sentence]) -> str:
    words = " ".join(sentence.text for sentence in sentences)
    return words[:1].upper() + words[1:]


_THANKS = ("Thank you, {member}.", "That was clear, {member}, thank you.", "Thank you, {member}, that is noted.")
_CALLS = ("{coming}, you have the next part.", "{coming}, please go on.", "Shall we hear from {coming}?",
          "Over to you, {coming}.")  # fmt: skip
_ENDS = (
    "Thank you all. If you have no questions, we can close the item here.",
    "Thank you, everyone. That was the last part, so I close the meeting.",
    "That completes the item. Thank you all for coming so well prepared.",
)

_FORMS: dict[str, Callable[[Passage, Random], tuple[str, str] | None]] = {"dialogue": _dialogue, "meeting": _meeting}
