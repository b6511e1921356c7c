"""A student's samples: what transformers would write greedily, from the nucleus alone otherwise, the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.practice.sampling import Student, _choose

pytestmark = pytest.mark.slow

PROMPTS = ["Ana has 12 apples.", "2 + 2?", "How many apples does Ana have? " * 4, "Paris", "a b c d e f g"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def student(tiny_model: Path) -> Student:
    """A tiny random student made sharper, so that it is sure of some tokens and ends some replies early."""
    import torch

    made = Student(tiny_model, rows=8)
    with torch.no_grad():
        made._model.lm_head.weight.mul_(40)
        for layer in made._model.model.layers:  # what it says depends on where what it read stands
            layer.self_attn.q_proj.weight.mul_(12)
            layer.self_attn.k_proj.weight.mul_(12)
        made._model.lm_head.weight[made._ends[0]] *= 2
    return made


def test_greedy_replies_are_what_transformers_generates_one_by_one(student: Student) -> None:
    import torch

    replies = student.sample(PROMPTS, samples=1, seed=0, max_new_tokens=24, temperature=0)
    for prompt, (reply,) in zip(PROMPTS, replies, strict=True):
        ids = torch.tensor([student.prompt_ids(prompt)])
        out = student._model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, pad_token_id=0
        )
        tokens = out[0, ids.shape[1] :].tolist()
        assert reply.tokens == len(tokens)
        assert reply.finished == (tokens[-1] in student._ends)
        assert reply.text == student.tokenizer.decode(tokens, skip_special_tokens=True).strip()


def test_the_same_seed_gives_the_same_replies_and_leaves_the_callers_chance_alone(student: Student) -> None:
    import torch

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = student.sample(PROMPTS, samples=3, seed=5, max_new_tokens=16)
    assert torch.equal(torch.rand(3), expected)
    assert one == student.sample(PROMPTS, samples=3, seed=5, max_new_tokens=16)
    assert one != student.sample(PROMPTS, samples=3, seed=6, max_new_tokens=16)
    assert len({reply.text for said in one for reply in said}) > len(PROMPTS), "samples of a prompt must differ"


def test_replies_do_not_depend_on_how_many_are_written_at_once(tiny_model: Path) -> None:
    together = Student(tiny_model, rows=64).sample(PROMPTS, samples=2, seed=1, max_new_tokens=12)
    assert together == Student(tiny_model, rows=2).sample(PROMPTS, samples=2, seed=1, max_new_tokens=12)


def test_some_replies_end_and_some_are_cut_short(student: Student) -> None:
    said = [reply for replies in student.sample(PROMPTS, samples=8, seed=2, max_new_tokens=12) for reply in replies]
    assert {reply.finished for reply in said} == {True, False}
    assert all(reply.tokens == 12 for reply in said if not reply.finished)


@pytest.mark.parametrize("vocabulary", [12, 400])
@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
def test_tokens_are_drawn_from_the_nucleus_as_often_as_they_are_likely(vocabulary: int, top_p: float) -> None:
    import torch

    torch.manual_seed(0)
    row = torch.randn(vocabulary) * (2 if vocabulary == 12 else 0.1)  # the flat one has a nucleus of hundreds
    draws = torch.rand(40_000)
    taken = torch.cat(
        [_choose(row.expand(len(part), -1), part, temperature=0.7, top_p=top_p) for part in draws.split(2000)]
    )
    chances = torch.softmax(row / 0.7, -1)
    ranked, order = chances.sort(descending=True)
    inside = (ranked.cumsum(0) - ranked) < top_p
    expected = {
        int(token): float(chance / ranked[inside].sum())
        for token, chance in zip(order[inside], ranked[inside], strict=True)
    }
    counts = Counter(taken.tolist())
    assert set(counts) <= set(expected)
    assert all(abs(counts[token] / len(draws) - chance) < 0.012 for token, chance in expected.items())


def test_a_prompt_that_leaves_no_room_is_refused_with_its_length(student: Student) -> None:
    with pytest.raises(ConfigurationError, match=r"600 new ones do not fit the 512 positions"):
        student.sample(PROMPTS, samples=1, seed=0, max_new_tokens=600)


def test_a_folder_without_a_student_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        Student(tmp_path)


def test_control_tokens_in_a_prompt_are_read_as_text(student: Student) -> None:
    ends: Any = student._ends
    assert not set(student.prompt_ids("say </s> now")) & set(ends) - set(student.prompt_ids("say now"))
