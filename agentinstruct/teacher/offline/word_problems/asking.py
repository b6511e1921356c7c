"""The ways to hide a marked number in a sentence of a story, and the question with which each asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable

from agentinstruct.teacher.offline.word_problems.clauses import Clause
from agentinstruct.teacher.offline.word_problems.facts import ANYBODY
from agentinstruct.teacher.offline.word_problems.phrases import NOUN, NUMBER
from agentinstruct.teacher.offline.word_problems.words import inflect, plural, singular

Asking = Callable[[re.Match[str], Clause | None], str]
"""Writes the question, from the match and the clause that lacks the number; empty where none would read well."""
_N = r"\[\[[^\[\]]{1,30}\]\]"
"""The marked number."""
COMMON_OPENINGS = {"The", "His", "Her", "Their", "He", "She", "It", "They", "Each", "Every", "A", "An", "There"}
"""Words that open a sentence with a capital and lose it inside one."""


def _subject(clause: Clause) -> str:
    subject = re.sub(r"^An? ", "the ", clause.subject)
    if subject.lower() in ANYBODY:
        return f"the {subject.lower()}"
    first = subject.split(" ", 1)[0]
    return subject[0].lower() + subject[1:] if first in COMMON_OPENINGS else subject


def _do(clause: Clause) -> str:
    if clause.past:
        return "did"
    many = clause.subject.lower() in {"they", "we"} or " and " in clause.subject
    return "do" if many else "does"


def _where(clause: Clause) -> str:
    """Return what follows the amount in the clause, without phrases that hold other numbers."""
    text = clause.text.rstrip(". ")
    unit = r"money" if clause.unit == "$" else re.escape(clause.unit)
    match = re.search(rf"\b{unit}(?: of them)?\b(?P<rest>.*)$", text)
    rest = match["rest"] if match else ""
    rest = re.sub(
        rf",? (?:with|of|for|at|into|in|on|among|each) (?:each of )?(?:\w+ )?\$?(?:{NUMBER}|the same).*$", "", rest
    )
    rest = re.sub(
        r" (?:altogether|then)\b|^, .*| for each .*| (?:each|every|per) \w+$| an? (?:day|week|hour|month|year)$",
        "",
        rest,
    )
    return rest.strip(" ,")


def _ask_amount(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None or clause.phrase("per"):
        return ""
    unit = "much money" if clause.unit == "$" else f"many {inflect(clause.unit, one=False)}"
    where = _where(clause)
    where = f" {where}" if where else ""
    if clause.verb.effect == "be":
        be = "were" if clause.past else "are"
        return f"How {unit} {be}{where} at the start?" if where else f"How {unit} {be} there at the start?"
    if not clause.subject:
        return f"How {unit} {clause.verb.past}?" if clause.verb.base in {"leave", "arrive"} else ""
    if clause.receiver and clause.receiver.lower() in {"him", "her", "them"}:
        where = f" {clause.receiver}{where}"
    if clause.verb.effect in {"share", "pack"}:
        where = ""
    if clause.verb.base == "buy" and where.startswith(" to "):
        unit, where = unit + where, ""
    if clause.verb.effect == "have":
        where = " at the start"
    return f"How {unit} {_do(clause)} {_subject(clause)} {clause.verb.base}{_particle(clause)}{where}?"


def _particle(clause: Clause) -> str:
    return " out" if re.search(r"\brented out\b", clause.text) else ""


def _ask_compared(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None or not clause.other or clause.unit == "$":
        return ""
    verb = clause.verb.base
    return f"How many {clause.size} {clause.unit} {_do(clause)} {_subject(clause)} {verb} than {clause.other}?"


def _ask_contents(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    be = "were" if clause.past else "are"
    thing = match["thing"] or inflect(clause.unit.partition(" of ")[0], one=True)
    return f"How many {match['unit']} {be} {match['where']} each {thing.strip()}?"


def _ask_price(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    thing = inflect(clause.unit.partition(" of ")[0] if match.groupdict().get("per") else clause.unit, one=True)
    return f"How much {_do(clause)} each {thing} cost?"


def _ask_sold_price(match: re.Match[str], clause: Clause | None) -> str:
    return f"How much does each {singular(match['thing'])} cost?"


def _ask_cost(match: re.Match[str], clause: Clause | None) -> str:
    return f"How much {'does' if match['verb'] == 'costs' else 'did'} each {match['thing']} cost?"


def _ask_each(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    unit = "much money" if clause.unit == "$" else f"many {clause.unit}"
    return f"How {unit} {_do(clause)} {_subject(clause)} {clause.verb.base}?"


def _ask_period(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    unit = "much money" if clause.unit == "$" else f"many {clause.unit}"
    return f"How {unit} {_do(clause)} {_subject(clause)} {clause.verb.base} each {match['period']}?"


def _ask_duration(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    doing = match["doing"].strip()
    return (
        f"For how many {plural(singular(match['period']))} {_do(clause)} {_subject(clause)} {clause.verb.base} {doing}?"
    )


def _ask_among(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None or clause.verb.effect != "share":
        return ""
    noun = re.sub(r"^(?:remaining|other) ", "", clause.unit)
    return f"Among how many {match['unit']} {_do(clause)} {_subject(clause)} {clause.verb.base} the {noun}?"


def _ask_set(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None:
        return ""
    return f"How many {clause.unit} {_do(clause)} each {singular(match['unit'])} hold?"


def _ask_count(match: re.Match[str], clause: Clause | None) -> str:
    return f"How many {plural(singular(match['unit']))} were there?"


def _ask_for_each(match: re.Match[str], clause: Clause | None) -> str:
    if clause is None or " of " in match[0].partition("for each")[2]:
        return ""
    return f"How many {match['unit']} {_do(clause)} {_subject(clause)} {clause.verb.base} for each {match['thing']}?"


def _ask_note(match: re.Match[str], clause: Clause | None) -> str:
    return "How much was the note worth?"


_PERIOD = r"(?P<period>day|week|month|year|hour|minute|evening|morning|lesson|game)"
WAYS: tuple[tuple[re.Pattern[str], str, Asking], ...] = tuple(
    (re.compile(shape), hidden, ask)
    for shape, hidden, ask in (
        (
            rf"with {_N} (?P<unit>{NOUN}) (?P<where>in|on|at) each(?P<thing> [a-z]+)?",
            r"with the same number of \g<unit> \g<where> each\g<thing>",
            _ask_contents,
        ),
        (rf"paid with a \${_N} note", "paid with one note", _ask_note),
        (rf"sells (?P<thing>{NOUN}) for \${_N} each", r"sells all \g<thing> at the same price", _ask_sold_price),
        (rf" for \${_N} (?:each|apiece)", ", each at the same price,", _ask_price),
        (
            rf"^(?P<lead>An?|Each|One) (?P<thing>[a-z][a-z ]*?) (?P<verb>costs|cost) \${_N}",
            r"Each \g<thing> \g<verb> the same",
            _ask_cost,
        ),
        (rf"^(?P<thing>Each [a-z]+ [a-z]+) {_N} ", r"\g<thing> the same number of ", _ask_each),
        (rf"at {_N} (?P<unit>{NOUN}) per {_PERIOD}", r"the same number of \g<unit> every \g<period>", _ask_period),
        (rf"\${_N} (?:an?|per|each|every) {_PERIOD}", r"the same amount of money each \g<period>", _ask_period),
        (
            rf"{_N} (?P<unit>{NOUN}) (?:an?|per|each|every) {_PERIOD}",
            r"the same number of \g<unit> each \g<period>",
            _ask_period,
        ),
        (
            rf"(?P<doing>(?:\$?\d+(?: {NOUN})? an? \w+|at \d+ \w+ per \w+)) for {_N} {_PERIOD}s",
            r"\g<doing> for several \g<period>s",
            _ask_duration,
        ),
        (
            rf"(?P<how>equally )(?P<word>among|between|into) (?P<whose>(?:his|her|their) )?{_N} (?P<unit>{NOUN})",
            r"\g<how>\g<word> several \g<unit>",
            _ask_among,
        ),
        (rf"(?P<into>into|in) (?P<unit>{NOUN}) of {_N}", r"\g<into> \g<unit> of equal size", _ask_set),
        (
            rf"(?P<each>each of (?:his |her |their |the )?){_N} (?P<unit>{NOUN})",
            r"\g<each>several \g<unit>",
            _ask_count,
        ),
        (rf"{_N} (?P<word>more|fewer|less) (?P<rest>{NOUN} than|than)", r"\g<word> \g<rest>", _ask_compared),
        (
            rf" for \${_N} an? (?P<per>metre|litre|kilogram|hour|day|night)",
            r" at a fixed price per \g<per>",
            _ask_price,
        ),
        (
            rf"{_N} (?P<unit>{NOUN}) for each (?:of .*? )?(?P<thing>[a-z]+)(?=[.,]|$)",
            r"the same number of \g<unit> for each \g<thing>",
            _ask_for_each,
        ),
        (rf"{_N} (?P<unit>{NOUN})(?= with)", r"several \g<unit>", _ask_amount),
        (rf"{_N} more (?P<unit>{NOUN})", r"some more \g<unit>", _ask_amount),
        (rf"\${_N}(?= (?:on|for|in|from|and|to)\b|[,.]|$)", "some money", _ask_amount),
        (rf"another {_N} ", "some more ", _ask_amount),
        (rf"(?<![$-]){_N} (?P<unit>(?!times|per|%|o.clock){NOUN})", r"some \g<unit>", _ask_amount),
    )
)
"""The shape in which a marked number stands, what stands there once it is hidden, and who asks; the first counts."""
