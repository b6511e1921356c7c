"""The responder: answers a question about a passage from the passage alone, and says so when it does not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.reading.drafts import Draft
from agentinstruct.teacher.offline.reading.finding import (
    Found,
    best_sentence,
    content_words,
    find_answer,
    find_filler,
    judge,
    share_found,
)
from agentinstruct.teacher.offline.reading.pairing import arrange, pair_up, referent
from agentinstruct.teacher.offline.reading.passages import Passage, read_passage
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.summaries import summary_of
from agentinstruct.teacher.offline.reading.timing import before_border, which_came_first, years_between, years_named

_HOW_TO = re.compile(r"\n+(?:Answer|Reply|Give|Write|Choose|Decide|State)\b[^\n]*$")
_TRUE_OR_FALSE = re.compile(r"^(?:True or false|Decide whether [^:\n]*)[:?]\s*", re.I)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as the person who asked reads it, the answer alone, and the words it rests on."""

    words: str
    final: str
    evidence: tuple[str, ...] = ()
    answerable: bool = True


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
    """Answer `question` from `passage`; with `options` (in the order shown) the answer is a letter or an order of letters."""
    question = _TRUE_OR_FALSE.sub("", _HOW_TO.sub("", question.strip())).strip()
    found = _with_options(passage, question, options) if options else _open(passage, question)
    return found or _declined(passage, question)


def answer_draft(passage: Passage, draft: Draft, form: str) -> bool:
    """Whether a fresh reading of the passage gives the answer that the draft's writer has in mind."""
    shown = tuple(reversed(draft.options)) if form == "sequence" else draft.options
    response = answer(passage, draft.question, shown)
    if form == "sequence":
        return [shown[_place(letter)] for letter in response.final.split(", ") if letter] == list(draft.options)
    if draft.options:
        return bool(response.final) and shown[_place(response.final)] == draft.answer
    return response.answerable and _same(response.final, draft.answer)


def _same(one: str, other: str) -> bool:
    return [w.lower() for w in words_of(one)] == [w.lower() for w in words_of(other)]


def _place(letter: str) -> int:
    return ord(letter) - ord("A")


def _letter(place: int) -> str:
    return chr(ord("A") + place)


def _quote(*sentences: str) -> str:
    return " and ".join(f"“{sentence}”" for sentence in dict.fromkeys(sentences))


