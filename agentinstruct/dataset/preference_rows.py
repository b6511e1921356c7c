"""Preference data from judged attempts (Orca-Math, section 2.3): pairs for DPO, labelled replies for KTO, SFT turns.

Plain records in, plain rows out. What comes out depends on the problems, their attempts and the seed, never on the
order in which they arrive. All attempts are held in memory, since a negative may be borrowed from any other problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

from agentinstruct.dataset.attempts import Attempt, By, Judged, Problem
from agentinstruct.errors import ConfigurationError
from agentinstruct.records import content_hash

Row = dict[str, Any]
Positives = Literal["both", "teacher", "student"]
IsRight = Callable[[str, Problem], bool]
"""Tells whether a reply, made for another problem, happens to be right for this one."""

BORROWED = 4
"""Negatives a problem that was always solved gets, each from another problem (Orca-Math, section 2.3)."""
_LENDERS_ASKED = 32
"""Problems asked for a negative before giving up: their replies may all happen to be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the problems. `synthetic` rows have a borrowed negative; `capped` were left out by the cap."""

    problems: int = 0
    always_right: int = 0
    """Problems with attempts of which none was wrong: what synthetic negatives are for."""
    never_right: int = 0
    """Problems with attempts of which none was right."""
    rows: int = 0
    synthetic: int = 0
    capped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replies:
    """A problem's distinct replies: `right` are all that are, `positives` those wanted, `negatives` with reasons."""

    problem: Problem
    right: frozenset[str]
    positives: tuple[str, ...]
    negatives: dict[str, str]
    synthetic: bool = False
    always_right: bool
    never_right: bool

    @property
    def kind(self) -> str:
        return "synthetic" if self.synthetic else "own"


def preference_pairs(
    judged: Iterable[Judged],
    *,
    is_right: IsRight | None = None,
    cap: int = 4,
    positives: Positives = "both",
    seed: int = 0,
) -> tuple[list[Row], Tally]:
    """Return rows of prompt, chosen, rejected, problem, kind and reason: right × wrong replies of each problem.

    Of more than `cap` pairs of a problem, `cap` are drawn so that no reply is repeated before each was used once. A
    problem that was always solved borrows wrong replies of others as synthetic negatives where `is_right` is given,
    which keeps out those that are right for it by chance; without `is_right` it yields nothing.
    """
    rows: list[Row] = []
    all_replies = _replies(judged, is_right, positives, seed)
    left_out = 0
    for each in all_replies:
        pairs = _spread(each, cap, seed)
        left_out += len(each.positives) * len(each.negatives) - len(pairs)
        rows += [
            {
                "prompt": each.problem.prompt,
                "chosen": chosen,
                "rejected": rejected,
                "problem": each.problem.id,
                "kind": each.kind,
                "reason": each.negatives[rejected],
            }
            for chosen, rejected in pairs
        ]
    return rows, _tally(all_replies, rows, left_out)


def labelled_replies(
    judged: Iterable[Judged],
    *,
    is_right: IsRight | None = None,
    cap: int = 4,
    positives: Positives = "both",
    seed: int = 0,
) -> tuple[list[Row], Tally]:
    """Return rows of prompt, completion, label, problem, kind and reason, at most `cap` of each label a problem.

    As in `preference_pairs`, a problem that was always solved yields nothing without `is_right`.
    """
    rows: list[Row] = []
    all_replies = _replies(judged, is_right, positives, seed)
    left_out = 0
    for each in all_replies:
        if each.always_right and not each.negatives:
            continue
        random = _random(seed, each.problem, "labelled")
        for label, replies in ((True, list(each.positives)), (False, sorted(each.negatives))):
            kept = sorted(random.sample(replies, min(cap, len(replies))))
            left_out += len(replies) - len(kept)
            rows += [_labelled(each, reply, label) for reply in kept]
    return rows, _tally(all_replies, rows, left_out)


def sft_rows(judged: Iterable[Judged], *, positives: Positives = "both") -> list[Row]:
    """Return every right reply once, as a conversation to imitate instead of a preference."""
    return [
        {
            "messages": [{"role": "user", "content": each.problem.prompt}, {"role": "assistant", "content": reply}],
            "problem": each.problem.id,
        }
        for each in (_own_replies(one, positives) for one in _merged(judged))
        for reply in each.positives
    ]


