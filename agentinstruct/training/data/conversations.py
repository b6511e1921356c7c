"""What a student is to learn from: each common form of row becomes a conversation, or a bad row with a reason.

Turns are in the form that chat templates read: `role`, `content`, and for tool calls `tool_calls`, with arguments as
objects and no longer as JSON text. Nothing here knows tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.training.data.rows import BadRow, Row, read_rows

Turn = dict[str, Any]
_ROLES = ("system", "user", "assistant", "tool")
_SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "observation": "tool"}
_UNDERSTOOD = "messages | prompt, completion | conversations | instruction, output (and input, system, history)"
_PATIENCE = 1000
_NO_COLUMNS = "no column that is understood"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns that end with a reply, the tools they may call, and where the row stands."""

    messages: tuple[Turn, ...]
    tools: tuple[dict[str, Any], ...] = ()
    where: str = ""

    def under(self, system_message: str | None) -> Conversation:
        """Return it with another system message for its own; without one to put there or to replace, as it is."""
        if system_message is None:
            return self
        turns = ({**turn, "content": system_message} if turn["role"] == "system" else turn for turn in self.messages)
        return replace(self, messages=tuple(turn for turn in turns if turn["role"] != "system" or system_message))


def read_conversations(
    source: str | Path, *, split: str = "train", limit: int | None = None
) -> Iterator[Conversation | BadRow]:
    """Yield the conversations of a source as `read_rows` knows them, with a `BadRow` for each row that holds none.

    Understood are OpenAI's `messages`, `prompt` and `completion` as text or messages, ShareGPT's `conversations` and
    Alpaca's columns. Raises `ConfigurationError` where no row (of the first thousand) has such columns.
    """
    rows = read_rows(source, split=split, limit=limit)
    return _conversations(rows, source)


def _conversations(rows: Iterator[tuple[str, Row] | BadRow], source: str | Path) -> Iterator[Conversation | BadRow]:
    strange: list[BadRow] = []  # rows without known columns, while there is no other row
    known = False
    for row in rows:
        made = row if isinstance(row, BadRow) else to_conversation(*row)
        if not known and isinstance(made, BadRow) and made.reason == _NO_COLUMNS:
            strange.append(made)
            if len(strange) == _PATIENCE:
                break
            continue
        if not isinstance(row, BadRow):
            known = True
            yield from strange
            strange = []
        yield made
    if strange:
        first = strange[0]
        raise ConfigurationError(f"{source}: {first.where} has {first.detail}; understood are {_UNDERSTOOD}")


def to_conversation(where: str, row: Row) -> Conversation | BadRow:
    """Return the row as a conversation, or what is wrong with it."""
    try:
        turns = [_turn(turn) for turn in _turns(row)]
        tools = _tools(row.get("tools"))
        _check(turns)
        _check_text([turns, tools])
    except Rejected as error:
        return BadRow(where, error.reason, error.detail)
    return Conversation(tuple(turns), tuple(tools), where)


def _turns(row: Row) -> list[Any]:
    """Return the turns of a row in whichever form it has, unchecked."""
    match row:
        case {"messages": messages}:
            return _listed(messages, "messages")
        case {"prompt": prompt, "completion": completion}:
            return [*_side(prompt, "prompt", "user"), *_side(completion, "completion", "assistant")]
        case {"conversations": turns}:
            return [*_system(row), *(_shared(turn) for turn in _listed(turns, "conversations"))]
        case {"instruction": str(instruction), "output": output}:
            more = row.get("input") or ""
            asked = f"{instruction}\n\n{more}" if more else instruction
            return [*_system(row), *_history(row), *_exchange(asked, output)]
        case _:
            names = ", ".join(str(name)[:40] for name in list(row)[:20])
            raise Rejected(_NO_COLUMNS, f"the columns {names}" if names else "no columns")


def _listed(value: Any, name: str) -> list[Any]:
    value = _parsed(value, name) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise Rejected(f"{name} is not a list", f"it is a {type(value).__name__}")
    return value


def _side(value: Any, name: str, role: str) -> list[Any]:
    return [{"role": role, "content": value}] if isinstance(value, str) else _listed(value, name)


