"""Ask Me Anything: tells a solved problem as facts, then hides one of its numbers and asks for that one."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.clauses import (
    NOUN,
    NUMBER,
    Clause,
    read_clause,
    split_sentences,
)
from agentinstruct.teacher.offline.word_problems.facts import ANYBODY
from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.teacher.offline.word_problems.solution import read_story, solve
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.teacher.offline.word_problems.words import inflect, plural, singular
from agentinstruct.verify.numbers import parse_number

_MARK = re.compile(r"\[\[(?P<number>[^\[\]]{1,30})\]\]")
_N = r"\[\[[^\[\]]{1,30}\]\]"


_COMMON_OPENINGS = {"The", "His", "Her", "Their", "He", "She", "It", "They", "Each", "Every", "A", "An", "There"}


def tell(problem: str) -> str:
    """Return the problem with its answer as one declarative text; raises `Unsolvable`."""
    solution = solve(problem)
    fact = solution.question.statement(solution.value)
    if not fact:
        raise Unsolvable("a question that is not told as a fact")
    story = Story()
    sentences = split_sentences(problem)[:-1]
    read_story(story, sentences)
    if not _is_result(fact, story):
        opening = fact.split(" ", 1)[0]
        fact = "In all, " + (fact[0].lower() + fact[1:] if opening in _COMMON_OPENINGS else fact)
        if not _is_result(fact, story):
            raise Unsolvable("the answer does not read as a result")
    return " ".join([*sentences, fact])


def _is_result(fact: str, story: Story) -> bool:
    clause = read_clause(fact)
    return clause is not None and story.is_final(clause)


Asking = Callable[[re.Match[str], Clause | None], str]


def hide(statement: str) -> tuple[str, Fraction]:
    """Return a problem that asks for the marked number, and that number; raises `Unsolvable`."""
    marks = list(_MARK.finditer(statement))
    value = parse_number(marks[0]["number"]) if len(marks) == 1 else None
    sentences = split_sentences(statement)
    place = next((index for index, sentence in enumerate(sentences) if "[[" in sentence), None)
    if value is None or place is None or place == len(sentences) - 1:
        raise Unsolvable("no number to hide")
    for pattern, replacement, ask in _RULES:
        match = re.search(pattern, sentences[place])
        if not match:
            continue
        hidden = match.expand(replacement).replace("  ", " ")
        sentence = sentences[place][: match.start()] + hidden + sentences[place][match.end() :]
        sentence = re.sub(r",(?=[.,])", "", sentence)
        story = Story()
        clauses, _ = read_story(story, [*sentences[:place], sentence])
        found = [clause for clause in clauses if _lacks_number(clause)]
        if len(found) > 1:
            raise Unsolvable("two numbers are missing")
        clause = found[0] if found else None
        question = ask(match, clause and _named(clause, story))
        if not question:
            raise Unsolvable("no question for this number")
        told = [*sentences[:place], sentence, *sentences[place + 1 :]]
        return _asking(told, _wordings(question, clause), value), value
    raise Unsolvable("no way to hide this number")


def _wordings(question: str, clause: Clause | None) -> list[str]:
    """Return the question at its shortest, then with what may be needed to make clear which number is meant."""
    wordings = [question.replace(" at the start?", "?").replace("How many there", "How many"), question]
    lead = clause.text[: clause.text.find(clause.subject)].strip(" ,") if clause and clause.subject else ""
    if lead:
        wordings.append(f"{question[:-1]} {lead[0].lower() + lead[1:]}?")
    return list(dict.fromkeys(wordings))


def _asking(told: list[str], wordings: list[str], value: Fraction) -> str:
    reason = "no question for this number"
    for question in wordings:
        problem = " ".join([*told, question])
        try:
            if solve(problem).value == value:
                return problem
            reason = "the number does not follow from the rest"
        except Unsolvable as refusal:
            reason = str(refusal)
    raise Unsolvable(reason)


def _lacks_number(clause: Clause) -> bool:
    counted = {"contents", "price", "total_price", "of_each", "speed", "during", "among", "sets"}
    lacking = any(phrase.value is None and phrase.kind in counted for phrase in clause.phrases)
    return lacking or (clause.value is None and clause.size in {"exactly", "more", "fewer", "times"})


def _named(clause: Clause, story: Story) -> Clause:
    """Return the clause with a name for a pronoun, where there is one."""
    if clause.subject.lower() not in {"he", "she", "it"}:
        return clause
    name = story.resolve(clause.subject)
    if name.lower() in {"he", "she", "it"}:
        return clause
    shown = name if name[0].isupper() else f"the {name}"
    return Clause(**{field: getattr(clause, field) for field in clause.__slots__} | {"subject": shown})


def _subject(clause: Clause) -> str:
    subject = re.sub(r"^An? ", "the ", clause.subject)
    if subject.lower() in ANYBODY:
        return f"the {subject.lower()}"
    first = subject.split(" ", 1)[0]
    return subject[0].lower() + subject[1:] if first in _COMMON_OPENINGS else subject


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
    start = " at the start" if clause.verb.effect == "have" else ""
    return f"How {unit} {_do(clause)} {_subject(clause)} {clause.verb.base}{_particle(clause)}{where if not start else ''}{start}?"  # noqa: E501


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
_RULES: tuple[tuple[str, str, Asking], ...] = (
    (rf"with {_N} (?P<unit>{NOUN}) (?P<where>in|on|at) each(?P<thing> [a-z]+)?", r"with the same number of \g<unit> \g<where> each\g<thing>", _ask_contents),  # noqa: E501
    (rf"paid with a \${_N} note", "paid with one note", _ask_note),
    (rf"sells (?P<thing>{NOUN}) for \${_N} each", r"sells all \g<thing> at the same price", _ask_sold_price),
    (rf" for \${_N} (?:each|apiece)", ", each at the same price,", _ask_price),
    (rf"^(?P<lead>An?|Each|One) (?P<thing>[a-z][a-z ]*?) (?P<verb>costs|cost) \${_N}", r"Each \g<thing> \g<verb> the same", _ask_cost),  # noqa: E501
    (rf"^(?P<thing>Each [a-z]+ [a-z]+) {_N} ", r"\g<thing> the same number of ", _ask_each),
    (rf"at {_N} (?P<unit>{NOUN}) per {_PERIOD}", r"the same number of \g<unit> every \g<period>", _ask_period),
    (rf"\${_N} (?:an?|per|each|every) {_PERIOD}", r"the same amount of money each \g<period>", _ask_period),
    (rf"{_N} (?P<unit>{NOUN}) (?:an?|per|each|every) {_PERIOD}", r"the same number of \g<unit> each \g<period>", _ask_period),  # noqa: E501
    (rf"(?P<doing>(?:\$?\d+(?: {NOUN})? an? \w+|at \d+ \w+ per \w+)) for {_N} {_PERIOD}s", r"\g<doing> for several \g<period>s", _ask_duration),  # noqa: E501
    (rf"(?P<how>equally )(?P<word>among|between|into) (?P<whose>(?:his|her|their) )?{_N} (?P<unit>{NOUN})", r"\g<how>\g<word> several \g<unit>", _ask_among),  # noqa: E501
    (rf"(?P<into>into|in) (?P<unit>{NOUN}) of {_N}", r"\g<into> \g<unit> of equal size", _ask_set),
    (rf"(?P<each>each of (?:his |her |their |the )?){_N} (?P<unit>{NOUN})", r"\g<each>several \g<unit>", _ask_count),
    (rf"{_N} (?P<word>more|fewer|less) (?P<rest>{NOUN} than|than)", r"\g<word> \g<rest>", _ask_compared),
    (rf" for \${_N} an? (?P<per>metre|litre|kilogram|hour|day|night)", r" at a fixed price per \g<per>", _ask_price),
    (rf"{_N} (?P<unit>{NOUN}) for each (?:of .*? )?(?P<thing>[a-z]+)(?=[.,]|$)", r"the same number of \g<unit> for each \g<thing>", _ask_for_each),  # noqa: E501
    (rf"{_N} (?P<unit>{NOUN})(?= with)", r"several \g<unit>", _ask_amount),
    (rf"{_N} more (?P<unit>{NOUN})", r"some more \g<unit>", _ask_amount),
    (rf"\${_N}(?= (?:on|for|in|from|and|to)\b|[,.]|$)", "some money", _ask_amount),
    (rf"another {_N} ", "some more ", _ask_amount),
    (rf"(?<![$-]){_N} (?P<unit>(?!times|per|%|o.clock){NOUN})", r"some \g<unit>", _ask_amount),
)  # fmt: skip
