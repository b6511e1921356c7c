"""The work every client is given: four dependent questions a document, and what the server must have answered.

It needs nothing but Python, since each peer imports it in an environment of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.passages import passages

FLOW = Path(__file__).resolve().parent / "flows" / "chain"
CALLS = 4
"""Calls a chain."""
MODEL = "benchmark"
_VARIABLE = re.compile(r"\{\{ (\w+) \}\}")
_DOCUMENT_WORDS = 280
_REPLY_CHARACTERS = 1_200
_FILLER = " ".join(passages(4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question: its words, as a system message and a Jinja template, and the column its answer goes to."""

    name: str
    column: str
    system: str
    user: str

    @property
    def variables(self) -> list[str]:
        """The columns that the template wants."""
        return _VARIABLE.findall(self.user)

    def messages(self, row: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the question about `row` as chat messages."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.render(row)}]

    def render(self, row: Mapping[str, str]) -> str:
        """Fill the template as Jinja would: it holds nothing but variables."""
        return _VARIABLE.sub(lambda found: row[found[1]], self.user)


def steps() -> list[Step]:
    """Return the four questions in order, in the words of the flow's own prompts."""
    columns = {"transform": "passage", "instruct": "question", "edit": "edited", "respond": "answer"}
    found = []
    for name, column in columns.items():
        system, user = (FLOW / f"{name}.md").read_text(encoding="utf-8").split("\n---\n")
        found.append(Step(name=name, column=column, system=system.strip(), user=user.strip()))
    return found


def documents(count: int) -> Iterator[dict[str, str]]:
    """Yield `count` documents of about 1,700 characters, all different, as rows of `id` and `document`."""
    for number, text in enumerate(passages(count, words=_DOCUMENT_WORDS)):
        yield {"id": f"document-{number}", "document": text}


def question_key(question: str) -> str:
    """Identify a question by its words: what makes two requests the same."""
    return hashlib.blake2b(question.strip().encode(), digest_size=8).hexdigest()


def reply_to(question: str) -> str:
    """Return the server's answer: about 1,200 characters that depend on the whole question."""
    key = question_key(question)
    start = int(key[:3], 16) % (len(_FILLER) - _REPLY_CHARACTERS)
    return f"Reply {key}: {_FILLER[start : start + _REPLY_CHARACTERS - 25].strip()}"


def right_answer(row: Mapping[str, str]) -> str:
    """Return the last answer of a document's chain; it depends on every answer before it."""
    filled = dict(row)
    for step in steps():
        filled[step.column] = reply_to(step.render(filled))
    return filled["answer"]


def check(rows: Iterable[tuple[str, str]], chains: int) -> dict[str, int]:
    """Compare rows of document and answer with what they must be."""
    expected = {row["id"]: right_answer(row) for row in documents(chains)}
    found = Counter[str]()
    right = 0
    for document, answer in rows:
        found[document] += 1
        right += expected.get(document) == answer.strip()
    missing = sum(document not in found for document in expected)
    return {"right": right, "wrong": found.total() - right, "missing": missing, "doubled": found.total() - len(found)}


def arguments() -> argparse.Namespace:
    """Read what every client is told on its command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--chains", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="use what the client has for going on after a crash")
    return parser.parse_args()


def write_rows(out: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write what `check` is to see of a peer's rows."""
    with (out / "rows.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({"id": row["id"], "answer": row["answer"]}) + "\n")


def read_rows(out: Path) -> Iterator[tuple[str, str]]:
    """Yield document and answer of each row a client wrote; a missing answer is an empty one."""
    path = out / "rows.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        yield row["id"], row["answer"] or ""
