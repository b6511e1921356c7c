"""Taking sentences out of a passage so that what is left still reads as one text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentinstruct.teacher.offline.reading.events import DATE_PHRASE
from agentinstruct.teacher.offline.reading.finding import content_words, share_found
from agentinstruct.teacher.offline.reading.passages import Passage
from agentinstruct.teacher.offline.reading.sentences import Sentence
from agentinstruct.teacher.offline.reading.spans import MONTHS

_DAY = re.compile(r"(?:^|\s)[Oo]n (?:\w+day )?\d{1,2} (?:" + "|".join(MONTHS) + r")\b,?")
_ALSO_TELLS = 0.5
"""A sentence with the answer and this share of the question's words may give the answer away as well."""


def removable(passage: Passage, question: str, key: str, evidence: Iterable[str]) -> list[Sentence]:
    """Return the sentences that must go for `question` to lose its answer; none if the rest would not read well."""
    proof = list(evidence)[-1]
    wanted = content_words(question)
    goners = [
        sentence
        for sentence in passage.sentences
        if sentence.text == proof or (_holds(sentence.text, key) and share_found(wanted, sentence.text) >= _ALSO_TELLS)
    ]
    for sentence in list(goners):
        following = sentence.index + 1
        while following < len(passage.sentences) and _hangs_on(passage.sentences[following], sentence):
            if passage.sentences[following] not in goners:
                goners.append(passage.sentences[following])
            following += 1
    goners.sort(key=lambda sentence: sentence.index)
    if not goners or len(goners) > 3 or len(goners) * 4 > len(passage.sentences) or goners[0].index == 0:
        return []
    return [] if _introduces(passage, goners) else goners


def blurred(question: str, sentence: str) -> str | None:
    """Return `sentence` without the very fact that `question` asks for, where it reads well without it."""
    if re.match(r"In which year|Going by the years", question):
        shorter = DATE_PHRASE.sub("", sentence, count=1)
    elif question.startswith("On which day"):
        shorter = _DAY.sub("", sentence, count=1)
    elif question.startswith("By whom"):
        shorter = re.sub(
            r" by (?:[A-Z][\w'’-]+)(?: (?:(?:de|van|von|der) )?[A-Z][\w'’-]+)*(?:, (?:a|an|the) [^,.]+(?=[,.]))?",
            "",
            sentence,
            count=1,
        )
    elif re.search(r"\bwhy\b", question, re.I):
        shorter = re.sub(r",? because [^;]+\.$", ".", sentence)
    else:
        return None
    shorter = re.sub(r"(?<=\w) ?, (before|after|when) ", r" \1 ", shorter, count=1) if shorter != sentence else sentence
    shorter = re.sub(r"\s+", " ", shorter).strip(" ,").replace(" ,", ",").replace(" .", ".").replace(",.", ".")
    whole = (
        shorter != " ".join(sentence.split())
        and len(shorter.split()) >= 6
        and ",," not in shorter
        and shorter.endswith(".")
    )
    return shorter[:1].upper() + shorter[1:] if whole else None


def still_hinted(passage: Passage, key: str) -> bool:
    """Whether a heading, or for a figure any sentence, still holds `key`, so that a reader could guess it."""
    text = passage.text
    if not re.search(r"\d", key):
        for sentence in reversed(passage.sentences):
            text = text[: sentence.start] + " " + text[sentence.end :]
    return _holds(text, key)


def without(passage: Passage, goners: Iterable[Sentence]) -> str:
    """Return the passage's text without these sentences and without the gaps they would leave."""
    text = passage.text
    for sentence in sorted(goners, key=lambda sentence: -sentence.start):
        before, after = text[: sentence.start].rstrip(" "), text[sentence.end :].lstrip(" ")
        if before.endswith("\n") and after.startswith("\n"):
            before, after = before.rstrip("\n"), "\n\n" + after.lstrip("\n")
        elif not before.endswith("\n") and before and after and not after.startswith("\n"):
            before += " "
        text = before + after
    return text.strip()


def _holds(sentence: str, key: str) -> bool:
    return (
        bool(key)
        and key not in ("True", "False")
        and re.search(rf"(?<!\w){re.escape(key)}(?!\w)", sentence, re.I) is not None
    )


def _hangs_on(sentence: Sentence, before: Sentence) -> bool:
    opening = " ".join(sentence.text.split()[:9])
    pointing = re.search(
        r"\b(?:it|its|they|them|their|he|him|his|she|her|this|that|these|those|there|then)\b", opening, re.I
    )
    return sentence.paragraph == before.paragraph and (sentence.leans or pointing is not None)


def _introduces(passage: Passage, goners: list[Sentence]) -> bool:
    """Whether what goes is the only place that gives a full name, or a thing, which the rest goes on to speak of."""
    gone = " ".join(sentence.text for sentence in goners)
    rest = [sentence.text for sentence in passage.sentences if sentence not in goners]
    kept = " ".join(rest)
    for name in (name.text for sentence in goners for name in passage.names(sentence)):
        if " " in name and name not in kept and re.search(rf"\b{re.escape(name.split(' ')[-1])}\b", kept):
            return True
    for noun in re.findall(r"\b(?:a|an) (?:[a-z-]+ )?([a-z]{4,})\b", gone):
        if re.search(rf"\b[Tt]he (?:[a-z-]+ )?{noun}\b", kept) and not re.search(
            rf"\b(?:a|an) (?:[a-z-]+ )?{noun}\b", kept
        ):
            return True
    return False
