"""The answering reader's sense of time: in which year something happened, by the passage alone."""

from __future__ import annotations

import re

from agentinstruct.teacher.offline.reading.finding import Found, content_words, share_found
from agentinstruct.teacher.offline.reading.sentences import Sentence
from agentinstruct.teacher.offline.reading.spans import years_of


def year_of(sentences: tuple[Sentence, ...], event: str) -> tuple[int, str] | None:
    """Return the year of `event` and the sentence that tells it; None where none, or more than one, fits."""
    wanted = content_words(event)
    if len(wanted) < 2:
        return None
    scored = [(share_found(wanted, sentence.text), sentence) for sentence in sentences]
    best = max((share for share, _ in scored), default=0.0)
    if best < 0.9:
        return None
    told = [sentence for share, sentence in scored if share == best]
    years = {(int(year.value), sentence.text) for sentence in told for year in years_of(sentence.text)}
    return years.pop() if len({year for year, _ in years}) == 1 and len(years_of(told[0].text)) == 1 else None


def which_came_first(sentences: tuple[Sentence, ...], statement: str) -> tuple[bool, tuple[str, str]] | None:
    """Judge `A before B.` by the years of A and B."""
    first, word, second = statement.rstrip(".").partition(" before ")
    one, other = year_of(sentences, first), year_of(sentences, second)
    if not word or one is None or other is None or one[0] == other[0]:
        return None
    return one[0] < other[0], (one[1], other[1])


def years_between(sentences: tuple[Sentence, ...], question: str) -> tuple[int, int, Found] | None:
    """Answer `how many years after A did B happen?`: the two years and the answer."""
    match = re.search(r"how many years after (.+)\?", question, re.I | re.S)
    if match is None:
        return None
    for border in re.finditer(r" (?:did|was|were) ", match[1]):
        first, second = year_of(sentences, match[1][: border.start()]), year_of(sentences, match[1][border.end() :])
        if first and second and second[0] > first[0]:
            return first[0], second[0], Found(str(second[0] - first[0]), (first[1], second[1]))
    return None


def first_to_last(sentences: tuple[Sentence, ...], question: str) -> tuple[list[tuple[str, int]], Found] | None:
    """Answer how many years lie between the earliest and the latest of the events listed."""
    match = re.search(r"between the earliest and the latest of these events: (.+)\?", question)
    if match is None:
        return None
    told = [(event, year_of(sentences, event)) for event in match[1].split("; ")]
    dated = [(event, *year) for event, year in told if year]
    if len(dated) != len(told) or len(dated) < 2:
        return None
    years = [year for _, year, _ in dated]
    answer = Found(str(max(years) - min(years)), tuple(sentence for _, _, sentence in dated))
    return [(event, year) for event, year, _ in dated], answer


def before_border(sentences: tuple[Sentence, ...], question: str) -> tuple[list[tuple[str, int]], int, Found] | None:
    """Answer `How many of these events took place before the year Y?` over a numbered list."""
    match = re.match(r"How many of these events took place before the year (\d{4})\?", question)
    if match is None:
        return None
    border = int(match[1])
    told = [(event, year_of(sentences, event)) for event in re.findall(r"^\d+\. (.+)$", question, re.M)]
    dated = [(event, year[0]) for event, year in told if year]
    if len(dated) != len(told) or not told:
        return None
    count = sum(year < border for _, year in dated)
    return dated, border, Found(str(count), tuple(year[1] for _, year in told if year))


def years_named(sentences: tuple[Sentence, ...], question: str) -> tuple[list[int], int, Found] | None:
    """Answer `How many different years before Y does the passage name?` with every four-digit year there is."""
    match = re.match(r"How many different years before (\d{4}) does the passage name\?", question)
    if match is None:
        return None
    border = int(match[1])
    named: dict[int, str] = {}
    for sentence in sentences:
        for year in re.findall(r"(?<![\w,.])(?:1\d{3}|20\d{2})(?![\w,]|\.\d)", sentence.text):
            if int(year) < border:
                named.setdefault(int(year), sentence.text)
    if not named:
        return None
    return sorted(named), border, Found(str(len(named)), tuple(dict.fromkeys(named.values())))