def _exchange(asked: Any, said: Any) -> list[Turn]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]


def _system(row: Row) -> list[Turn]:
    """Return ShareGPT's or Alpaca's `system` column as a turn; empty, it says that there is none."""
    return [{"role": "system", "content": row["system"]}] if row.get("system") else []


def _history(row: Row) -> list[Turn]:
    turns: list[Turn] = []
    for entry in row.get("history") or []:
        match entry:
            case [asked, said]:
                turns += _exchange(asked, said)
            case _:
                raise Rejected("history is not a list of pairs", f"it holds {str(entry)[:80]!r}")
    return turns


def _shared(turn: Any) -> Any:
    """Return ShareGPT's `from` and `value` as `role` and `content`."""
    match turn:
        case {"from": str(speaker), "value": value}:
            return {"role": _SPEAKERS.get(speaker, speaker), "content": value}
        case _:
            return turn


def _turn(turn: Any) -> Turn:
    """Return one turn with what templates read of it, or raise `Rejected`."""
    if not isinstance(turn, dict):
        raise Rejected("a turn is not an object", f"it is a {type(turn).__name__}")
    role = turn.get("role")
    if role not in _ROLES:
        raise Rejected("unknown role", f"{str(role)[:40]!r}; there are {', '.join(_ROLES)}")
    kept: Turn = {"role": role}
    content = _text(turn.get("content"), role)
    calls = [_call(call) for call in _listed(turn.get("tool_calls") or [], "tool_calls")]
    if content is not None:
        kept["content"] = content
    elif not (role == "assistant" and calls):
        raise Rejected("a turn without text", f"a turn of the {role}")
    if calls and role != "assistant":
        raise Rejected("tool calls of another than the assistant", f"a turn of the {role}")
    for name in ("tool_call_id", "name", "reasoning_content"):
        if isinstance(turn.get(name), str):
            kept[name] = turn[name]
    return {**kept, "tool_calls": calls} if calls else kept


def _text(content: Any, role: str) -> str | None:
    match content:
        case None | str():
            return content
        case list() if all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            return "".join(part["text"] for part in content)
        case list():
            raise Rejected("a turn with more than text", f"a turn of the {role}; students learn text alone")
        case _:
            raise Rejected("content is not text", f"a turn of the {role} holds a {type(content).__name__}")


def _call(call: Any) -> Turn:
    """Return a tool call as templates read it: its function's arguments are an object."""
    match call:
        case {"function": {"name": str(name), **rest}} | {"name": str(name), **rest}:
            pass
        case _:
            raise Rejected("a tool call without a function's name", str(call)[:80])
    arguments = rest.get("arguments", {})
    if isinstance(arguments, str):
        arguments = _parsed(arguments or "{}", "a tool call's arguments")
    if not isinstance(arguments, dict):
        raise Rejected("a tool call's arguments are not an object", f"{name} is called with {str(arguments)[:80]!r}")
    named = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**named, "type": "function", "function": {"name": name, "arguments": arguments}}


def _tools(value: Any) -> list[dict[str, Any]]:
    tools = _listed(value or [], "tools")
    if not all(isinstance(tool, dict) for tool in tools):
        raise Rejected("a tool is not an object", str(tools)[:80])
    return tools


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{name} is broken JSON", str(error)[:120]) from error


def _check(turns: list[Turn]) -> None:
    """Raise `Rejected` for turns that end with no reply or hold an empty one: they would teach nothing, or silence."""
    if not turns:
        raise Rejected("no turns")
    if not any(turn["role"] == "assistant" for turn in turns):
        raise Rejected("no turn of the assistant")
    if turns[-1]["role"] != "assistant":
        raise Rejected(f"ends with a turn of the {turns[-1]['role']}")
    for turn in turns:
        if turn["role"] == "assistant" and not turn.get("content", "").strip() and "tool_calls" not in turn:
            raise Rejected("an empty reply")


def _check_text(value: Any) -> None:
    """Raise `Rejected` for what no tokenizer can read: half a surrogate pair, which JSON's escapes can smuggle in."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError) as error:
        raise Rejected("holds what is not text", str(error)[:120]) from error
