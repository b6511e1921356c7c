"""Making an item harder: one more option, one more step, or less room."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from agentinstruct.teacher.offline.reading.choosing import verdict_on
from agentinstruct.teacher.offline.reading.counting import earliest_to_latest, spans_of_years
from agentinstruct.teacher.offline.reading.drafts import Asker
from agentinstruct.teacher.offline.reading.items import Item
from agentinstruct.teacher.offline.reading.lexicon import (
    AUXILIARIES,
    BASES,
    PARTICIPLE_TO_BASE,
    PAST_TO_BASE,
    STOP_WORDS,
    THIRD_TO_BASE,
)
from agentinstruct.teacher.offline.reading.responses import answer
from agentinstruct.teacher.offline.reading.sentences import words_of
from agentinstruct.teacher.offline.reading.short_answers import two_steps
from agentinstruct.teacher.offline.reading.statements import (
    NEEDS_CONTEXT,
    Statement,
    false_statement,
    order_statements,
    true_statements,
)


def harden(item: Item, chance: Random) -> str | None:
    """Suggest a further option, or a question in place of this one; None where neither would come out well."""
    if item.form == "multiple_choice" and 3 <= len(item.options) <= 5:
        option = _further_option(item, chance)
        return f"Add the option “{option}”, which only a careful reader tells from the right one." if option else None
    question = _harder_question(item, chance)
    return f"Ask instead: “{question}”" if question and rephrased(item, question) else None


def _harder_question(item: Item, chance: Random) -> str | None:
    asker = Asker(item.passage, chance, 1)
    match item.form:
        case "short_answer" if item.question.startswith("In which year "):
            proof = item.response.evidence[0]
            spans = [draft.question for draft in spans_of_years(asker) if draft.evidence[1] == proof]
            return spans[0] if spans else None
        case "short_answer":
            return next(
                (draft.question for draft in two_steps(asker) if _asks_the_same(item, draft.question, draft.answer)),
                None,
            )
        case "number" if item.question.startswith("Going by the years"):
            return next((draft.question for draft in earliest_to_latest(asker)), None)
        case "true_false":
            return _joined(item, chance)
        case "fill_blank":
            return _wider_gap(item)
    return None


def _wider_gap(item: Item) -> str | None:
    """Return the gapped sentence with the word beside the gap missing too, where the two make one phrase."""
    before, _, after = item.question.partition("____")
    following, preceding = re.match(r" ([a-z]{4,})(?= ([a-z]+))", after), re.search(r"(?<=[a-z] )([a-z]{4,}) $", before)
    if following and not _stands_apart(following[1]) and _stands_apart(following[2]):
        return f"{before}____{after[following.end() :]}"
    ends = not following or _stands_apart(following[1])
    if preceding and ends and not _stands_apart(preceding[1]):
        return f"{before[: preceding.start()]}____{after}"
    return None


def _stands_apart(word: str) -> bool:
    """Whether a word beside a noun or adjective is no part of its phrase."""
    known = STOP_WORDS | AUXILIARIES | BASES | set(PAST_TO_BASE) | set(PARTICIPLE_TO_BASE) | set(THIRD_TO_BASE)
    return word in known or word.endswith(("ly", "ing", "ed"))


def _asks_the_same(item: Item, question: str, key: str) -> bool:
    return key == item.key and item.question.startswith(re.sub(r"the person who .+", "", question).strip())


def _joined(item: Item, chance: Random) -> str | None:
    """Return the statement joined with a true one about another sentence: both are to be weighed."""
    if re.search(r"enough information|, and | before ", item.question) or len(words_of(item.question)) > 20:
        return None
    proofs = [sentence for sentence in item.passage.sentences if sentence.text in item.response.evidence]
    claims = [
        claim
        for claim in true_statements(item.passage)
        if len(words_of(claim.text)) <= 16
        and not re.search(r"[,“]| before | and ", claim.text)
        and all(claim.sentence.paragraph != proof.paragraph for proof in proofs)
    ]
    if not claims:
        return None
    claim = chance.choice(claims)
    first, second = (
        (item.question.strip(), claim.text) if chance.random() < 0.5 else (claim.text, item.question.strip())
    )
    return f"{first.rstrip('.')}, and {item.passage.inside(second)}"


def _further_option(item: Item, chance: Random) -> str | None:
    odd_is_false = re.search(r"EXCEPT|cannot be true", item.question) is not None
    if not odd_is_false and not re.search(r"must be true|Which of these statements", item.question):
        return None
    true = [claim for claim in true_statements(item.passage) if not NEEDS_CONTEXT.search(claim.text)]
    chance.shuffle(true)
    dated = [claim for claim, _ in order_statements(item.passage, chance) if claim.true is odd_is_false]
    if "stated" in item.question:
        dated = []
    false = [false_statement(item.passage, claim, chance) for claim in true]
    verdicts = [verdict_on(item.passage, option) for option in item.options]
    used = {sentence for verdict in verdicts if verdict for sentence in verdict[1]}
    claims: list[Statement | None] = [*dated, *(true if odd_is_false else false)]
    for claim in claims:
        if claim and "“" not in claim.text and claim.sentence.text not in used and widened(item, claim.text):
            return claim.text
    return None


def widened(item: Item, option: str) -> dict[str, Any] | None:
    """Return the item with one more option, if the right one stays the only right one."""
    options = (*item.options, option)
    after = answer(item.passage, item.question, options)
    one = after.answerable and len(after.final) == 1 and option not in item.options
    if not one or options[ord(after.final) - ord("A")] != item.key:
        return None
    return item.edit(options=options, answer=item.key)


def rephrased(item: Item, question: str) -> dict[str, Any] | None:
    """Return the item with another question, if the passage answers that one too."""
    after = answer(item.passage, question, item.options)
    reckoned = re.search(r"\bhow many years\b|____", question) is not None
    if not after.answerable or question == item.question or (after.final != item.response.final and not reckoned):
        return None
    return item.edit(question=question, answer=after.final)
