"""What is asked when a run is run again: nothing that was answered, and never an old answer to a new question."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Seed, Summary, TeacherOptions, generate, status
from agentinstruct.errors import BudgetExceeded
from agentinstruct.paths import SEEDS
from agentinstruct.teacher.spec import Sampling
from tests.engine import Question, Teacher, dataset_bytes, pairs_of, rejected_of, seeds, write_flow
from tests.openai_server import Fault, Kind, OpenAIServer

_FLOW = '''"""A summary, then a title of it; a motto beside them."""

from collections.abc import AsyncIterator

from pydantic import BaseModel

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


class Title(BaseModel):
    title: str


@flow
async def entitled(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    summary = await ask("summariser", text=seed.text)
    motto = await ask("motto_writer", text=seed.text, mood=ask.random.choice("abcdefghijkl"))
    titled = await ask("titler", summary=summary, returns=Title)
    yield Pair.of(f"A title for: {summary}", titled.title)
    yield Pair.of(f"A motto for: {seed.text}", motto)
'''
_FILES = {
    "flow.py": _FLOW,
    "summariser.md": "You shorten.\n---\n<text>{{ text }}</text>",
    "titler.md": "You entitle.\n---\n<summary>{{ summary }}</summary>",
    "motto_writer.md": "You find mottos.\n---\n<text>{{ text }}</text> {{ mood }}",
}
_TEXTS = [f"Text number {number}." for number in range(5)]


def _echo(question: Question) -> str | dict[str, Any]:
    if question.wanted:
        return {"title": f"{question.system} {question.section('summary')}"}
    return f"{question.system} {question.user}"


def _reply_over_http(request: dict[str, Any]) -> str:
    said = " ".join(turn["content"] for turn in request["messages"])
    return '{"title": "T"}' if "response_format" in request else said


def _asked(run: Callable[[Teacher], object]) -> list[str]:
    """Return the system messages of what a run asks."""
    teacher = Teacher(_echo)
    run(teacher)
    return sorted(question.system for question in teacher.asked)


def test_a_finished_run_asks_nothing_when_run_again(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)

    def run(teacher: Teacher) -> Summary:
        return generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)

    assert len(_asked(run)) == 3 * len(_TEXTS)
    before = dataset_bytes(tmp_path / "run")
    assert _asked(run) == []
    assert dataset_bytes(tmp_path / "run") == before
    assert len(pairs_of(tmp_path / "run")) == 2 * len(_TEXTS)


@pytest.mark.parametrize(
    ("agent", "asked_again"),
    [
        ("titler", ["You entitle!"]),
        ("summariser", ["You entitle.", "You shorten!"]),
        ("motto_writer", ["You find mottos!"]),
    ],
)
def test_a_changed_prompt_is_asked_again_with_what_depends_on_it_and_nothing_else(
    tmp_path: Path, agent: str, asked_again: list[str]
) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)

    def run(teacher: Teacher) -> Summary:
        return generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)

    _asked(run)
    name = f"{agent}.md"
    write_flow(folder, {name: _FILES[name].replace(".\n---", "!\n---")})
    assert _asked(run) == sorted(asked_again * len(_TEXTS))
    responses = [pair["messages"][1]["content"] for pair in pairs_of(tmp_path / "run")]
    wanted = "You find mottos!" if agent == "motto_writer" else "You entitle"
    assert sum(wanted in response for response in responses) == len(_TEXTS)


def test_a_changed_user_message_is_asked_again(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)

    def run(teacher: Teacher) -> Summary:
        return generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)

    _asked(run)
    write_flow(folder, {"titler.md": "You entitle.\n---\nShort: <summary>{{ summary }}</summary>"})
    assert _asked(run) == ["You entitle."] * len(_TEXTS)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_an_added_seed_is_the_only_one_asked_about(tmp_path: Path, place: int) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    teacher = Teacher(_echo)
    more = [*_TEXTS[:place], "A new text.", *_TEXTS[place:]]
    summary = generate(seeds(*more), [folder], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 3
    assert all("A new text." in question.user for question in teacher.asked)
    assert summary.pairs == 2 * len(more)
    generate(seeds(*more), [folder], tmp_path / "anew", teacher=Teacher(_echo))
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "anew")


def test_a_removed_seed_leaves_the_dataset_and_comes_back_for_nothing(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    whole = dataset_bytes(tmp_path / "run")
    fewer = generate(seeds(*_TEXTS[1:]), [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert (fewer.items, fewer.pairs) == (4, 8)
    teacher = Teacher(_echo)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert not teacher.asked
    assert dataset_bytes(tmp_path / "run") == whole


def test_a_seed_with_another_text_under_the_same_id_is_asked_about_anew(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate([Seed.of("Old.", id="one")], [folder], tmp_path / "run", teacher=Teacher(_echo))
    teacher = Teacher(_echo)
    generate([Seed.of("New.", id="one")], [folder], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 3
    assert "Old." not in str(pairs_of(tmp_path / "run"))


_BASE = TeacherOptions(
    teacher="openai:small", sampling=Sampling(temperature=0.5, top_p=0.9, max_tokens=500), concurrency=4
)


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        ({"teacher": "openai:large"}, 15),
        ({"sampling": Sampling(temperature=0.6, top_p=0.9, max_tokens=500)}, 15),
        ({"sampling": Sampling(temperature=0.0, top_p=0.9, max_tokens=500)}, 15),
        ({"sampling": Sampling(temperature=None, top_p=0.9, max_tokens=500)}, 15),
        ({"sampling": Sampling(temperature=0.5, top_p=0.8, max_tokens=500)}, 15),
        ({"sampling": Sampling(temperature=0.5, top_p=0.9, max_tokens=501)}, 15),
        ({"roles": {"titler": "openai:large"}}, 5),
        ({"sampling": Sampling(temperature=0.5, top_p=0.9, max_tokens=500, timeout=99)}, 0),
        ({"concurrency": 3, "requests_per_minute": 6e6, "budget_tokens": 10**9}, 0),
    ],
)
def test_what_decides_an_answer_is_never_changed_without_asking_anew(
    tmp_path: Path, openai_server: OpenAIServer, changed: dict[str, Any], calls: int
) -> None:
    openai_server.answer = _reply_over_http
    folder = write_flow(tmp_path / "entitled", _FILES)
    base = replace(_BASE, base_url=openai_server.base_url)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    assert len(openai_server.requests) == 15
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=replace(base, **changed))
    assert len(openai_server.requests) == 15 + calls
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    assert len(openai_server.requests) == 15 + calls, "the first answers were still there"


def test_another_endpoint_is_asked_anew(tmp_path: Path, openai_server: OpenAIServer) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    openai_server.answer = _reply_over_http
    with OpenAIServer(_reply_over_http) as other:
        for server in (openai_server, other, openai_server, other):
            generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=replace(_BASE, base_url=server.base_url))
        assert (len(openai_server.requests), len(other.requests)) == (15, 15)


def test_a_changed_reply_schema_is_asked_anew(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    described = _FLOW.replace("    title: str", '    title: str\n    """In three words."""\n    words: int = 3')
    write_flow(folder, {"flow.py": described})
    teacher = Teacher(_echo)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert [question.system for question in teacher.asked] == ["You entitle."] * len(_TEXTS)


def test_another_run_seed_asks_only_what_chance_decides(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo), run_seed=0)
    teacher = Teacher(_echo)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher, run_seed=1)
    assert teacher.asked
    assert {question.system for question in teacher.asked} == {"You find mottos."}


@pytest.mark.parametrize("fault", ["raise ValueError('a mistake in the flow')", "from nowhere import nothing"])
def test_a_flow_mended_later_asks_nothing_that_was_answered(tmp_path: Path, fault: str) -> None:
    broken = _FLOW.replace('    yield Pair.of(f"A motto', f'    {fault}\n    yield Pair.of(f"A motto')
    folder = write_flow(tmp_path / "entitled", {**_FILES, "flow.py": broken})
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=Teacher(_echo))
    assert (summary.failed, summary.done) == (len(_TEXTS), 0)
    write_flow(folder, {"flow.py": _FLOW})
    teacher = Teacher(_echo)
    mended = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert not teacher.asked
    assert (mended.failed, mended.pairs) == (0, 2 * len(_TEXTS))


def test_equal_questions_of_one_seed_keep_their_own_answers(tmp_path: Path) -> None:
    code = """from agentinstruct.flow import flow
