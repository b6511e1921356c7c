"""A recording by itself: any reply comes back as it was, and an answer is found by its place, else by its question."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.teacher.journaled import Place, restore
from agentinstruct.teacher.recording import Answer, Header, Recording, reply_fields

_TREES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
_OBJECTS = st.dictionaries(st.text(), _TREES)
CONTENTS = st.one_of(
    st.text(),
    _OBJECTS.map(json.dumps),
    _OBJECTS.map(lambda told: json.dumps(told, ensure_ascii=False)),
    _OBJECTS.map(lambda told: json.dumps(told, indent=1)),
    st.just('{"a": 1, "a": 2}'),
)


@given(CONTENTS, st.sampled_from(["stop", "length", "unknown"]), st.none() | st.text(min_size=1))
def test_a_reply_comes_back_as_it_was(content: str, finish: str, thought: str | None) -> None:
    reply = json.dumps([content, finish, [3, 2], thought], ensure_ascii=False)
    fields, blotted = reply_fields(reply)
    if not blotted:
        line = Answer(flow="f", seed="s", agent="a", model="m", **fields).line()
        back, was = Answer.model_validate_json(line).result(), restore(reply)
        assert (back.content, back.finish_reason, back.thought) == (was.content, was.finish_reason, was.thought)
        assert (back.usage.prompt_tokens, back.usage.completion_tokens) == (3, 2)


def _answer(seed: str, text: str, *, branch: str = "", n: int = 0) -> Answer:
    return Answer(flow="f", seed=seed, agent="a", branch=branch, n=n, question="h", model="m", text=text)


def _found(recording: Recording, seed: str, *, key: str = "unknown", occurrence: int = 0) -> str | None:
    place = Place(id="q", key=key, flow="f", seed=seed, agent="a", question="h", branch="b", occurrence=occurrence)
    answer = recording.find(place)
    return answer.text if answer else None


def test_an_answer_is_the_one_given_there_then_the_same_seeds_then_others_in_order() -> None:
    there = _answer("two", "there", branch="b", n=7)
    recording = Recording(
        Header(teachers={}), [_answer("one", "first"), _answer("two", "second"), _answer("one", "third", n=1), there]
    )
    assert _found(recording, "two", key=there.request) == "there"
    assert [_found(recording, "two", occurrence=n) for n in range(5)] == ["second", "there", "first", "third", None]
    assert [_found(recording, "three", occurrence=n) for n in (0, 3)] == ["first", "there"]
