"""The responder: answers a question about a passage from the passage alone, and says so when it does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.choosing import (
    Response,
    choose,
    place_of,
    quoted,
    same_words,
    verdict_on,
)
from agentinstruct.teacher.offline.reading.drafts import Draft
from agentinstruct.teacher.offline.reading.finding import (
    Found,
    best_sentence,
    find_answer,
    find_filler,
)
from agentinstruct.teacher.offline.reading.pairing import referent
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.summaries import summary_of
from agentinstruct.teacher.offline.reading.timing import before_border, first_to_last, years_between, years_named

_HOW_TO = re.compile(r"\n+(?:Answer|Reply|Give|Write|Choose|Decide|State)\b[^\n]*$")
_TRUE_OR_FALSE = re.compile(r"^(?:True or false|Decide whether [^:\n]*)[:?]\s*", re.I)


def respond(material: Material) -> dict[str, Any] | None:
    """Reply `GroundedAnswer` to a question about a passage."""
    if "passage" not in material.sections or "question" not in material.sections:
        return None
    passage = read_passage(material.text("passage"), material.sections["passage"].attributes.get("title", ""))
    response = answer(passage, material.text("question"), option_texts(material.text("options")))
    return {
        "answerable": response.answerable,
        "response": response.words,
        "final_answer": response.final,
        "evidence": passage.exact(response.evidence),
    }


def option_texts(section: str) -> tuple[str, ...]:
    """Return the texts of lettered options, one to a line."""
    return tuple(text.strip() for text in re.findall(r"^[A-Z][.)] (.+)$", section, re.M))


def answer(passage: Passage, question: str, options: tuple[str, ...] = ()) -> Response:
    """Answer `question` from `passage`; with `options`, in the order shown, the answer is a letter or letters."""
    question = _TRUE_OR_FALSE.sub("", _HOW_TO.sub("", question.strip())).strip()
    found = choose(passage, question, options) if options else _open(passage, question)
    return found or _declined(passage, question)


def answer_draft(passage: Passage, draft: Draft, form: str) -> bool:
    """Whether a fresh reading of the passage gives the answer that the draft's writer has in mind."""
    shown = tuple(reversed(draft.options)) if form == "sequence" else draft.options
    response = answer(passage, draft.question, shown)
    if form == "sequence":
        return [shown[place_of(letter)] for letter in response.final.split(", ") if letter] == list(draft.options)
    if draft.options:
        return bool(response.final) and shown[place_of(response.final)] == draft.answer
    return response.answerable and same_words(response.final, draft.answer)


def _open(passage: Passage, question: str) -> Response | None:
    for shape, reply in _SHAPES:
        if match := re.search(shape, question):
            return reply(passage, question, match)
    worked = _worked_out(passage, question)
    if worked:
        return worked
    if not question.endswith("?"):
        return _true_or_false(passage, question)
    found = find_answer(passage.sentences, question)
    return Response(_plainly(found), found.answer, found.evidence) if found else None


def _gap(passage: Passage, question: str, match: re.Match[str]) -> Response | None:
    gap = find_filler(passage.sentences, question)
    if gap is None:
        return None
    missing = "words are" if " " in gap.answer else "word is"
    words = f"The missing {missing} “{gap.answer}”. The passage reads: {quoted(*gap.evidence)}"
    return Response(words, gap.answer, gap.evidence)


def _summary(passage: Passage, question: str, match: re.Match[str]) -> Response | None:
    summary = summary_of(passage, {"two": 2, "three": 3, "four": 4}[match[1]])
    return Response(summary, "") if summary else None


def _reference(passage: Passage, question: str, match: re.Match[str]) -> Response | None:
    who = referent(passage.sentences, match[2])
    if who is None:
        return None
    before = f"The sentence before it is about {who.answer}: {quoted(who.evidence[0])}"
    return Response(f"{before} So “{match[1]}” means {who.answer}.", who.answer, who.evidence)


def _plainly(found: Found) -> str:
    return f"The passage says: {quoted(*found.evidence)} So the answer is {_inside(found.answer)}."


def _inside(answer: str) -> str:
    return re.sub(r"^(?:The|A|An) ", lambda match: match.group().lower(), answer).rstrip(".")


def _answerable(passage: Passage, question: str, match: re.Match[str]) -> Response:
    question = match[1]
    found = find_answer(passage.sentences, question)
    if found:
        words = (
            f"True. The passage says: {quoted(*found.evidence)} So the answer to the question in the statement is "
            f"{_inside(found.answer)}."
        )
        return Response(words, "True", found.evidence)
    near = best_sentence(passage.sentences, question, enough=0.3)
    close = f" The nearest it comes is this: {quoted(near.text)}" if near else ""
    return Response(
        f"False. The passage does not say what that question asks for.{close}", "False", (near.text,) if near else ()
    )


