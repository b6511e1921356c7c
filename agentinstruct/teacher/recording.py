"""A recording: the answers of a run in a file of JSON lines, from which anybody can make the run again for nothing.

The first line says who was asked; each line after it holds one answer, and where in the run it was given. Questions
are kept as hashes: flow and seeds make them again word for word, and only an answer to the very same question counts.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from autogen_core.models import CreateResult
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agentinstruct.errors import ConfigurationError
from agentinstruct.records import content_hash
from agentinstruct.teacher.failures import without_keys
from agentinstruct.teacher.journaled import AuthoredResult, Place, restore
from agentinstruct.teacher.prices import by_recording

LONGEST_LINE = 32 * 2**20
"""Characters; a line without end must not fill the memory."""


class Header(BaseModel):
    """Who was asked: what decides the answers of each role's teacher, `""` for everyone else's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recording: Literal[1] = 1
    teachers: dict[str, dict[str, JsonValue]]
    note: str = ""
    """What a reader of the data should know of the answers: whose they are, and under which licence."""


class Answer(BaseModel):
    """One answer, and where in the run it was given. One of `text`, `json`, `whole` and `rejected` holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    flow: str
    seed: str
    agent: str
    branch: str = ""
    n: int = Field(default=0, ge=0)
    """How often the same question had been asked in the branch before."""
    question: str = ""
    """The hash of the question with all that decides its answer; empty in runs made before it was kept."""
    key: str = ""
    """The request's id, where there is no hash of the question to make it from."""
    model: str
    at: float | None = None
    """When it was given, as Unix time."""
    tokens: tuple[int, int] = (0, 0)
    carried: bool = False
    """Whether it was given to an earlier wording of the question."""
    text: str | None = None
    value: JsonValue = Field(default=None, alias="json")
    whole: tuple[JsonValue, str, str | None] | None = None
    rejected: dict[str, str] | None = None

    @property
    def request(self) -> str:
        """The request's id in the journal."""
        return self.key or content_hash(self.question, self.branch, self.n)

    @property
    def place(self) -> tuple[str, str, str, str, int]:
        """Where it was given, whatever the words of the question were."""
        return self.flow, self.seed, self.agent, self.branch, self.n

    def line(self) -> str:
        """Return the answer as a line of the file."""
        kept = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(kept, ensure_ascii=False)

    def result(self) -> CreateResult:
        """Return what the teacher answered; raises `Rejected` where it refused."""
        content, finish, thought = self.whole or (self._content(), "stop", None)
        kept = [content, finish, self.tokens, thought] if self.rejected is None else self.rejected
        return AuthoredResult(**dict(restore(json.dumps(kept))), author=by_recording(self.model), answered=self.at)

    def _content(self) -> str:
        return json.dumps(self.value, ensure_ascii=False) if self.text is None else self.text


def reply_fields(reply: str) -> tuple[dict[str, Any], bool]:
    """Return the fields of an `Answer` that hold a journal's reply, and whether something like a key was blotted out.

    A reply of plain JSON is kept as JSON, which is easier to read and to compare.
    """
    scrubbed = without_keys(reply)
    told = json.loads(scrubbed)
    if isinstance(told, dict):
        return {"rejected": told}, scrubbed != reply
    content, finish, tokens, thought = told
    kept: dict[str, Any] = {"tokens": tuple(tokens)}
    if finish != "stop" or thought is not None or not isinstance(content, str):
        kept["whole"] = (content, finish, thought)
    elif (value := _plain_json(content)) is not None:
        kept["json"] = value
    else:
        kept["text"] = content
    return kept, scrubbed != reply


def _plain_json(content: str) -> JsonValue:
    """Return what `content` holds, if it is an object that is written again in just the same way."""
    try:
        value: JsonValue = json.loads(content)
        same = json.dumps(value, ensure_ascii=False) == content
    except (ValueError, RecursionError):
        return None
    return value if same and isinstance(value, dict) else None


@dataclass
class Recording:
    """The answers of a recording in the order of the file, found by question."""

    header: Header
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        given, self.answers = self.answers, []
        self._by_request: dict[tuple[str, str, str], Answer] = {}
        self._by_question: dict[str, list[Answer]] = defaultdict(list)
        self.extend(given)

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file, compressed where its name ends in `.gz`; raises `ConfigurationError` naming the faulty line."""
        header: Header | None = None
        answers: list[Answer] = []
        number = 0
        try:
            for line in _lines(path):
                number += 1
                if header is None:
                    header = Header.model_validate_json(line)
                elif line.strip():
                    answers.append(Answer.model_validate_json(line))
        except (OSError, EOFError, UnicodeDecodeError) as error:
            told = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"cannot read the recording {path}: {told}; `agentinstruct record RUN -o FILE` makes one"
            ) from error
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "the line"
            raise ConfigurationError(
                f"{path}, line {number}: {where}: {fault['msg']}; a recording is made by `agentinstruct record`"
            ) from None
        if header is None:
            raise ConfigurationError(f"{path} is empty: `agentinstruct record RUN -o FILE` makes a recording")
        return cls(header, answers)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        yield json.dumps(self.header.model_dump(mode="json"), ensure_ascii=False)
        yield from (answer.line() for answer in self.answers)

    def extend(self, answers: Iterable[Answer]) -> list[Answer]:
        """Add answers at the end, and return them; the first answer to a question in its place stands."""
        added = []
        for answer in answers:
            known = (answer.flow, answer.seed, answer.request)
            if known not in self._by_request:
                self._by_request[known] = answer
                if answer.question:
                    self._by_question[answer.question].append(answer)
                added.append(answer)
        self.answers += added
        return added

    def find(self, place: Place) -> Answer | None:
        """Return the answer to a question asked at `place`.

        That is the one given there; else the same question's answers of the same seed, then the others', in the order
        of the file, each to one occurrence of the question.
        """
        if there := self._by_request.get((place.flow, place.seed, place.key)):
            return there
        others = self._by_question.get(place.question, [])
        own = [each for each in others if (each.flow, each.seed) == (place.flow, place.seed)]
        in_order = own + [each for each in others if (each.flow, each.seed) != (place.flow, place.seed)]
        return in_order[place.occurrence] if place.occurrence < len(in_order) else None


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise ConfigurationError(f"{path}: a line is longer than {LONGEST_LINE // 2**20} MB")
            yield line
