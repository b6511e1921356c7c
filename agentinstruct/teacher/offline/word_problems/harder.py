"""Suggester and editor: ways to make a word problem harder, and the harder problem, solved before it is offered."""

from __future__ import annotations

from random import Random

from agentinstruct.teacher.offline.word_problems.changes import CHANGES, Change
from agentinstruct.teacher.offline.word_problems.clauses import split_sentences
from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.scene import Scene
from agentinstruct.teacher.offline.word_problems.solution import solve


def suggest(problem: str, random: Random) -> list[str]:
    """Return up to two ways to make `problem` harder, all of which `edit` can carry out."""
    scene = _scene(problem, random)
    ideas = [(opening, rest) for opening, rest, change in CHANGES if _first_sound(scene, change)]
    if "After that" in problem and len(ideas) > 1:
        ideas = [idea for idea in ideas if not idea[0].startswith("Add one more event")]
    random.shuffle(ideas)
    unit = "dollars" if scene.unit == "$" else scene.unit
    return [(opening + rest).format(unit=unit) for opening, rest in ideas[:2]]


def edit(problem: str, suggestion: str, random: Random) -> str:
    """Return the harder problem; raises `Unsolvable` for a suggestion of another kind or one that does not fit."""
    scene = _scene(problem, random)
    unit = "dollars" if scene.unit == "$" else scene.unit
    for opening, _, change in CHANGES:
        if opening.format(unit=unit) in suggestion:
            harder = _first_sound(scene, change)
            if harder:
                return harder
    raise Unsolvable("not a suggestion that can be carried out here")


def _scene(problem: str, random: Random) -> Scene:
    return Scene(sentences=tuple(split_sentences(problem)), solution=solve(problem), random=random)


def _first_sound(scene: Scene, change: Change) -> str:
    for tried, problem in enumerate(change(scene)):
        if tried > 15:
            break
        try:
            solution = solve(problem)
        except Unsolvable:
            continue
        if (
            len(solution.lines) > len(scene.solution.lines)
            and solution.value > 0
            and (solution.value.denominator == 1 or solution.question.unit == "$")
        ):
            return problem
    return ""
