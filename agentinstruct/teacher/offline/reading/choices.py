"""Multiple-choice and true/false questions about what a passage states."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentinstruct.teacher.offline.reading.asking import Asked, plain_questions
from agentinstruct.teacher.offline.reading.clauses import clause_of
from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.spans import numbers_of
from agentinstruct.teacher.offline.reading.statements import (
    Statement,
    false_statement,
    near_numbers,
    order_statements,
    true_statements,
)


def plain_choices(asker: Asker) -> Iterator[Draft]:
    """Yield plain questions with three wrong options of the same kind as the answer."""
    questions = list(plain_questions(asker.passage))
    asker.chance.shuffle(questions)
    for asked in questions:
        wrong = _wrong_options(asker, asked)
        if len(wrong) >= 3:
            yield Draft(
                question=asked.question,
                answer=asked.answer,
                options=(asked.answer, *wrong[:3]),
                evidence=(asked.sentence.text,),
            )


def _wrong_options(asker: Asker, asked: Asked) -> list[str]:
    if asked.sort in ("year", "number"):
        number = numbers_of(f"in {asked.answer}" if asked.sort == "year" else asked.answer)[0]
        taken = {other.value for sentence in asker.passage.sentences for other in asker.passage.numbers(sentence)}
        figures = [figure for _, figure in zip(range(3), near_numbers(number, taken, asker.chance), strict=False)]
        return [asked.answer.replace(number.text, figure) for figure in figures]
    if asked.sort in ("person", "place") and asked.answer in asker.passage.kinds:
        kind, used = asker.passage.kinds[asked.answer], set(words_of(asked.sentence.text))
        double = " " in asked.answer
        others = [name for name, known in asker.passage.kinds.items() if known == kind and (" " in name) == double]
        wrong = [name for name in others if not used & set(words_of(name))]
        return asker.chance.sample(sorted(wrong), len(wrong))
    return []


def reasons(asker: Asker) -> Iterator[Draft]:
    """Yield questions about why something is so, where the passage says `because`."""
    given = [
        (s, m)
        for s in asker.passage.asked()
        if (m := re.match(r"(.+?),? because (?!of )([^;]+?)(?:, but [^;]+)?\.$", s.text))
    ]
    others = [asker.passage.inside(s.text[:-1]) for s in true_statements(asker.passage) if len(words_of(s.text)) <= 16]
    for sentence, match in given:
        clause, reason = clause_of(match[1] + "."), match[2]
        if (
            clause is None
            or not clause.whole
            or "," in clause.rest
            or re.search(r"\b(?:not|only|so|it|they|this)\b", clause.rest)
        ):
            continue
        if len(words_of(reason)) > 22 or "because" in reason:
            continue
        wrong = [other[2] for _, other in given if other[2] != reason and len(words_of(other[2])) <= 20]
        wrong = [words for words in wrong if not re.match(r"(?:he|she|it|they|this|these)\b", words)]
        more = [words for words in others if words.rstrip(".").lower() not in sentence.text.lower()]
        wrong += asker.chance.sample(more, min(len(more), 3))
        options = [f"Because {words}." for words in (reason, *wrong[:3])]
        if len(options) == 4:
            tail = clause.lead[:1].lower() + clause.lead[1:]
            question = clause.question("why", asker.passage.inside(clause.subject), None, tail)
            yield Draft(
                question=f"According to the passage, {question}",
                answer=options[0],
                options=tuple(options),
                evidence=(sentence.text,),
            )


def _claims(asker: Asker) -> tuple[list[Statement], list[Statement]]:
    """Return true statements and false ones, each about another sentence, in chance order."""
    stated = [claim for claim in true_statements(asker.passage) if len(words_of(claim.text)) <= 24]
    asker.chance.shuffle(stated)
    false = []
    for claim in stated:
        changed = false_statement(asker.passage, claim, asker.chance)
        if changed is not None:
            false.append(changed)
    return stated, false


def true_or_false(asker: Asker) -> Iterator[Draft]:
    """Yield statements to be judged, false and true in turn."""
    true, false = _claims(asker)
    for wrong in false:
        yield Draft(question=wrong.text, answer="False", evidence=(wrong.sentence.text,))
        right = next((claim for claim in true if claim.sentence.index != wrong.sentence.index), None)
        if right is not None:
            true.remove(right)
            yield Draft(question=right.text, answer="True", evidence=(right.sentence.text,))
    for claim, other in order_statements(asker.passage, asker.chance):
        yield Draft(question=claim.text, answer=str(claim.true), evidence=(claim.sentence.text, other.text))


def _one_odd(
    asker: Asker, question: str, odd: Statement, rest: list[Statement], second: tuple[str, ...] = ()
) -> Draft | None:
    """Return a choice of one odd statement among three others about other sentences."""
    chosen: list[Statement] = []
    for claim in rest:
        if claim.sentence.index not in {odd.sentence.index, *(other.sentence.index for other in chosen)}:
            chosen.append(claim)
    if len(chosen) < 3:
        return None
    evidence = (odd.sentence.text, *second, *(claim.sentence.text for claim in chosen[:3]))
    return Draft(
        question=question, answer=odd.text, options=(odd.text, *(claim.text for claim in chosen[:3])), evidence=evidence
    )


def _spread(asker: Asker, question: str, odd: list[Statement], rest: list[Statement]) -> Iterator[Draft]:
    """Yield choices that share no statement with each other."""
    for claim in odd:
        draft = _one_odd(asker, question, claim, rest)
        if draft:
            yield draft
            rest = [other for other in rest if other.text not in draft.options]


def not_stated(asker: Asker) -> Iterator[Draft]:
    """Yield EXCEPT questions: three statements of the passage and one that it contradicts."""
    true, false = _claims(asker)
    yield from _spread(asker, "Each of the following is stated in the passage EXCEPT:", false, true)


def impossible(asker: Asker) -> Iterator[Draft]:
    """Yield questions for the one statement that the passage rules out, best by two dates together."""
    question = "If everything in the passage is correct, which of these statements cannot be true?"
    true, false = _claims(asker)
    for claim, other in order_statements(asker.passage, asker.chance):
        draft = None if claim.true else _one_odd(asker, question, claim, true, (other.text,))
        if draft:
            yield draft
            true = [other for other in true if other.text not in draft.options]
            break
    yield from _spread(asker, question, false, true)


def certain(asker: Asker) -> Iterator[Draft]:
    """Yield a question for the one statement that follows from the passage by two dates together."""
    question = "If everything in the passage is correct, which of these statements must be true?"
    _, false = _claims(asker)
    for claim, other in order_statements(asker.passage, asker.chance):
        draft = _one_odd(asker, question, claim, false, (other.text,)) if claim.true else None
        if draft:
            yield draft
            return


def supported(asker: Asker) -> Iterator[Draft]:
    """Yield questions for the one statement that the passage supports among three that it contradicts."""
    true, false = _claims(asker)
    yield from _spread(asker, "Which of these statements does the passage support?", true, false)
