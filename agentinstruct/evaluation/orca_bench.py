"""Orca-Bench: a held-out test set of a run's own skills (AgentInstruct, evaluation; 100 pairs a skill).

Pairs are held out by seed: pairs of one seed resemble each other, so nothing from a held-out seed, in any skill or
run, may reach training, and no pair that asks what the bench asks.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentinstruct.dataset import read_pairs, to_messages, write_lines
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal import replace
from agentinstruct.records import content_hash
from agentinstruct.verify import instruction_key

PER_SKILL = 100
"""Pairs held out of each skill (AgentInstruct, evaluation)."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchItem:
    """A held-out pair: what the student is asked, and the teacher's answer that a judge holds its own against."""

    id: str
    skill: str
    type: str
    seed_id: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What became of one skill's pairs. `unfit` are those of held-out seeds that a text alone cannot ask."""

    pairs: int
    held_out: int
    seeds: int
    left: int
    unfit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrcaBench:
    """The test set, the seeds that it takes from training, and each skill's share."""

    items: tuple[BenchItem, ...]
    seed_ids: frozenset[str]
    questions: frozenset[str]
    """Keys of the instructions asked, by which the same question from another seed is kept from training too."""
    skills: dict[str, Share]
    per_skill: int
    seed: int

    @property
    def short(self) -> dict[str, int]:
        """The skills with fewer held-out pairs than wanted, with how many they have."""
        return {skill: share.held_out for skill, share in self.skills.items() if share.held_out < self.per_skill}

    def trains(self, row: Row) -> bool:
        """Whether a published pair may be trained on."""
        return self.leaves(_seed_of(row), _question(row))

    def leaves(self, seed_id: str, question: str) -> bool:
        """Whether a pair of this seed and this instruction's key is left for training."""
        return seed_id not in self.seed_ids and question not in self.questions


