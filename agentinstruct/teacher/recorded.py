"""A teacher that answers from a recording, `recorded:FILE`, under the identity of whoever gave the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack, cast

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from pydantic import JsonValue

from agentinstruct import paths
from agentinstruct.errors import QuestionsWait
from agentinstruct.teacher.elsewhere import Elsewhere
from agentinstruct.teacher.journaled import Asking, Place
from agentinstruct.teacher.layer import Layer, RequestOptions
from agentinstruct.teacher.recording import Answer, Recording

RECORDED = "recorded:"
_SHIPPED = {"sample": "recording.jsonl"}
"""Names of recordings that come with the sample seeds."""


def recording_path(spec: str) -> Path:
    """Return the file that a spec such as `recorded:FILE` names; `recorded:sample` is the shipped one."""
    name = spec.removeprefix(RECORDED)
    return paths.SEEDS / "sample" / _SHIPPED[name] if name in _SHIPPED else Path(name)


class RecordedTeacher(Elsewhere):
    """Answers for one role of a recording; a question that it lacks goes to `otherwise`, who has the same identity."""

    def __init__(self, recording: Recording, role: str, otherwise: ChatCompletionClient) -> None:
        super().__init__(identity_in(recording, role))
        self._recording = recording
        self._otherwise = otherwise

    def asking(self, place: Place) -> ChatCompletionClient:
        """Return the client that answers one question."""
        answer = self._recording.find(place)
        return cast(Asking, self._otherwise).asking(place) if answer is None else _Replayed(self, answer)


def identity_in(recording: Recording, role: str) -> dict[str, JsonValue]:
    """Return the identity of a role's teacher."""
    teachers = recording.header.teachers
    return dict(teachers.get(role) or teachers.get("") or {})


class _Replayed(Layer):
    def __init__(self, inner: ChatCompletionClient, answer: Answer) -> None:
        super().__init__(inner)
        self._answer = answer

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        return self._answer.result()


class Unrecorded(Elsewhere):
    """Leaves a question that a recording lacks waiting, and counts it by agent."""

    def __init__(self, identity: dict[str, JsonValue], lacking: Counter[str]) -> None:
        super().__init__(identity)
        self._lacking = lacking

    def asking(self, place: Place) -> ChatCompletionClient:
        """Count the question; the client that is returned raises `QuestionsWait`."""
        self._lacking[place.agent] += 1
        return self

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Raise `QuestionsWait`."""
        raise QuestionsWait("the recording has no answer to this question")