def _true_or_false(passage: Passage, statement: str) -> Response | None:
    verdict = verdict_on(passage, statement)
    if verdict is None:
        return None
    if verdict[0]:
        return Response(f"True. The passage says so: {quoted(*verdict[1])}", "True", verdict[1])
    return Response(f"False. The passage says otherwise: {quoted(*verdict[1])}", "False", verdict[1])


def _worked_out(passage: Passage, question: str) -> Response | None:
    if between := years_between(passage.sentences, question):
        first, second, found = between
        given = f"The passage gives {first} for the first event and {second} for the second."
        return Response(
            f"{given} {second} − {first} = {found.answer}, so the answer is "
            f"{found.answer}{' year' if found.answer == '1' else ' years'}.",
            found.answer,
            found.evidence,
        )
    if stretch := first_to_last(passage.sentences, question):
        dated, found = stretch
        told = "; ".join(f"{event} ({year})" for event, year in dated)
        first, last = min(year for _, year in dated), max(year for _, year in dated)
        words = f"The passage dates the events as follows: {told}. {last} − {first} = {found.answer}"
        return Response(f"{words}, so the answer is {found.answer} years.", found.answer, found.evidence)
    if counted := before_border(passage.sentences, question):
        dated, border, found = counted
        told = "; ".join(f"{event.rstrip('.')} ({year})" for event, year in dated)
        words = f"The passage dates the events as follows: {told}. Before {border} come {found.answer} of them."
        return Response(words, found.answer, found.evidence)
    if named := years_named(passage.sentences, question):
        years, border, found = named
        listed = " and ".join(", ".join(map(str, years)).rsplit(", ", 1))
        return Response(
            f"The years before {border} that the passage names are {listed}. That makes {found.answer}.",
            found.answer,
            found.evidence,
        )
    return None


def _two_steps(passage: Passage, question: str, match: re.Match[str]) -> Response | None:
    """Find out who `the person who …` is, then answer the question about that person."""
    start = question.index("the person who ") + len("the person who ")
    words = question[start:].rstrip("?").split(" ")
    for length in range(len(words) - 1, 1, -1):
        who = find_answer(passage.sentences, f"Who {' '.join(words[:length])}?")
        if who is None or len(words_of(who.answer)) > 6:
            continue
        rest = f"{question[: start - len('the person who ')]}{who.answer} {' '.join(words[length:])}?"
        found = find_answer(passage.sentences, rest)
        if found and found.evidence != who.evidence:
            words_said = (
                f"That person is {who.answer}, as the passage says: {quoted(*who.evidence)} It also "
                f"says: {quoted(*found.evidence)}"
            )
            return Response(
                f"{words_said} So the answer is {found.answer}.", found.answer, (*who.evidence, *found.evidence)
            )
    return None


def _declined(passage: Passage, question: str) -> Response:
    opening = next((words for shape, words in _SILENCE if re.search(shape, question, re.I)), _SILENT)
    question = re.sub(r", according to the passage(?=\?)", "", question)
    if named := re.match(r"(Who|What) (is|was) ([^?\n]+)\?$", question):
        opening = f"The passage does not say {named[1].lower()} {named[3]} {named[2]}."
    elif re.match(r"(?:Who|What) (?!are |were |did |does |do )[^?\n]+\?$", question):
        opening = f"The passage does not say {question[0].lower()}{question[1:-1]}."
    elif "____" not in question and not question.endswith("?") and len(question.splitlines()) == 1:
        opening = "The passage does not say whether this is so."
    near = best_sentence(passage.sentences, question, enough=0.34)
    if near is None:
        return Response(f"{opening} Nothing in it settles the question.", "", (), answerable=False)
    told = f"What it does say on the subject is this: {quoted(near.text)}"
    return Response(f"{opening} {told} That does not settle the question.", "", (), answerable=False)


_SILENT = "The passage does not tell enough to answer this."
_SILENCE = (
    (r"\bhow many years after\b", "The passage does not date both events, so the time between them is not known."),
    (r"^In which year\b", "The passage does not give the year."),
    (r"^On which day\b", "The passage does not give the day."),
    (r"^Where\b", "The passage does not say where."),
    (r"^By whom\b", "The passage does not say by whom."),
    (r"^How many\b", "The passage does not give the number."),
    (r"\bwhy (?:was|were|did|do|does|is|are|had|has)\b", "The passage does not give the reason."),
)


_SHAPES: tuple[tuple[str, Callable[[Passage, str, re.Match[str]], Response | None]], ...] = (
    (r"____", _gap),
    (r"^The passage gives enough information to answer this question: [“\"'](.+)[”\"']", _answerable),
    (r"^Summarise the passage in exactly (two|three|four) sentences", _summary),
    (r"^To whom does “(\w+)” refer in the sentence “(.+?)[….]*”\?", _reference),
    (r"\bthe person who \w+ .+\?$", _two_steps),
)