def build_orca_bench(runs: Sequence[Path], *, per_skill: int = PER_SKILL, seed: int = 0) -> OrcaBench:
    """Hold out `per_skill` pairs of each skill of these runs, by their seeds.

    Seeds are taken in the order of their hash with `seed`, whatever the order of runs and rows, while a skill still
    lacks pairs; of a skill's pairs never more than half are asked for, so that a small skill is still taught.
    """
    pairs = [_pair_of(row) for run in runs for row in read_pairs(run)]
    by_seed: dict[str, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair.seed_id].append(pair)
    fit = Counter(pair.skill for pair in pairs if pair.askable)
    wanted = {skill: min(per_skill, number // 2) for skill, number in fit.items()}
    lacking = Counter(wanted)
    held: list[str] = []
    for seed_id in sorted(by_seed, key=lambda seed_id: content_hash("orca-bench", seed, seed_id)):
        given = Counter(pair.skill for pair in by_seed[seed_id] if pair.askable)
        if any(lacking[skill] > 0 for skill in given):
            held.append(seed_id)
            lacking.subtract(given)
    chosen = _chosen([pair for seed_id in held for pair in by_seed[seed_id]], wanted, seed)
    bench = OrcaBench(
        items=tuple(_items(runs, chosen)),
        seed_ids=frozenset(held),
        questions=frozenset(pair.question for pair in chosen),
        skills={},
        per_skill=per_skill,
        seed=seed,
    )
    return dataclasses.replace(bench, skills=_shares(bench, pairs))


def write_bench(bench: OrcaBench, path: Path, *, runs: Sequence[Path]) -> Path:
    """Write the test set to `path`, and beside it what was held out; returns the second file."""
    beside = path.with_suffix(".held-out.json")
    if beside == path:
        raise ConfigurationError(f"{path}: give --out a name that ends in .jsonl")
    held = {
        "runs": [str(run) for run in runs],
        "seed": bench.seed,
        "per_skill": bench.per_skill,
        "skills": {skill: asdict(share) for skill, share in sorted(bench.skills.items())},
        "short": bench.short,
        "seed_ids": sorted(bench.seed_ids),
    }
    write_lines(path, (json.dumps(asdict(item), ensure_ascii=False) for item in bench.items))
    replace(beside, json.dumps(held, indent=2, ensure_ascii=False) + "\n")
    return beside


def write_training(bench: OrcaBench, path: Path, *, runs: Sequence[Path]) -> int:
    """Write all pairs that may be trained on, as OpenAI messages, and return how many they are."""
    rows = (row for run in runs for row in read_pairs(run) if bench.trains(row))
    return write_lines(path, (json.dumps(to_messages(row), ensure_ascii=False) for row in rows))


def read_bench(path: Path) -> tuple[BenchItem, ...]:
    """Read a test set; raises `ConfigurationError` that names the line that is none of one."""
    items = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                items.append(_read_item(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}; make it by `agentinstruct evaluate bench`") from error
    if not items:
        raise ConfigurationError(f"{path} holds no items: make it by `agentinstruct evaluate bench RUN --out {path}`")
    return tuple(items)


def _read_item(line: str, where: str) -> BenchItem:
    try:
        held = json.loads(line)
        return BenchItem(**{name: _text(held[name]) for name in BenchItem.__dataclass_fields__})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{where}: is not an Orca-Bench item ({told}); make the file anew") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"wants texts, not a {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What choosing needs to know of a pair: the texts of a large run would not fit in memory."""

    id: str
    skill: str
    seed_id: str
    question: str
    askable: bool


def _pair_of(row: Row) -> _Pair:
    skill = str(row["skill"])
    return _Pair(id=str(row["id"]), skill=skill, seed_id=_seed_of(row), question=_question(row), askable=_askable(row))


def _chosen(pairs: Iterable[_Pair], wanted: dict[str, int], seed: int) -> list[_Pair]:
    """Return as many askable pairs of each skill as wanted, each question once, the first by the hash of their id."""
    taken: Counter[str] = Counter()
    chosen: dict[str, _Pair] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.skill, content_hash("orca-bench", seed, pair.id))):
        if pair.askable and taken[pair.skill] < wanted[pair.skill] and pair.question not in chosen:
            taken[pair.skill] += 1
            chosen[pair.question] = pair
    return list(chosen.values())


def _items(runs: Sequence[Path], chosen: Sequence[_Pair]) -> list[BenchItem]:
    """Read the texts of the chosen pairs, in their order."""
    wanted = {pair.id for pair in chosen}
    rows = {str(row["id"]): row for run in runs for row in read_pairs(run) if row["id"] in wanted}
    return [
        BenchItem(
            id=pair.id,
            skill=pair.skill,
            type=str(rows[pair.id]["type"]),
            seed_id=pair.seed_id,
            prompt=rows[pair.id]["messages"][0]["content"],
            answer=rows[pair.id]["messages"][1]["content"],
        )
        for pair in chosen
    ]


def _shares(bench: OrcaBench, pairs: Sequence[_Pair]) -> dict[str, Share]:
    taken = Counter(item.skill for item in bench.items)
    seeds = Counter(skill for skill, _ in {(item.skill, item.seed_id) for item in bench.items})
    left = Counter(pair.skill for pair in pairs if bench.leaves(pair.seed_id, pair.question))
    unfit = Counter(pair.skill for pair in pairs if pair.seed_id in bench.seed_ids and not pair.askable)
    return {
        skill: Share(pairs=number, held_out=taken[skill], seeds=seeds[skill], left=left[skill], unfit=unfit[skill])
        for skill, number in sorted(Counter(pair.skill for pair in pairs).items())
    }


def _askable(row: Row) -> bool:
    """Whether a text alone asks it and a text alone answers it: one turn each way, and no tools."""
    turns = row["messages"]
    return (
        [turn["role"] for turn in turns] == ["user", "assistant"]
        and not row.get("tools")
        and all((turn["content"] or "").strip() and not turn.get("tool_calls") for turn in turns)
    )


def _question(row: Row) -> str:
    said = [turn["content"] or "" for turn in row["messages"] if turn["role"] == "user"]
    return instruction_key("\n\n".join(said))


def _seed_of(row: Row) -> str:
    lineage = row.get("lineage") or {}
    if not lineage.get("seed_id"):
        raise ConfigurationError(f"pair {row.get('id')} does not say which seed it is from, so it cannot be held out")
    return str(lineage["seed_id"])
