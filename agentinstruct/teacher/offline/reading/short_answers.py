"""Questions answered in a few words or a word in a gap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from agentinstruct.teacher.offline.reading.asking import plain_questions
from agentinstruct.teacher.offline.reading.drafts import Asker, Draft
from agentinstruct.teacher.offline.reading.lexicon import AUXILIARIES, BASES, STOP_WORDS, lemma, words_in
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.spans import MONTHS

_MONTH = re.compile("|".join(MONTHS))
_RANK = {"definition": 0, "number": 1, "place": 1, "thing": 2, "person": 1, "year": 3, "day": 3}


def plain(asker: Asker) -> Iterator[Draft]:
    """Yield who, what, where, how many and in which year."""
    questions = list(plain_questions(asker.passage))
    asker.chance.shuffle(questions)
    used: set[int] = set()
    for asked in sorted(questions, key=lambda asked: _RANK[asked.sort]):
        if asked.sentence.index not in used and len(words_of(asked.answer)) <= 9:
            used.add(asked.sentence.index)
            yield Draft(question=asked.question, answer=asked.answer, evidence=(asked.sentence.text,))


def two_steps(asker: Asker) -> Iterator[Draft]:
    """Yield questions that name a person only by another deed the passage tells of."""
    questions = plain_questions(asker.passage)
    told = [
        (asked.answer, asked.clause.predicate, asked.sentence)
        for asked in questions
        if asked.sort == "person"
        and asked.clause
        and asked.question.startswith("Who")
        and len(words_of(asked.clause.predicate)) <= 11
    ]
    for name, deed, deed_sentence in told:
        for asked in questions:
            clause = asked.clause
            if clause is None or clause.subject != name or asked.sentence.index == deed_sentence.index:
                continue
            if asked.sort in ("year", "place", "number", "day") and name in asked.question:
                question = asked.question.replace(name, f"the person who {deed}", 1)
                evidence = (deed_sentence.text, asked.sentence.text)
                yield Draft(question=question, answer=asked.answer, evidence=evidence)
                break


def references(asker: Asker) -> Iterator[Draft]:
    """Yield questions about whom an opening `He` or `She` means, where the sentence before names one person only."""
    sentences = asker.passage.sentences
    for before, sentence in pairwise(sentences):
        pronoun = re.match(r"(He|She|His|Her) ", sentence.text)
        if pronoun is None or before.paragraph != sentence.paragraph or not before.stands_alone or not sentence.plain:
            continue
        clause = asker.passage.clause(before)
        people = [name for name in asker.passage.names(before) if name.kind == "person"]
        if clause is None or len({name.text for name in people}) != 1 or clause.subject != people[0].text:
            continue
        if re.search(
            r"\b(?:his|her) (?:mother|father|wife|husband|brother|sister|son|daughter)|\b(?:man|woman|boy|girl)\b",
            before.text,
        ):
            continue
        opening = " ".join(sentence.text.rstrip(".").split(" ")[:12]).rstrip(",;")
        dots = "…" if len(sentence.text.split(" ")) > 12 else "."
        yield Draft(
            question=f"To whom does “{pronoun[1]}” refer in the sentence “{opening}{dots}”?",
            answer=people[0].text,
            evidence=(before.text, sentence.text),
        )


_PLAIN_FILLERS = frozenset(
    words_in(
        """
    already available another different perhaps whether several instead although original including because therefore
        however moreover otherwise thousands hundreds millions
    """
    )
)


_SET_APART = re.compile(r"[\(“'‘]|\b(?:user|users|group|named|called) ")
"""Where a word may stand in brackets or quotation marks, or be somebody's name for something."""


def _is_set_apart(word: str, sentence: str) -> bool:
    pattern = rf"[\(“'‘][^)”'’]*\b{word}\b|\b(?:user|users|group|named|called) {word}\b"
    return re.search(pattern, sentence) is not None