def _with_options(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    if re.match(r"Match\b", question):
        return _matched(passage, question, options)
    if re.search(r"\border in which\b|\bearliest\b|\binto (?:the right )?order\b", question):
        return _ordered(passage, options)
    if re.search(r"\bEXCEPT\b|\bcannot be true\b", question):
        return _odd_one(passage, options, wanted=False)
    if re.search(r"\bmust be true\b|\bwhich of (?:these|the following) statements\b", question, re.I):
        return _odd_one(passage, options, wanted=True)
    if re.search(r"\bwhy\b", question):
        return _reason(passage, question, options)
    found = find_answer(passage.sentences, question)
    fitting = [place for place, option in enumerate(options) if found and _same(option, found.answer)]
    if found is None or len(fitting) != 1:
        return None
    letter = _letter(fitting[0])
    words = f"The passage says: {_quote(*found.evidence)} So the right option is {letter}: {options[fitting[0]]}."
    return Response(words.replace("..", "."), letter, found.evidence)


def _ordered(passage: Passage, options: tuple[str, ...]) -> Response | None:
    dated = arrange(passage.sentences, options)
    if dated is None:
        return None
    letters = ", ".join(_letter(place) for place, _, _ in dated)
    told = "; ".join(f"{_letter(place)} in {year}" for place, year, _ in dated)
    words = f"The passage dates each of these events: {told}. From the earliest to the latest the order is {letters}."
    return Response(words, letters, tuple(sentence for _, _, sentence in dated))


def _matched(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    pairs = pair_up(passage.sentences, question, options)
    if pairs is None:
        return None
    letters = ", ".join(_letter(place) for _, place, _ in pairs)
    told = "; ".join(f"{number}. {left} goes with {_letter(place)}" for number, (left, place, _) in enumerate(pairs, 1))
    words = f"Going through the passage, each item is told of in one place: {told}. The order is therefore {letters}."
    return Response(words, letters, tuple(sentence for _, _, sentence in pairs))


def _verdict(passage: Passage, statement: str) -> tuple[bool, tuple[str, ...]] | None:
    dated = which_came_first(passage.sentences, statement)
    if dated is not None:
        return dated
    judged = judge(passage.sentences, statement)
    return (judged[0], (judged[1],)) if judged else None


def _odd_one(passage: Passage, options: tuple[str, ...], wanted: bool) -> Response | None:
    """Pick the only option that is true (or, if not wanted true, the only one that the passage contradicts)."""
    verdicts = [_verdict(passage, option) for option in options]
    fitting = [place for place, verdict in enumerate(verdicts) if verdict and verdict[0] is wanted]
    others = [verdict for verdict in verdicts if verdict and verdict[0] is not wanted]
    if len(fitting) != 1 or len(others) < len(options) - 1:
        return None
    place, verdict = fitting[0], verdicts[fitting[0]]
    assert verdict is not None
    letter, quoted = _letter(place), _quote(*verdict[1])
    if wanted:
        words = f"The answer is {letter}. The passage says {quoted} Each of the other options differs from the passage in a decisive detail."
    else:
        words = f"The answer is {letter}: it conflicts with what the passage says, {quoted} The other options agree with the passage."
    return Response(words, letter, verdict[1])


def _reason(passage: Passage, question: str, options: tuple[str, ...]) -> Response | None:
    asked = question.removeprefix("According to the passage, ")
    found = find_answer(passage.sentences, asked[:1].upper() + asked[1:])
    if found is None:
        return None
    wanted = content_words(found.answer)
    fitting = [place for place, option in enumerate(options) if share_found(wanted, option) > 0.9]
    if len(fitting) != 1:
        return None
    letter = _letter(fitting[0])
    return Response(
        f"The passage gives the reason itself: {_quote(*found.evidence)} That is option {letter}.",
        letter,
        found.evidence,
    )


def _open(passage: Passage, question: str) -> Response | None:
    if "____" in question:
        gap = find_filler(passage.sentences, question)
        if gap is None:
            return None
        words = f"The missing word is “{gap.answer}”. The passage reads: {_quote(*gap.evidence)}"
        return Response(words, gap.answer, gap.evidence)
    inner = re.match(r"The passage gives enough information to answer this question: [“\"'](.+)[”\"']", question)
    if inner:
        return _answerable(passage, inner[1])
    if match := re.match(r"Summarise the passage in exactly (two|three|four) sentences", question):
        summary = summary_of(passage, {"two": 2, "three": 3, "four": 4}[match[1]])
        return Response(summary, "") if summary else None
    if match := re.match(r"To whom does “(\w+)” refer in the sentence “(.+?)[….]*”\?", question):
        who = referent(passage.sentences, match[2])
        words = (
            f"The sentence before it is about {who.answer}: {_quote(who.evidence[0])} So “{match[1]}” means {who.answer}."
            if who
            else ""
        )
        return Response(words, who.answer, who.evidence) if who else None
    worked = _worked_out(passage, question)
    if worked:
        return worked
    if not question.endswith("?"):
        return _true_or_false(passage, question)
    if match := re.search(
        r"the person who (.+?)(?= (?:born|win|finish|publish|become|die|killed|\w+)\b.*\?)", question
    ):
        return _two_steps(passage, question)
    found = find_answer(passage.sentences, question)
    return Response(_plainly(found), found.answer, found.evidence) if found else None


def _plainly(found: Found) -> str:
    shown = re.sub(r"^(?:The|A|An) ", lambda match: match.group().lower(), found.answer)
    return f"The passage says: {_quote(*found.evidence)} So the answer is {shown.rstrip('.')}."


def _answerable(passage: Passage, question: str) -> Response:
    found = find_answer(passage.sentences, question)
    if found:
        words = f"True. The passage answers it: {_quote(*found.evidence)} The answer to the inner question is: {found.answer}."
        return Response(words, "True", found.evidence)
    near = best_sentence(passage.sentences, question, enough=0.3)
    close = f" The nearest it comes is this: {_quote(near.text)}" if near else ""
    return Response(
        f"False. Nothing in the passage tells what the question asks.{close}", "False", (near.text,) if near else ()
    )


def _true_or_false(passage: Passage, statement: str) -> Response | None:
    verdict = _verdict(passage, statement)
    if verdict is None:
        return None
    if verdict[0]:
        return Response(f"True. The passage says so: {_quote(*verdict[1])}", "True", verdict[1])
    return Response(f"False. The passage says otherwise: {_quote(*verdict[1])}", "False", verdict[1])


def _worked_out(passage: Passage, question: str) -> Response | None:
    if between := years_between(passage.sentences, question):
        first, second, found = between
        quoted = f"The passage gives {first} for the first event and {second} for the second."
        return Response(
            f"{quoted} {second} − {first} = {found.answer}, so the answer is {found.answer}{' year' if found.answer == '1' else ' years'}.",
            found.answer,
            found.evidence,
        )
    if counted := before_border(passage.sentences, question):
        dated, border, found = counted
        told = "; ".join(f"{event.rstrip('.')} ({year})" for event, year in dated)
        words = f"The passage dates the events as follows: {told}. Before {border} come {found.answer} of them."
        return Response(words, found.answer, found.evidence)
    if named := years_named(passage.sentences, question):
        years, border, found = named
        listed = ", ".join(map(str, years))
        return Response(
            f"The years before {border} that the passage names are {listed}. That makes {found.answer}.",
            found.answer,
            found.evidence,
        )
    return None


def _two_steps(passage: Passage, question: str) -> Response | None:
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
            words_said = f"That person is {who.answer}, as the passage says: {_quote(*who.evidence)} It also says: {_quote(*found.evidence)}"
            return Response(
                f"{words_said} So the answer is {found.answer}.", found.answer, (*who.evidence, *found.evidence)
            )
    return None


def _declined(passage: Passage, question: str) -> Response:
    opening = "The passage does not tell enough to answer this."
    if re.match(r"(?:Who|What|By whom) (?!is |was |were |are |did )[^?\n]+\?$", question) and not question.startswith(
        "By"
    ):
        opening = f"The passage does not say {question[0].lower()}{question[1:-1]}."
    near = best_sentence(passage.sentences, question, enough=0.4)
    tells = ""
    if near:
        tells = f" What it does say on the subject is this: {_quote(near.text)} That does not settle the question."
    elif passage.kinds:
        names = sorted(passage.kinds, key=lambda name: (-passage.text.count(name), name))[:3]
        tells = f" It tells of {' and '.join(', '.join(names).rsplit(', ', 1))}, but nothing that it says of them settles the question."
    return Response(f"{opening}{tells}", "", (), answerable=False)
