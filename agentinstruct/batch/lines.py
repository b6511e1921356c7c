"""The JSON lines of batch files: questions going out, and answers coming back from a provider, a script or a person."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

LONGEST_LINE = 32 * 2**20
"""Bytes. The longest replies models give are a few hundred kilobytes; a line without end must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says of one question: the status and the `answer`, as `read_answer` takes it, or the `problem`."""

    question: str
    status: int = 0
    answer: str = ""
    problem: str = ""


def question_line(question: str, body: str, url: str) -> bytes:
    """Return the line that asks; `body` is JSON already."""
    return f'{{"custom_id":{json.dumps(question)},"method":"POST","url":{json.dumps(url)},"body":{body}}}\n'.encode()


def read_line(raw: bytes | str) -> Line:
    """Read a line of answers: of a batch's output, or `{"custom_id": …, "content": …}` as anyone may write it.

    Raises `ValueError` that says what is wrong with it.
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    match told:
        case {"custom_id": str() as question, "error": error} if error:
            return Line(question, problem=str(error.get("message", error) if isinstance(error, dict) else error)[:300])
        case {"custom_id": str() as question, "response": {"status_code": int() as status, "body": body}} if (
            100 <= status < 600
        ):
            return Line(question, status=int(status), answer=json.dumps([int(status), body]))
        case {"custom_id": str() as question, "content": (str() | dict() | list()) as content}:
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            message = {"role": "assistant", "content": text}
            reply = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": told.get("usage")}
            return Line(question, status=200, answer=json.dumps([200, reply]))
        case {"custom_id": str()}:
            raise ValueError('it has neither a "response" with "status_code" and "body", nor a "content"')
        case _:
            raise ValueError('it is not an object with a "custom_id"')


def read_answer(answer: str) -> tuple[int, object, str]:
    """Return the status and the body that `Line.answer` keeps, and its author where one is named."""
    status, body, *author = json.loads(answer)
    return status, body, author[0] if author else ""


def with_author(answer: str, author: str) -> str:
    """Return `Line.answer` with who gave it."""
    return json.dumps([*json.loads(answer)[:2], author])


async def whole_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream into lines; those that are too long are left out, and so is nothing else."""
    held, too_long = bytearray(), False
    async for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            held += end
            if held and not too_long and len(held) <= LONGEST_LINE:
                yield bytes(held)
            held, too_long = bytearray(), False
        held += rest
        if len(held) > LONGEST_LINE:
            held, too_long = bytearray(), True
    if held and not too_long:
        yield bytes(held)
