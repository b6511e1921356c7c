"""Published pairs, and what a run preferred, in the forms that trainers read: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from agentinstruct.dataset.parquet import read_pairs
from agentinstruct.dataset.preferences import labelled_of_run, preferences_of_run
from agentinstruct.errors import ConfigurationError

Row = dict[str, Any]
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
_NO_ROOM = "use --format messages or prompt-completion"


def to_messages(row: Row) -> Row:
    """OpenAI messages: what trl, axolotl and LLaMA-Factory read as chat."""
    return {"id": row["id"], "messages": [_turn(turn) for turn in row["messages"]], **_tools(row)}


def to_prompt_completion(row: Row) -> Row:
    """The last turn as the completion, all before it as the prompt, both as messages.

    Raises `ConfigurationError` where the last turn is not the assistant's.
    """
    turns = [_turn(turn) for turn in row["messages"]]
    if turns[-1]["role"] != "assistant":
        raise ConfigurationError(f"pair {row['id']} ends with a turn of the {turns[-1]['role']}: export it as messages")
    kept = {"id": row["id"], "prompt": turns[:-1], "completion": turns[-1:]}
    return {**kept, **_tools(row)}


def to_sharegpt(row: Row) -> Row:
    """ShareGPT conversations; raises `ConfigurationError` for tool calls, which they have no place for."""
    _only_words(row, "sharegpt")
    turns = [{"from": _SPEAKERS[turn["role"]], "value": turn["content"] or ""} for turn in row["messages"]]
    return {"id": row["id"], "conversations": turns}


def to_alpaca(row: Row) -> Row:
    """Alpaca's instruction and output; a conversation's earlier turns become its history.

    Raises `ConfigurationError` for tool calls, and for turns that do not alternate.
    """
    _only_words(row, "alpaca")
    turns = [turn for turn in row["messages"] if turn["role"] != "system"]
    system = next((turn["content"] for turn in row["messages"] if turn["role"] == "system"), "")
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise ConfigurationError(f"pair {row['id']} does not alternate between user and assistant: {_NO_ROOM}")
    exchanges = [[asked["content"], said["content"]] for asked, said in zip(turns[::2], turns[1::2], strict=True)]
    *history, (instruction, output) = exchanges
    return {"instruction": instruction, "input": "", "output": output, "system": system, "history": history}


def _only_words(row: Row, form: str) -> None:
    if row.get("tools") or any(turn.get("tool_calls") or turn["role"] == "tool" for turn in row["messages"]):
        raise ConfigurationError(f"pair {row['id']} calls tools, for which {form} has no place: {_NO_ROOM}")


def _tools(row: Row) -> Row:
    return {"tools": json.loads(row["tools"])} if row.get("tools") else {}


def _turn(turn: Row) -> Row:
    kept = {"role": turn["role"], "content": turn["content"]}
    if turn.get("tool_calls"):
        kept["tool_calls"] = json.loads(turn["tool_calls"])
    if turn.get("tool_call_id"):
        kept["tool_call_id"] = turn["tool_call_id"]
    return kept


FORMATS: dict[str, Callable[[Row], Row]] = {
    "messages": to_messages,
    "prompt-completion": to_prompt_completion,
    "sharegpt": to_sharegpt,
    "alpaca": to_alpaca,
}
"""What becomes of one pair."""
RUN_FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "preference": preferences_of_run,
    "labelled": labelled_of_run,
}
"""What is made of all of a run's pairs and rejections together."""


def export_lines(directory: Path, form: str) -> Iterator[str]:
    """Yield a run's dataset as JSON lines; raises `ConfigurationError` for a form there is not."""
    if form in FORMATS:
        rows: Iterator[Row] = map(FORMATS[form], read_pairs(directory))
    elif form in RUN_FORMATS:
        rows = RUN_FORMATS[form](directory)
    else:
        raise ConfigurationError(f"no format {form!r}: there are {', '.join([*FORMATS, *RUN_FORMATS])}")
    for row in rows:
        yield json.dumps(row, ensure_ascii=False)


def export(directory: Path, form: str, path: Path) -> int:
    """Write a run's dataset to `path`, whole or not at all, and return how many rows it became."""
    return write_lines(path, export_lines(directory, form))


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines to `path`, whole or not at all and never through a link, and return how many they are."""
    fresh = path.with_name(f".{path.name}.new")
    count = 0
    try:
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8", errors="backslashreplace") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        fresh.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}; name a file in a folder that is there"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return count
