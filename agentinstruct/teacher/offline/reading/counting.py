"""Questions whose answer is a number that has to be worked out from the passage."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.events import events_of
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.spans import years_of


def spans_of_years(asker: Asker) -> Iterator[Draft]:
    """Yield questions for the years between two dated events of different sentences."""
    events = events_of(asker.passage)
    pairs = [
        (a, b) for a in events for b in events if 1 <= b.year - a.year <= 600 and a.sentence.index != b.sentence.index
    ]
    asker.chance.shuffle(pairs)
    used: set[int] = set()
    for first, second in pairs:
        if {first.year, second.year} & used or len(words_of(first.inside)) + len(words_of(second.inside)) > 34:
            continue
        used |= {first.year, second.year}
        asked = second.clause.question(f"how many years after {first.inside}", second.subject, second.rest)
        yield Draft(
            question=f"Going by the years that the passage gives, {asked}",
            answer=str(second.year - first.year),
            evidence=(first.sentence.text, second.sentence.text),
        )


def earliest_to_latest(asker: Asker) -> Iterator[Draft]:
    """Yield a question for the years between the first and the last of three dated events, listed in chance order."""
    events = {event.year: event for event in events_of(asker.passage) if len(words_of(event.inside)) <= 14}
    if len(events) < 3 or any(";" in event.inside for event in events.values()):
        return
    chosen = asker.chance.sample(sorted(events), 3)
    listed = "; ".join(events[year].inside for year in chosen)
    yield Draft(
        question="Going by the years that the passage gives, how many years lie between the earliest and the latest of "
        f"these events: {listed}?",
        answer=str(max(chosen) - min(chosen)),
        evidence=tuple(events[year].sentence.text for year in chosen),
    )


def countings(asker: Asker) -> Iterator[Draft]:
    """Yield questions that count: events before a year, or years named before a year."""
    events = {event.year: event for event in events_of(asker.passage) if len(words_of(event.statement)) <= 18}
    if len(events) >= 3:
        chosen = list(events.values())[:5]
        years = sorted(events)
        border = (years[len(years) // 2 - 1] + years[len(years) // 2]) // 2 + 1
        if border not in events:
            listed = "\n".join(f"{place}. {event.statement}" for place, event in enumerate(chosen, 1))
            yield Draft(
                question=f"How many of these events took place before the year {border}?\n{listed}",
                answer=str(sum(event.year < border for event in chosen)),
                evidence=tuple(event.sentence.text for event in chosen),
            )
    holders = [sentence for sentence in asker.passage.sentences if years_of(sentence.text)]
    named = {int(year.value) for sentence in holders for year in years_of(sentence.text)}
    if len(named) >= 4 and named == {
        int(year) for year in re.findall(r"\d{4}", asker.passage.text) if 1000 <= int(year) < 2100
    }:
        ordered = sorted(named)
        parting = next((year for year in range(ordered[2] // 10 * 10 + 10, ordered[-1], 10) if year not in named), None)
        if parting is not None:
            yield Draft(
                question=f"How many different years before {parting} does the passage name?",
                answer=str(sum(year < parting for year in named)),
                evidence=tuple(
                    sentence.text
                    for sentence in holders
                    if any(year.value < parting for year in years_of(sentence.text))
                ),
            )
