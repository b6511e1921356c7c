"""Settling a run: which of its instructions are duplicates, decided in seed order whatever the timing was.

While a run goes on, an instruction that an earlier seed is known to hold is refused before money is spent on it. That
is only thrift. Here the finished items are walked in seed order: the first holder of an instruction keeps it, later
ones lose it with all that was refined from it, and an item that was refused something nobody holds is named, to be
run again. So what a run yields depends on seeds, flows, teacher and run seed, never on concurrency or crashes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from agentinstruct.journal import JournalReader, Outcome
from agentinstruct.records import Lineage, Pair, Rejection, content_hash

_ENDINGS = ("respond", "verify", "flow")
"""Stages at which an instruction that got through refinement may still be rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One item as the dataset sees it; `unjustified` when it was refused an instruction that nobody holds."""

    outcome: Outcome
    unjustified: bool


class Holders:
    """Which item holds each instruction, on disk, so that memory does not grow with the run."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("CREATE TABLE holders (key TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def place_of(self, key: str) -> int | None:
        """Return the place, in seed order, of the item that holds `key`."""
        row = self._connection.execute("SELECT place FROM holders WHERE key=?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def hold(self, key: str, place: int) -> None:
        """Note a holder, if there is none yet."""
        self._connection.execute("INSERT OR IGNORE INTO holders VALUES (?, ?)", (key, place))


def settle(journal: JournalReader) -> Iterator[Outcome]:
    """Yield the finished items in seed order, without duplicates, their rejections sorted and with ids."""
    with closing(Holders()) as holders:
        for place, outcome in enumerate(journal.outcomes()):
            yield _settle_one(outcome, place, holders).outcome


@contextmanager
def first_unjustified(
    journal: JournalReader, *, settled: Container[int] = ()
) -> Iterator[tuple[Outcome, Callable[[str], bool]] | None]:
    """Give the first item that was refused what nobody holds, and the claim under which to run it again; or None.

    All before it are as in a run of one item at a time, and so is it when it has run again: it belongs to `settled`.
    """
    with closing(Holders()) as holders:
        for place, outcome in enumerate(journal.outcomes()):
            if _settle_one(outcome, place, holders).unjustified and outcome.item not in settled:

                def claim(key: str, place: int = place) -> bool:
                    return holders.place_of(key) in (None, place)

                yield outcome, claim
                return
        yield None


def _settle_one(outcome: Outcome, place: int, holders: Holders) -> Settled:
    def lost(key: str) -> bool:
        holder = holders.place_of(key)
        return holder is not None and holder != place

    pairs: list[Pair] = []
    rejections: list[Rejection] = []
    candidates: list[Pair | Rejection] = [*outcome.pairs]
    candidates += [each for each in outcome.rejections if not _is_refusal(each)]
    for made in candidates:
        claims = made.lineage.claims if made.lineage else ()
        first_lost = next((index for index, key in enumerate(claims) if lost(key)), None)
        if first_lost is None:
            for key in claims:
                holders.hold(key, place)
            pairs += [made] if isinstance(made, Pair) else []
            rejections += [made] if isinstance(made, Rejection) else []
        elif first_lost == len(claims) - 1 and (isinstance(made, Pair) or made.stage in _ENDINGS):
            rejections.append(_duplicate(made))
    unjustified = False
    for refused in (each for each in outcome.rejections if _is_refusal(each)):
        assert refused.lineage is not None
        *ancestors, own = refused.lineage.claims
        if any(lost(key) for key in ancestors):
            continue
        unjustified = unjustified or holders.place_of(own) is None
        rejections.append(_duplicate(refused))
    settled = Outcome(
        item=outcome.item, flow=outcome.flow, seed=outcome.seed, pairs=pairs, rejections=_numbered(rejections)
    )
    return Settled(outcome=settled, unjustified=unjustified)


def _is_refusal(rejection: Rejection) -> bool:
    """Tell whether an instruction was refused to its item; a flow's author may call other things duplicates."""
    return rejection.reason == "duplicate" and rejection.lineage is not None and bool(rejection.lineage.claims)


def _duplicate(made: Pair | Rejection) -> Rejection:
    """Return the rejection of a duplicate, the same whether its earlier holder was known in time or not."""
    assert made.lineage is not None
    lineage = made.lineage.model_copy(update={"asked": (), "transformation": None})
    text = made.instruction if isinstance(made, Pair) else made.text
    return Rejection(stage=_refused_at(lineage), reason="duplicate", text=text, lineage=lineage)


def _refused_at(lineage: Lineage) -> str:
    if lineage.instruction_id is None:
        return "flow"
    return "refine" if lineage.parent_id else "instruct"


def _numbered(rejections: list[Rejection]) -> list[Rejection]:
    """Sort rejections, which come in any order from branches that run side by side, and give each an id."""
    keyed = sorted(
        ((_identify(each), each) for each in rejections), key=lambda pair: (pair[0], pair[1].model_dump_json())
    )
    seen: Counter[str] = Counter()
    numbered: list[Rejection] = []
    for identity, rejection in keyed:
        seen[identity] += 1
        numbered.append(rejection.model_copy(update={"id": content_hash(identity, seen[identity])}))
    return numbered


def _identify(rejection: Rejection) -> str:
    lineage = rejection.lineage
    origin = lineage and (lineage.seed_id, lineage.flow, lineage.content_id, lineage.instruction_id)
    return content_hash("rejection", rejection.stage, rejection.reason, rejection.detail, rejection.text, origin)
