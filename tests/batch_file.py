"""Files of the test server's Batch API: input checked as the real service checks it, and output damaged as told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ENDPOINT = "/v1/chat/completions"


class Refused(ValueError):
    """A request that gets an error reply."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How large an input file may be."""

    requests: int = 50_000
    bytes: int = 200 * 10**6


@dataclass(frozen=True, kw_only=True)
class Line:
    """One question of a batch."""

    custom_id: str
    body: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        return self.custom_id, fingerprint(self.body)

    @property
    def tokens(self) -> int:
        """What it counts against the tokens that may be in progress."""
        return len(json.dumps(self.body["messages"])) // 4

    def entry(self, response: dict[str, Any] | None, error: dict[str, Any] | None) -> dict[str, Any]:
        """Make its line of an output or error file."""
        if response is not None:
            response = {"request_id": f"req_{self.identity[1][:16]}", **response}
        return {"id": f"batch_req_{self.custom_id}", "custom_id": self.custom_id, "response": response, "error": error}


def fingerprint(question: dict[str, Any]) -> str:
    """Return a hash that is the same however the question's JSON was written."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def check_metadata(metadata: object) -> None:
    """Refuse metadata that the real service refuses."""
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise Refused("metadata must be an object with at most 16 keys")
    for key, value in metadata.items():
        if len(key) > 64 or not isinstance(value, str) or len(value) > 512:
            raise Refused(f"metadata {key!r} must be a string of at most 512 characters under a key of at most 64")


def read_lines(content: bytes, bounds: Bounds) -> tuple[list[Line], list[dict[str, Any]]]:
    """Return the questions of an input file, and what is wrong with it."""
    texts = content.decode().splitlines()
    whole = {"empty_file": not texts, "too_many_tasks": len(texts) > bounds.requests}
    whole["file_too_large"] = len(content) > bounds.bytes
    lines: list[Line] = []
    errors = [_error(code, None) for code, is_wrong in whole.items() if is_wrong]
    seen: set[str] = set()
    for number, text in enumerate(texts, 1):
        try:
            given = json.loads(text)
        except ValueError:
            errors.append(_error("invalid_json_line", number))
            continue
        line = Line(custom_id=given.get("custom_id"), body=given.get("body") or {})
        lines.append(line)
        first_model = lines[0].body.get("model")
        errors += [_error(code, number) for code in _wrong_with(given, line, seen, first_model)]
        seen.add(line.custom_id)
    return lines, errors


def _wrong_with(given: dict[str, Any], line: Line, seen: set[str], model: object) -> Iterator[str]:
    if not isinstance(line.custom_id, str) or not 0 < len(line.custom_id) <= 512:
        yield "invalid_custom_id"
    if line.custom_id in seen:
        yield "duplicate_custom_id"
    if given.get("method") != "POST":
        yield "invalid_method"
    if given.get("url") != ENDPOINT:
        yield "invalid_url"
    if not line.body.get("messages") or not line.body.get("model"):
        yield "missing_required_parameter"
    elif line.body["model"] != model:
        yield "mismatched_model"
    if line.body.get("stream"):
        yield "invalid_request"


def _error(code: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": f"The input file is refused: {code}", "param": None, "line": line}


def doubled(output: bytes) -> bytes:
    """Give every line twice."""
    return b"".join(line * 2 for line in output.splitlines(keepends=True))


def turned_round(output: bytes) -> bytes:
    """Give the last line first."""
    return b"".join(reversed(output.splitlines(keepends=True)))


def cut_off(output: bytes) -> bytes:
    """End within the last line."""
    return output[:-40]


def with_garbage(output: bytes) -> bytes:
    """Put lines between that are nothing, no text, no JSON, no object, or an object without what it needs."""
    garbage = b'\n\xff\xfe\x00\n{\n[1]\n"word"\n{}\n' + b"[" * 5_000 + b'\n{"custom_id": 7, "response": "x"}\n'
    first, *others = output.splitlines(keepends=True)
    return garbage + first + garbage + b"".join(others)


def with_a_stranger(output: bytes) -> bytes:
    """Answer a question that was not in the batch as well."""
    stranger = json.loads(output.splitlines()[0]) | {"custom_id": "nobody-asked-this"}
    return json.dumps(stranger).encode() + b"\n" + output
