"""The ways to make a word problem harder: one more event, a second person, a price, a share of what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.scene import (
    CONTAINERS,
    NAMES,
    RECEIVERS,
    SPONSORED,
    Scene,
    capitalise,
    choose_pronoun,
    draw_numbers,
    find_names,
    name_subject,
)
from agentinstruct.teacher.offline.word_problems.words import head, inflect, singular


def _last_act(scene: Scene) -> Clause | None:
    clauses = [
        clause
        for clause in scene.solution.clauses
        if clause.verb.effect in {"gain", "lose", "do"}
        and clause.past
        and clause.unit
        and clause.size == "exactly"
        and clause.unit != "$"
        and (head(clause.unit) == head(scene.unit) or (scene.unit == "$" and not clause.phrase("price")))
        and not clause.phrase("contents")
        and not clause.phrase("of_each")
        and not clause.phrase("for_each")
        and (not clause.receiver or clause.verb.base == "give")
    ]
    return clauses[-1] if clauses else None


def _one_more_event(scene: Scene) -> Iterator[str]:
    act = _last_act(scene)
    opening = "Later" if any("After that" in sentence for sentence in scene.sentences) else "After that"
    if act is None or any("Later," in sentence for sentence in scene.sentences):
        return
    place = _closing_place(scene)
    if act.verb.base == "use" or (
        place < len(scene.sentences) - 1 and act.text.split(" ", 1)[-1] in scene.sentences[place]
    ):
        return
    receiver = RECEIVERS.get(act.verb.base, "")
    for number in draw_numbers(scene, 4, 20):
        unit = inflect(act.unit, one=False)
        if not act.subject:
            event = f"{opening}, another {number} {unit} {act.verb.past}."
        else:
            particle = " out" if "rented out" in act.text else ""
            event = f"{opening}, {_who(scene, act)} {act.verb.past}{particle} another {number} {unit}{receiver}."
        yield " ".join([*scene.sentences[:place], event, *scene.sentences[place:]])


def _who(scene: Scene, act: Clause) -> str:
    return act.subject.lower() if act.subject.lower() in {"he", "she", "it"} else name_subject(act)


def _closing_place(scene: Scene) -> int:
    """Return where a new event goes: before the sentence that uses up what is left, or before the question."""
    for place, sentence in enumerate(scene.sentences):
        if re.search(r"\b(?:the remaining|all the|At that time|sponsor|equally among|boxes of)\b", sentence) and place:
            return place
    return len(scene.sentences) - 1


def _what_is_there(scene: Scene) -> str:
    unit = "money" if scene.unit == "$" else scene.unit
    last = scene.solution.clauses[-1].verb.effect
    return f"the remaining {unit}" if last == "lose" or "left" in scene.solution.question.markers else f"all the {unit}"


def _shared_money(scene: Scene) -> Iterator[str]:
    if not (scene.kept and scene.unit == "$" and scene.past):
        return
    for parts in draw_numbers(scene, 2, 6):
        if scene.solution.value % parts == 0 and scene.solution.value > parts:
            actor = capitalise(choose_pronoun(scene, scene.actor))
            yield " ".join(
                [
                    *scene.sentences[:-1],
                    f"{actor} shared the remaining money equally among {parts} friends.",
                    "How much money did each friend get?",
                ]
            )


def _total_instead(scene: Scene) -> Iterator[str]:
    question = scene.solution.question
    clauses = [clause for clause in scene.solution.clauses if clause.verb.base == question.verb.base and clause.subject]
    if (
        {"altogether", "in total"} & question.markers
        or question.kind
        or len(clauses) < 2
        or question.verb.effect == "have"
    ):
        return
    subjects = {clause.subject for clause in clauses}
    who = clauses[0].subject if len(subjects) == 1 else "they"
    yield " ".join([*scene.sentences[:-1], f"How many {scene.unit} did {who} {question.verb.base} altogether?"])


def _bought_more(scene: Scene) -> Iterator[str]:
    question = scene.solution.question
    if question.past or not {"altogether", "in total"} & question.markers or "Then " in " ".join(scene.sentences):
        return
    name = next(iter(find_names(scene)), "")
    for number in draw_numbers(scene, 3, 12):
        if name:
            yield " ".join(
                [*scene.sentences[:-1], f"Then {name} buys another {number} {scene.unit}.", scene.sentences[-1]]
            )


def _packed(scene: Scene) -> Iterator[str]:
    if not (scene.kept and scene.handy and scene.past):
        return
    into, container = CONTAINERS.get(singular(head(scene.unit)), "into baskets").split()
    what = _what_is_there(scene)
    for parts in draw_numbers(scene, 2, 12):
        if scene.solution.value % parts == 0 and scene.solution.value > parts:
            thing = singular(container)
            actor = capitalise(choose_pronoun(scene, scene.actor))
            yield " ".join(
                [
                    *scene.sentences[:-1],
                    f"{actor} put {what} equally {into} {parts} {container}.",
                    f"How many {scene.unit} were {into[:2]} each {thing}?",
                ]
            )


def _sold(scene: Scene) -> Iterator[str]:
    filled = scene.solution.question.verb.base == "fill"
    if not ((scene.kept or filled) and scene.handy and scene.past):
        return
    what = f"all the {scene.unit}" if filled else _what_is_there(scene)
    pronoun = choose_pronoun(scene, scene.actor)
    noun = singular(head(scene.unit))
    if noun == "book":
        return
    low, high = (4, 12) if noun in {"box", "jar", "basket", "scarf"} else (2, 4)
    for price in draw_numbers(scene, low, high):
        yield " ".join(
            [
                *scene.sentences[:-1],
                f"{capitalise(pronoun)} sold {what} for ${price} each.",
                f"How much money did {pronoun} get?",
            ]
        )


def _second_person(scene: Scene) -> Iterator[str]:
    name = scene.actor
    if not scene.kept or scene.unit == "$" or scene.solution.question.verb.effect != "have":
        return
    name = next((word for word in find_names(scene) if word), "")
    if not name or singular(head(scene.unit)) in {"page", "metre", "kilogram", "room"}:
        return
    other = scene.random.choice([one for one in NAMES if one not in " ".join(scene.sentences)])
    for number in draw_numbers(scene, 3, 15):
        word = "more" if scene.random.random() < 0.6 or number >= scene.solution.value else "fewer"
        yield " ".join(
            [
                *scene.sentences[:-1],
                f"At that time {other} had {number} {word} {scene.unit} than {name}.",
                f"How many {scene.unit} did {name} and {other} have altogether?",
            ]
        )


def _more_spending(scene: Scene) -> Iterator[str]:
    question = scene.solution.question
    if scene.unit != "$" or not scene.past:
        return
    things = ("a bus ticket", "a drink", "a postcard")
    thing = next((one for one in things if one not in " ".join(scene.sentences)), "")
    pronoun = choose_pronoun(scene, scene.actor)
    if pronoun == "it":
        return
    for number in draw_numbers(scene, 2, 7):
        event = f"After that, {pronoun} spent ${number} on {thing}."
        if scene.kept and "After that" not in " ".join(scene.sentences):
            yield " ".join([*scene.sentences[:-1], event, scene.sentences[-1]])
        elif question.verb.base == "get" and "change" not in question.text and number < scene.solution.value:
            spent = f"{capitalise(pronoun)} then spent ${number} of this money on {thing}."
            yield " ".join([*scene.sentences[:-1], spent, f"How much money did {pronoun} have left?"])


def _paid_with_note(scene: Scene) -> Iterator[str]:
    question = scene.solution.question
    if question.verb.base not in {"pay", "spend"} or scene.unit != "$":
        return
    note = next((note for note in (20, 50, 100) if note > scene.solution.value), 0)
    pronoun = choose_pronoun(scene, scene.actor)
    if note:
        yield " ".join(
            [
                *scene.sentences[:-1],
                f"{capitalise(pronoun)} paid with a ${note} note.",
                f"How much change did {pronoun} get?",
            ]
        )


def _another_purchase(scene: Scene) -> Iterator[str]:
    if "change" not in scene.solution.question.text or "also" in " ".join(scene.sentences):
        return
    place = next((place for place, sentence in enumerate(scene.sentences) if " paid with" in sentence), 0)
    pronoun = choose_pronoun(scene, scene.actor)
    for number in draw_numbers(scene, 1, 4):
        if place and number < scene.solution.value:
            extra = f"{capitalise(pronoun)} also bought a paper bag for ${number}."
            yield " ".join([*scene.sentences[:place], extra, *scene.sentences[place:]])


def _sponsored(scene: Scene) -> Iterator[str]:
    question = scene.solution.question
    if (
        not re.fullmatch(r"[A-Z]\w+", str(next(iter(find_names(scene)), "")))
        or singular(head(scene.unit)) not in SPONSORED
        or not {"altogether", "in total"} & question.markers
    ):
        return
    for number in draw_numbers(scene, 2, 6):
        thing = inflect(scene.unit, one=True)
        gift = f"A sponsor gave ${number} to charity for each {thing}."
        yield " ".join([*scene.sentences[:-1], gift, "How much money did the sponsor give?"])


Change = Callable[[Scene], Iterator[str]]
"""Yields harder problems, the numbers drawn anew for each; they are yet to be solved."""
CHANGES: tuple[tuple[str, str, Change], ...] = (
    ("Put the {unit} that remain equally into containers", ", and ask how many each one holds.", _packed),
    (
        "Bring in a second person whose {unit} are compared with the first one's",
        ", and ask for the total of both.",
        _second_person,
    ),
    ("Share the money that is left equally", " among some friends, and ask what each one gets.", _shared_money),
    ("Ask for the total", " instead of one part of it.", _total_instead),
    ("Let one of them buy some more {unit}", " before the total is asked for.", _bought_more),
    (
        "Add one more event before the question",
        ", of the same kind as the last one, so that a further step is needed.",
        _one_more_event,
    ),
    (
        "Let what remains or was packed be sold at a price for each piece",
        ", and ask how much money that brings.",
        _sold,
    ),
    ("Let some more money be spent", " before the question, so that a further subtraction is needed.", _more_spending),
    ("Let everything be paid with one note", ", and ask for the change instead of the price.", _paid_with_note),
    ("Add another thing to the shopping", " before it is paid for.", _another_purchase),
    ("Let a sponsor give a fixed sum for each unit of the result", ", and ask for the whole gift.", _sponsored),
)
"""How a suggestion opens, by which its editor knows it, how it goes on, and the change."""
