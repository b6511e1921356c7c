"""What a run's own rejections and refinements teach: verified and failed replies to one instruction, with the reason.

Failed are the replies a check refused, and, under a refined instruction, the reply to the instruction it was refined
from (and the other way round) where a check saw that the edit turned the answer. Only what is published is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from agentinstruct.dataset.attempts import Attempt, Judged, Problem
from agentinstruct.dataset.parquet import read_pairs, read_rejections
from agentinstruct.dataset.preference_rows import labelled_replies, preference_pairs
from agentinstruct.records import content_hash
from agentinstruct.verify import parse_number

Row = dict[str, Any]
_Item = tuple[str, str]


def attempts_of_run(directory: str | Path) -> Iterator[Judged]:
    """Yield the instructions of a run's dataset with all that was replied to them.

    An instruction that only failed has no solution; one that never failed has no attempts. Pairs of several turns,
    with a system message or tools are left out, for they are no single question. The failed replies of the run, which
    are few beside the pairs, are held in memory. Raises `ConfigurationError` where nothing is published.
    """
    failed: dict[_Item, list[Row]] = defaultdict(list)
    for row in read_rejections(Path(directory)):
        if row["lineage"] and row.get("response"):  # runs of earlier versions kept no replies
            failed[_item_of(row)].append(row)
    for item, rows in groupby(read_pairs(Path(directory)), _item_of):
        yield from _attempts_of_item(item, list(rows), failed.pop(item, []))
    for item, refused in failed.items():
        yield from _attempts_of_item(item, [], refused)


def preferences_of_run(directory: str | Path) -> Iterator[Row]:
    """Yield a row for every verified and failed reply to one instruction, as messages, with why the failed one did."""
    for judged in attempts_of_run(directory):
        for row in preference_pairs([judged], cap=max(1, len(judged.attempts)))[0]:
            yield {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": "assistant", "content": row["chosen"]}],
                "rejected": [{"role": "assistant", "content": row["rejected"]}],
                "problem": row["problem"],
                "reason": row["reason"],
            }


def labelled_of_run(directory: str | Path) -> Iterator[Row]:
    """Yield a row for every reply, verified (`label` true) or failed, as messages: what KTO learns from."""
    for judged in attempts_of_run(directory):
        for row in labelled_replies([judged], cap=max(1, len(judged.attempts)))[0]:
            yield {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
                "label": row["label"],
                "problem": row["problem"],
                "reason": row["reason"],
            }


def _item_of(row: Row) -> _Item:
    lineage = row["lineage"] or {}
    return lineage.get("flow") or "", lineage.get("seed_id") or ""


def _attempts_of_item(item: _Item, pairs: Iterable[Row], failed: Iterable[Row]) -> Iterator[Judged]:
    verified = {_prompt_of(row): row for row in pairs if _is_exchange(row)}
    attempts: dict[str, list[Attempt]] = {prompt: [] for prompt in verified}
    for row in failed:
        refused = Attempt(row["response"], correct=False, by="teacher", reason=_reason(row))
        attempts.setdefault(row["text"], []).append(refused)
    for prompt, attempt in _from_refinements(verified.values()):
        attempts[prompt].append(attempt)
    for prompt, replies in attempts.items():
        row = verified.get(prompt, {})
        solution = _reply_of(row) if row else None
        problem_id = content_hash("problem", *item, prompt)
        yield Judged(Problem(problem_id, prompt, row.get("final_answer"), solution), tuple(replies))


def _from_refinements(rows: Iterable[Row]) -> Iterator[tuple[str, Attempt]]:
    """Yield (prompt, failed attempt) where the reply before a refinement is wrong after it, and the other way round."""
    by_instruction = {row["lineage"]["instruction_id"]: row for row in rows}
    for child in by_instruction.values():
        parent = by_instruction.get(child["lineage"]["parent_id"])
        if child["lineage"]["parent_id"] is None or parent is None or not _turned(parent, child):
            continue
        goal = child["lineage"]["goal"]
        for asked, replied, when in ((child, parent, "before"), (parent, child, "after")):
            reason = f"answers the instruction as it was {when} refinement" + (f" ({goal})" if goal else "")
            yield _prompt_of(asked), Attempt(_reply_of(replied), correct=False, by="teacher", reason=reason)


def _turned(parent: Row, child: Row) -> bool:
    """Tell whether the right answers of both surely differ: two wordings of one answer must never count as two."""
    if parent["declined"] != child["declined"]:
        return True
    if any(verdict["check"] == "answer_changed" and verdict["passed"] for verdict in child["verdicts"]):
        return True
    numbers = [parse_number(row["final_answer"] or "") for row in (parent, child)]
    return None not in numbers and numbers[0] != numbers[1]


def _is_exchange(row: Mapping[str, Any]) -> bool:
    return [turn["role"] for turn in row["messages"]] == ["user", "assistant"] and not row.get("tools")


def _prompt_of(row: Row) -> str:
    return str(row["messages"][0]["content"] or "")


def _reply_of(row: Row) -> str:
    return str(row["messages"][-1]["content"] or "")


def _reason(row: Row) -> str:
    return f"{row['reason']}: {row['detail']}" if row["detail"] else str(row["reason"])