def gaps(asker: Asker) -> Iterator[Draft]:
    """Yield sentences of the passage with one telling word missing, the rarest and longest first."""
    counts: dict[str, int] = {}
    for sentence in asker.passage.sentences:
        for word in words_of(sentence.text):
            counts[word.lower()] = counts.get(word.lower(), 0) + 1
    chosen = []
    for sentence in asker.passage.asked():
        words = words_of(sentence.text)
        apart = _SET_APART.search(sentence.text) is not None
        usable = [
            word
            for place, word in enumerate(words)
            if len(word) >= 7
            and word.isalpha()
            and word.islower()
            and place > 0
            and words.count(word) == 1
            and counts[word] == 1
            and word not in STOP_WORDS | AUXILIARIES | _PLAIN_FILLERS
            and not word.endswith(("ly", "ed", "ing", "selves"))
            and lemma(word) not in BASES
            and not words[place - 1][0].isdigit()
            and not (apart and _is_set_apart(word, sentence.text))
        ]
        if usable and 9 <= len(words) <= 26:
            word = max(usable, key=lambda word: (min(len(word), 12), word))
            chosen.append((len(word), sentence, word))
    asker.chance.shuffle(chosen)
    for _, sentence, word in sorted(chosen, key=lambda entry: -min(entry[0], 10)):
        yield Draft(question=re.sub(rf"\b{word}\b", "____", sentence.text), answer=word, evidence=(sentence.text,))


def answerability(asker: Asker) -> Iterator[Draft]:
    """Yield claims that the passage can, or cannot, answer an inner question."""
    frame = "The passage gives enough information to answer this question: “{}”"
    answered = [draft for draft in plain(asker) if len(draft.question) < 130]
    asker.chance.shuffle(answered)
    unanswered = list(_beyond(asker))
    asker.chance.shuffle(unanswered)
    for place in range(max(len(answered), len(unanswered))):
        if place < len(unanswered):
            question, sentence = unanswered[place]
            yield Draft(question=frame.format(question), answer="False", evidence=(sentence,))
        if place < len(answered):
            yield Draft(
                question=frame.format(answered[place].question.replace(", according to the passage", "")),
                answer="True",
                evidence=answered[place].evidence,
            )


def _beyond(asker: Asker) -> Iterator[tuple[str, str]]:
    """Yield questions that stay close to the passage although it holds nothing of the kind asked for."""
    text = asker.passage.text
    for asked in plain_questions(asker.passage):
        clause = asked.clause
        if clause is None:
            continue
        name = clause.subject if asker.passage.kinds.get(clause.subject) == "person" else ""
        if (
            name
            and asked.sort in ("person", "definition")
            and not re.search(r"\b(?:school|college|universit|stud|taught|teacher|pupil|educat)", text, re.I)
        ):
            yield f"At which school was {name} educated?", asked.sentence.text
        dated = (
            asked.sort == "year"
            and not _MONTH.search(asked.sentence.text)
            and not re.search(rf"(?:{_MONTH.pattern}) {asked.answer}", text)
        )
        if dated and asked.question.startswith("In which year "):
            yield asked.question.replace("In which year ", f"In which month of {asked.answer} ", 1), asked.sentence.text
        if name and asked.sort == "year" and not re.search(r"\b(?:born|aged?|years old|birth)", text, re.I):
            yield f"How old was {name} in {asked.answer}?", asked.sentence.text
        built = clause.auxiliary in ("was", "were") and clause.rest.split(" ")[0] in (
            "built",
            "finished",
            "completed",
            "launched",
            "constructed",
        )
        if built and not re.search(
            r"\b(?:cost|price|money|pounds?|dollars?|francs?|guilders?|paid|expens)|[£$€]", text, re.I
        ):
            verb = "was" if clause.auxiliary == "was" else "were"
            yield f"How much money {verb} spent on {asker.passage.inside(clause.subject)}?", asked.sentence.text
