"""What the editor of a word problem knows of the problem before it changes anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import ANYBODY
from agentinstruct.teacher.offline.word_problems.solution import Solution
from agentinstruct.teacher.offline.word_problems.words import head, inflect, singular

NAMES = ("Rosa", "Tariq", "Mina", "Pavel", "Aisha", "Leon", "Nkechi", "Sven")
"""People who may join a story."""
_NOT_HANDED_OVER = {
    "kilometre",
    "metre",
    "point",
    "room",
    "page",
    "passenger",
    "swimmer",
    "kilogram",
    "litre",
    "hour",
    "goat",
    "sheep",
    "horse",
    "person",
    "child",
    "seat",
    "floor",
    "guest",
    "pupil",
    "minute",
    "mile",
    "dollar",
    "gram",
}
"""Things that nobody puts into bags or sells by the piece in a story."""
SPONSORED = {"kilometre", "point", "page", "lap", "mile"}
"""Results that a sponsor pays for."""
CONTAINERS = {
    "sticker": "into envelopes",
    "marble": "into bags",
    "egg": "into bowls",
    "book": "onto shelves",
    "bead": "into bags",
    "jar": "into boxes",
}
"""Where things are put when they are shared out; baskets otherwise."""
RECEIVERS = {"give": " to a friend", "lend": " to a school", "donate": " to a school"}
"""Who gets what is handed over once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A problem with what its editor needs to know of it."""

    sentences: tuple[str, ...]
    solution: Solution
    random: Random

    @property
    def unit(self) -> str:
        """What is counted in the answer, as a plural."""
        unit = self.solution.question.unit
        return unit if unit == "$" else inflect(unit, one=False)

    @property
    def actor(self) -> str:
        """Who acts in the story, as the subject of a new sentence."""
        subject = self.solution.question.subject
        return subject if subject and not subject.lower().startswith("each") else name_subject(self.solution.clauses[0])

    @property
    def kept(self) -> bool:
        """Whether the question asks what is still there at the end."""
        question = self.solution.question
        still = {"left", "then", "in the end", "now"} & question.markers
        return bool(still) and not question.kind and question.verb.effect in {"have", "be"}

    @property
    def handy(self) -> bool:
        """Whether the things can be packed or sold."""
        return self.unit != "$" and singular(head(self.unit)) not in _NOT_HANDED_OVER

    @property
    def past(self) -> bool:
        """Whether the story is told in the past."""
        return self.solution.question.past


def name_subject(clause: Clause) -> str:
    """Return the subject of a clause as it stands in a later sentence."""
    subject = re.sub(r"^(?:An?|The) ", "the ", clause.subject)
    return f"the {subject.lower()}" if subject.lower() in ANYBODY else subject


def capitalise(text: str) -> str:
    """Return `text` with a capital at its start."""
    return text[:1].upper() + text[1:]


def choose_pronoun(scene: Scene, subject: str) -> str:
    """Return he, she or it when the sentence before already uses it for the only actor."""
    said = {clause.subject.lower() for clause in scene.solution.clauses} & {"he", "she", "it"}
    return said.pop() if len(said) == 1 and subject == scene.actor else subject


def draw_numbers(scene: Scene, low: int, high: int) -> list[int]:
    """Return the numbers from `low` to `high` that the story does not hold yet, shuffled."""
    said = re.findall(r"\b\d+\b", " ".join(scene.sentences))
    numbers = [number for number in range(low, high + 1) if str(number) not in said]
    scene.random.shuffle(numbers)
    return numbers


def find_names(scene: Scene) -> list[str]:
    """Return the people of the story by their names."""
    subjects = [clause.subject for clause in scene.solution.clauses] + [scene.actor]
    return [
        subject
        for subject in subjects
        if re.fullmatch(r"[A-Z]\w+", subject) and subject not in {"He", "She", "It", "They"}
    ]
