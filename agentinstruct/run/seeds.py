"""Where a run's seeds come from: sources that are read, or records that a program hands in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import chain
from pathlib import Path
from typing import cast

from agentinstruct.errors import SeedError
from agentinstruct.readers import Duplicates, ReadOptions, Skipped, read_seeds
from agentinstruct.records import Seed
from agentinstruct.run.options import RunOptions


def first_seeds(options: RunOptions, kinds: Set[str]) -> Iterator[Seed | Skipped]:
    """Yield seeds as given or read, at most `limit` of those that a chosen flow takes."""
    if options.limit == 0:
        return
    left = options.limit
    for each in all_seeds(options.seeds, options.reading):
        yield each
        if left is not None and isinstance(each, Seed) and each.kind in kinds:
            left -= 1
            if not left:
                return


def all_seeds(given: Iterable[str | Path | Seed], reading: ReadOptions) -> Iterator[Seed | Skipped]:
    """Yield seeds, read or given as records, each text and each id once; raises `SeedError` if there are none."""
    seeds = iter(given)
    first = next(seeds, None)
    if first is None:
        raise SeedError("no seeds were given: name files, folders, globs or hf:NAME, or pass Seed records")
    everything = chain([first], seeds)
    if isinstance(first, Seed):
        yield from _distinct(cast(Iterator[Seed], everything))
    else:
        yield from read_seeds(cast(list[str], list(everything)), options=reading)


def _distinct(seeds: Iterator[Seed]) -> Iterator[Seed | Skipped]:
    earlier = Duplicates()
    for seed in seeds:
        place = seed.source or f"seed {seed.id}"
        reason = earlier.reason(seed, place) if _is_storable(seed) else "holds half a character (a lone surrogate)"
        yield Skipped(source=place, reason=reason) if reason else seed


def _is_storable(seed: Seed) -> bool:
    try:
        seed.model_dump_json()
    except ValueError:
        return False
    return True