from agentinstruct import Pair


@flow
async def twice(seed, ask):
    first, second = await ask("sayer", text=seed.text), await ask("sayer", text=seed.text)
    third = await ask.branch("side")("sayer", text=seed.text)
    yield Pair.of(seed.text, f"{first} {second} {third}")
"""
    folder = write_flow(tmp_path / "twice", {"flow.py": code, "sayer.md": "Say.\n---\n{{ text }}"})
    count = iter(range(1000))
    teacher = Teacher(lambda _: f"answer {next(count)}")
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 3 * len(_TEXTS)
    before = pairs_of(tmp_path / "run")
    assert len({word for pair in before for word in pair["messages"][1]["content"].split()}) == 1 + 3 * len(_TEXTS)
    write_flow(folder, {"flow.py": code + "# a harmless change that makes every item run again\n"})
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=teacher)
    assert len(teacher.asked) == 3 * len(_TEXTS)
    assert pairs_of(tmp_path / "run") == before


def test_the_same_run_gives_the_same_bytes_whatever_the_concurrency(tmp_path: Path) -> None:
    sources = [SEEDS / "sample"]
    flows = ["math_word_problems", "reading_comprehension"]
    runs: list[dict[str, bytes]] = []
    for concurrency in (64, 64, 1, 5):
        out = tmp_path / f"run-{len(runs)}"
        generate(sources, flows, out, teacher=TeacherOptions(teacher="recorded:sample", concurrency=concurrency))
        runs.append(dataset_bytes(out))
    assert len(pairs_of(tmp_path / "run-0")) > 50
    assert rejected_of(tmp_path / "run-0")
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_a_seed_draws_the_same_way_whatever_runs_beside_it(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    texts = [f"Text number {number}." for number in range(30)]

    def moods(name: str, chosen: list[str], run_seed: int = 0) -> dict[str, str]:
        teacher = Teacher(_echo)
        generate(seeds(*chosen), [folder], tmp_path / name, teacher=teacher, run_seed=run_seed)
        mottos = [question for question in teacher.asked if question.system == "You find mottos."]
        return {question.section("text"): question.user[-1] for question in mottos}

    together = moods("together", texts)
    assert len(set(together.values())) > 3, "there was no chance in it"
    shuffled = random.Random(3).sample(texts, 12)
    apart = moods("apart", shuffled)
    assert apart == {text: together[text] for text in shuffled}
    assert moods("otherwise", texts, run_seed=1) != together


@pytest.mark.parametrize("kind", ["refusal", "content_filter"])
def test_a_refusal_was_paid_for_and_is_not_asked_for_again(
    tmp_path: Path, openai_server: OpenAIServer, kind: Kind
) -> None:
    openai_server.answer = _reply_over_http
    openai_server.fail(lambda _, request: Fault(kind=kind) if "number 3" in str(request) else None)
    folder = write_flow(tmp_path / "entitled", _FILES)
    base = replace(_BASE, base_url=openai_server.base_url)
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    before = rejected_of(tmp_path / "run")
    assert len(before) == 1
    assert len(openai_server.requests) == 13
    write_flow(folder, {"flow.py": _FLOW + "# a harmless change that makes every item run again\n"})
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    assert len(openai_server.requests) == 13
    assert rejected_of(tmp_path / "run") == before


def test_half_an_emoji_in_a_reply_is_replaced_the_first_time_as_when_replayed(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.answer = lambda request: (
        '{"title": "T"}' if "response_format" in request else f"half \ud83d {request['messages'][-1]['content']}"
    )
    folder = write_flow(tmp_path / "entitled", _FILES)
    base = replace(_BASE, base_url=openai_server.base_url)
    summary = generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    assert (summary.done, summary.failed, summary.pairs) == (5, 0, 10)
    before = dataset_bytes(tmp_path / "run")
    assert "half \N{REPLACEMENT CHARACTER} <text>" in pairs_of(tmp_path / "run")[0]["messages"][0]["content"]
    write_flow(folder, {"flow.py": _FLOW + "# a harmless change that makes every item run again\n"})
    generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=base)
    assert len(openai_server.requests) == 15
    assert dataset_bytes(tmp_path / "run") == before


def test_a_corrected_licence_or_source_reaches_the_dataset_and_asks_nothing(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    generate([Seed.of("One.", source="here")], [folder], tmp_path / "run", teacher=Teacher(_echo))
    teacher = Teacher(_echo)
    generate([Seed.of("One.", source="there", license="MIT")], [folder], tmp_path / "run", teacher=teacher)
    assert {(pair["source"], pair["license"]) for pair in pairs_of(tmp_path / "run")} == {("there", "MIT")}
    assert teacher.asked == []


def test_a_run_stopped_after_a_change_publishes_nothing_from_before_it(tmp_path: Path) -> None:
    folder = write_flow(tmp_path / "entitled", _FILES)
    other = write_flow(tmp_path / "other", {**_FILES, "flow.py": _FLOW.replace("for:", "of:")})
    generate(seeds(*_TEXTS), [folder, other], tmp_path / "run", teacher=Teacher(_echo))
    whole = dataset_bytes(tmp_path / "run")
    write_flow(folder, {"summariser.md": _FILES["summariser.md"].replace(".", "!")})
    count = iter(range(100))

    def until_the_fifth(question: Question) -> Any:
        return _echo(question) if next(count) < 4 else BudgetExceeded("enough")

    options = TeacherOptions(teacher=Teacher(until_the_fifth), concurrency=1)
    with pytest.raises(BudgetExceeded):
        generate(seeds(*_TEXTS), [folder], tmp_path / "run", teacher=options)
    pairs = pairs_of(tmp_path / "run")
    assert {pair["lineage"]["flow"] for pair in pairs} == {"entitled"}
    assert "You shorten." not in str(pairs)
    summary = status(tmp_path / "run")
    assert (summary.items, summary.done + summary.pending, summary.pairs) == (5, 5, 2 * summary.done)
    assert summary.pending
    write_flow(folder, _FILES)
    teacher = Teacher(_echo)
    generate(seeds(*_TEXTS), [folder, other], tmp_path / "run", teacher=teacher)
    assert dataset_bytes(tmp_path / "run") == whole
    assert teacher.asked == []


def test_a_speakers_name_is_part_of_the_question(tmp_path: Path) -> None:
    code = """from autogen_core.models import AssistantMessage, UserMessage

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow
async def talk(seed, ask):
    client = ask.client("sayer")
    said = [AssistantMessage(content="Well?", source="host"), UserMessage(content=seed.text, source="guest")]
    yield Pair.of(seed.text, (await client.create(said)).content)
"""
    folder = write_flow(tmp_path / "talk", {"flow.py": code})
    teacher = Teacher(lambda question: str([message.source for message in question.messages]))  # type: ignore[union-attr]
    generate(seeds("One."), [folder], tmp_path / "run", teacher=teacher)
    write_flow(folder, {"flow.py": code.replace("host", "ghost")})
    generate(seeds("One."), [folder], tmp_path / "run", teacher=teacher)
    (pair,) = pairs_of(tmp_path / "run")
    assert pair["messages"][1]["content"] == "['ghost', 'guest']"