def _labelled(each: _Replies, reply: str, label: bool) -> Row:
    return {
        "prompt": each.problem.prompt,
        "completion": reply,
        "label": label,
        "problem": each.problem.id,
        "kind": "own" if label else each.kind,
        "reason": "" if label else each.negatives[reply],
    }


def _tally(all_replies: Sequence[_Replies], rows: Sequence[Row], left_out: int) -> Tally:
    return Tally(
        problems=len(all_replies),
        always_right=sum(each.always_right for each in all_replies),
        never_right=sum(each.never_right for each in all_replies),
        rows=len(rows),
        synthetic=sum(row["kind"] == "synthetic" for row in rows),
        capped=left_out,
    )


def _replies(judged: Iterable[Judged], is_right: IsRight | None, positives: Positives, seed: int) -> list[_Replies]:
    """Return each problem's replies in the order of the problems' ids, with borrowed negatives where wanted."""
    own = [_own_replies(each, positives) for each in _merged(judged)]
    if is_right is None:
        return own
    lenders = [each for each in own if each.negatives]
    return [_borrowing(each, lenders, is_right, seed) if each.always_right else each for each in own]


def _merged(judged: Iterable[Judged]) -> Iterator[Judged]:
    """Yield each problem once, in the order of ids; its attempts may have come in parts, as from several rounds."""
    problems: dict[str, Problem] = {}
    attempts: dict[str, list[Attempt]] = {}
    for each in judged:
        known = problems.setdefault(each.problem.id, each.problem)
        if known != each.problem:
            raise ConfigurationError(f"two different problems are called {known.id!r}: give each an id of its own")
        attempts.setdefault(known.id, []).extend(each.attempts)
    for problem_id in sorted(problems):
        yield Judged(problems[problem_id], tuple(attempts[problem_id]))


def _own_replies(judged: Judged, positives: Positives) -> _Replies:
    right: set[tuple[str, By]] = {(each.reply, each.by) for each in judged.attempts if each.correct}
    if judged.problem.solution is not None:
        right.add((judged.problem.solution, "teacher"))
    known_right = {reply for reply, _ in right}
    reasons: dict[str, str] = {}
    for each in judged.attempts:
        if not each.correct and each.reply not in known_right:  # judged both ways, it teaches nothing as a negative
            reasons[each.reply] = min(each.reason, reasons.get(each.reply, each.reason))
    return _Replies(
        problem=judged.problem,
        right=frozenset(known_right),
        positives=tuple(sorted({reply for reply, by in right if positives in ("both", by)})),
        negatives=dict(sorted(reasons.items())),
        always_right=any(each.correct for each in judged.attempts) and not reasons,
        never_right=bool(judged.attempts) and not any(each.correct for each in judged.attempts),
    )


def _borrowing(each: _Replies, lenders: Sequence[_Replies], is_right: IsRight, seed: int) -> _Replies:
    """Return `each` with one wrong reply of each of a few other problems, none of them right for this one."""
    random = _random(seed, each.problem, "synthetic")
    borrowed: dict[str, str] = {}
    for index in random.sample(range(len(lenders)), min(_LENDERS_ASKED, len(lenders))):
        reply = random.choice(sorted(lenders[index].negatives))
        if len(borrowed) < BORROWED and reply not in each.right and not is_right(reply, each.problem):
            borrowed.setdefault(reply, f"answers another problem, {lenders[index].problem.id}")
    return replace(each, negatives=dict(sorted(borrowed.items())), synthetic=True)


def _spread(each: _Replies, cap: int, seed: int) -> list[tuple[str, str]]:
    """Return at most `cap` distinct pairs in which both sides take turns: counts of use differ by one at most."""
    random = _random(seed, each.problem, "pairs")
    chosen, rejected = list(each.positives), sorted(each.negatives)
    random.shuffle(chosen)
    random.shuffle(rejected)
    pairs = min(cap, len(chosen) * len(rejected))
    # walking both sides in step meets every pair once if one side slips by one whenever both are back at the start
    return [
        (chosen[step % len(chosen)], rejected[(step + step // math.lcm(len(chosen), len(rejected))) % len(rejected)])
        for step in range(pairs)
    ]


def _random(seed: int, problem: Problem, purpose: str) -> Random:
    return Random(content_hash("preference", purpose, seed, problem.id))
