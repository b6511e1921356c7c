"""Ask Me Anything: tells a solved problem as facts, then hides one of its numbers and asks for that one."""

from __future__ import annotations

import re
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.asking import COMMON_OPENINGS, WAYS
from agentinstruct.teacher.offline.word_problems.clauses import (
    Clause,
    read_clause,
    split_sentences,
)
from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.solution import read_story, solve
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.verify import parse_number

_MARK = re.compile(r"\[\[(?P<number>[^\[\]]{1,30})\]\]")


def tell(problem: str) -> str:
    """Return the problem with its answer as one declarative text; raises `Unsolvable`."""
    solution = solve(problem)
    fact = solution.question.statement(solution.value)
    if not fact:
        raise Unsolvable("a question that is not told as a fact")
    story = Story()
    sentences = split_sentences(problem)[:-1]
    read_story(story, sentences)
    if not _is_result(fact, story):
        opening = fact.split(" ", 1)[0]
        fact = "In all, " + (fact[0].lower() + fact[1:] if opening in COMMON_OPENINGS else fact)
        if not _is_result(fact, story):
            raise Unsolvable("the answer does not read as a result")
    return " ".join([*sentences, fact])


def _is_result(fact: str, story: Story) -> bool:
    clause = read_clause(fact)
    return clause is not None and story.is_final(clause)


def hide(statement: str) -> tuple[str, Fraction]:
    """Return a problem that asks for the marked number, and that number; raises `Unsolvable`."""
    marks = list(_MARK.finditer(statement))
    value = parse_number(marks[0]["number"]) if len(marks) == 1 else None
    sentences = split_sentences(statement)
    place = next((index for index, sentence in enumerate(sentences) if "[[" in sentence), None)
    if value is None or place is None or place == len(sentences) - 1:
        raise Unsolvable("no number to hide")
    for shape, replacement, ask in WAYS:
        match = shape.search(sentences[place])
        if not match:
            continue
        hidden = match.expand(replacement).replace("  ", " ")
        sentence = sentences[place][: match.start()] + hidden + sentences[place][match.end() :]
        sentence = re.sub(r",(?=[.,])", "", sentence)
        story = Story()
        clauses, _ = read_story(story, [*sentences[:place], sentence])
        found = [clause for clause in clauses if _lacks_number(clause)]
        if len(found) > 1:
            raise Unsolvable("two numbers are missing")
        clause = found[0] if found else None
        question = ask(match, clause and _named(clause, story))
        if not question:
            raise Unsolvable("no question for this number")
        told = [*sentences[:place], sentence, *sentences[place + 1 :]]
        return _asking(told, _wordings(question, clause), value), value
    raise Unsolvable("no way to hide this number")


def _wordings(question: str, clause: Clause | None) -> list[str]:
    """Return the question at its shortest, then with what may be needed to make clear which number is meant."""
    wordings = [question.replace(" at the start?", "?").replace("How many there", "How many"), question]
    lead = clause.text[: clause.text.find(clause.subject)].strip(" ,") if clause and clause.subject else ""
    if lead:
        wordings.append(f"{question[:-1]} {lead[0].lower() + lead[1:]}?")
    return list(dict.fromkeys(wordings))


def _asking(told: list[str], wordings: list[str], value: Fraction) -> str:
    reason = "no question for this number"
    for question in wordings:
        problem = " ".join([*told, question])
        try:
            if solve(problem).value == value:
                return problem
            reason = "the number does not follow from the rest"
        except Unsolvable as refusal:
            reason = str(refusal)
    raise Unsolvable(reason)


def _lacks_number(clause: Clause) -> bool:
    counted = {"contents", "price", "total_price", "of_each", "speed", "during", "among", "sets"}
    lacking = any(phrase.value is None and phrase.kind in counted for phrase in clause.phrases)
    return lacking or (clause.value is None and clause.size in {"exactly", "more", "fewer", "times"})


def _named(clause: Clause, story: Story) -> Clause:
    """Return the clause with a name for a pronoun, where there is one."""
    if clause.subject.lower() not in {"he", "she", "it"}:
        return clause
    name = story.resolve(clause.subject)
    if name.lower() in {"he", "she", "it"}:
        return clause
    shown = name if name[0].isupper() else f"the {name}"
    return Clause(**{field: getattr(clause, field) for field in clause.__slots__} | {"subject": shown})
