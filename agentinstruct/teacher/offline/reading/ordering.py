"""Questions whose answer is an order: events by their dates, and pairs to be matched."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentinstruct.teacher.offline.reading.asking import POINTING, VAGUE
from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.events import Event, events_of
from agentinstruct.teacher.offline.reading.lexicon import CLAUSE_WORDS
from agentinstruct.teacher.offline.reading.sentences import Sentence, words_of


def _dated(asker: Asker) -> list[Event]:
    """Return events of different years in the order in which they happened."""
    by_year: dict[int, Event] = {}
    for event in events_of(asker.passage):
        if len(words_of(event.statement)) <= 22:
            by_year.setdefault(event.year, event)
    return [by_year[year] for year in sorted(by_year)]


def events_in_order(asker: Asker) -> Iterator[Draft]:
    """Yield one question that asks for the order in time of three to five dated events."""
    events = _dated(asker)
    if len(events) > 5:
        kept = sorted(asker.chance.sample(range(len(events)), 5))
        events = [events[place] for place in kept]
    if len(events) >= 3:
        yield Draft(
            question="Put these events into the order in which they happened, from the earliest to the latest.",
            options=tuple(event.statement for event in events),
            evidence=tuple(event.sentence.text for event in events),
        )


def matches(asker: Asker) -> Iterator[Draft]:
    """Yield questions that ask for the partner of each of three to five numbered items."""
    people = _told(asker, people=True)
    if len(people) >= 3:
        yield _matching("Match each person with what the passage tells of that person.", people)
    things = _told(asker, people=False)
    if len(things) >= 3:
        yield _matching("Match each of the following with what the passage says of it.", things)
    events = _dated(asker)
    if len(events) >= 3:
        chosen = events[:5]
        asker.chance.shuffle(chosen)
        pairs = [(str(event.year), event.statement, event.sentence) for event in chosen]
        yield _matching("Match each year with what happened in it.", pairs)


def _matching(question: str, pairs: list[tuple[str, str, Sentence]]) -> Draft:
    lines = [f"{place}. {left}" for place, (left, _, _) in enumerate(pairs, 1)]
    return Draft(
        question="\n".join([question, *lines]),
        options=tuple(right for _, right, _ in pairs),
        evidence=tuple(sentence.text for _, _, sentence in pairs),
    )


def _told(asker: Asker, people: bool) -> list[tuple[str, str, Sentence]]:
    """Return subjects, what is said of each, and where; each subject once, none named in another's words."""
    pairs: list[tuple[str, str, Sentence]] = []
    for sentence in asker.passage.asked():
        clause = asker.passage.clause(sentence)
        if clause is None or clause.lead or clause.plural or not 4 <= len(words_of(clause.predicate)) <= 16:
            continue
        person = asker.passage.kinds.get(clause.subject) == "person"
        named = clause.subject.split(" ")[0] not in CLAUSE_WORDS and len(clause.subject.split(" ")) <= (
            4 if people else 5
        )
        if (
            person is not people
            or not named
            or POINTING.search(clause.rest)
            or not (people or clause.subject.startswith(("The ", "A ", "An ")))
        ):
            continue
        if clause.apposition or not (
            people or len(clause.subject.split(" ")) > 2 or re.search(r" [A-Z]", clause.subject)
        ):
            continue
        if (
            clause.auxiliary not in ("", "was", "is")
            or clause.rest.startswith("that ")
            or clause.subject.split(" ")[-1] in VAGUE
        ):
            continue
        pairs.append((clause.subject, clause.predicate, sentence))
    kept: list[tuple[str, str, Sentence]] = []
    for subject, predicate, sentence in pairs:
        words = {word for word in words_of(subject) if len(word) > 3}
        shared = any(
            words & set(words_of(f"{other} {said}")) or set(words_of(predicate)) & set(words_of(other)[1:])
            for other, said, _ in kept
        )
        if not shared and not words & set(words_of(predicate)):
            kept.append((subject, predicate[:1].upper() + predicate[1:] + ".", sentence))
    asker.chance.shuffle(kept)
    return kept[:4]
