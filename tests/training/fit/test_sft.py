"""A student learns exactly its labels, packed or not, and a killed phase ends at the weights of an unbroken one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.errors import ConfigurationError, MissingExtra, RunLocked
from agentinstruct.training.fit.folder import held, last_checkpoint
from agentinstruct.training.fit.log import read_log
from agentinstruct.training.fit.models import load_student
from agentinstruct.training.fit.sft import fit_sft, look_over
from agentinstruct.training.fit.trl_arguments import trl_arguments
from agentinstruct.training.settings import Adapter, SftSettings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def rows_of(count: int = 16, seed: int = 0) -> dict[str, list[list[int]]]:
    chance = random.Random(seed)
    ids = [[chance.randrange(3, 300) for _ in range(chance.randrange(4, 40))] for _ in range(count)]
    return {"input_ids": ids, "labels": [[-100, -100, *each[2:]] for each in ids]}


def dataset(count: int = 16, seed: int = 0) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(rows_of(count, seed))


def told(**values: Any) -> SftSettings:
    return SftSettings.model_validate({"learning_rate": 1e-3, "max_length": 64, "batch": 4, **values})


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(folder / "model.safetensors")
    return found


def same(one: Path, other: Path) -> bool:
    before, after = weights(one), weights(other)
    return before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)


@pytest.fixture(scope="module")
def marked_model(tiny_model: Path, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with ten times its weights, so that what attends to what shows in every number."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.mul_(10)
    folder = tmp_path_factory.mktemp("marked")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def loss_by_hand(model: Path, rows: dict[str, list[list[int]]]) -> float:
    import torch
    from transformers import AutoModelForCausalLM

    student = AutoModelForCausalLM.from_pretrained(model)
    losses: list[float] = []
    for ids, labels in zip(rows["input_ids"], rows["labels"], strict=True):
        with torch.no_grad():
            scores = student(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        losses += [-float(scores[place - 1, label]) for place, label in enumerate(labels) if label != -100]
    return sum(losses) / len(losses)


def test_packed_and_padded_examples_give_one_loss_and_one_gradient(
    marked_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    once = {"batch": 16, "optimizer": "sgd", "schedule": "constant", "learning_rate": 0.1, "max_grad_norm": 1e9}
    fits = {
        packing: fit_sft(
            marked_model, dataset(), told(packing=packing, **once), tmp_path / str(packing), tokenizer=tokenizer
        )
        for packing in (False, True)
    }
    assert fits[False].steps == fits[True].steps == 1
    assert fits[False].tokens == fits[True].tokens == sum(map(len, rows_of()["input_ids"]))
    assert fits[False].loss == pytest.approx(loss_by_hand(marked_model, rows_of()), abs=1e-5)
    assert fits[True].loss == pytest.approx(fits[False].loss, abs=1e-5)
    base, padded, packed = (weights(folder) for folder in (marked_model, fits[False].folder, fits[True].folder))
    assert max((padded[name] - base[name]).abs().max() for name in base) > 1e-3
    assert max((padded[name] - packed[name]).abs().max() for name in base) < 1e-5 * 0.1


KILLED = """
import json, sys
from pathlib import Path
from tests.training.fit.test_sft import dataset, told, fit_sft
from agentinstruct.training.fit.models import load_tokenizer
from tests.training.killed import die_after_a_checkpoint
model, out, values = sys.argv[1:]
die_after_a_checkpoint(Path(out))
fit_sft(model, dataset(), told(**json.loads(values)), Path(out), tokenizer=load_tokenizer(model))
"""


class _Counting(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST = do_HEAD

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a Hub that notes what it is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def start(words: list[str], hub: str) -> subprocess.Popen[bytes]:
    """Train in a process of its own, which may ask the Hub."""
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in offline}
    environment |= {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub}
    command = [sys.executable, "-c", KILLED, *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_phases_end_at_the_weights_of_unbroken_ones_and_tell_nobody(
    tiny_model: Path, tokenizer: Any, tmp_path: Path, hub: str
) -> None:
    """With all weights and with an adapter, whose dropout draws chance at every step."""
    kinds: dict[str, dict[str, Any]] = {"whole": {}, "adapter": {"adapter": {"rank": 4, "dropout": 0.2}}}
    values = {name: {"epochs": 12, "save_steps": 3, "packing": name == "whole", **each} for name, each in kinds.items()}
    started = {
        tmp_path / name: start([str(tiny_model), str(tmp_path / name), json.dumps(each)], hub)
        for name, each in values.items()
    }
    try:
        for out, process in started.items():
            output, _ = process.communicate(timeout=600)
            assert process.returncode == -signal.SIGKILL, output.decode()
            assert last_checkpoint(out) is not None
    finally:
        for process in started.values():
            with process:
                process.kill()
    assert _Counting.asked == []

    for name, each in values.items():
        out = tmp_path / name
        assert not (out / "fit.json").exists()
        torn = out / "checkpoints" / "checkpoint-9999"
        torn.mkdir()
        (torn / "trainer_state.json").write_text("{")
        noted = (out / "training.jsonl").read_text(encoding="utf-8")
        (out / "training.jsonl").write_text(f'{noted}{{"step": 99', encoding="utf-8")
        said: list[str] = []
        resumed = fit_sft(tiny_model, dataset(), told(**each), out, tokenizer=tokenizer, say=said.append)
        unbroken = fit_sft(tiny_model, dataset(), told(**each), tmp_path / f"{name}-unbroken", tokenizer=tokenizer)
        assert said[0].startswith("training goes on at step ")
        assert same(resumed.folder, unbroken.folder)
        assert (resumed.steps, resumed.tokens, resumed.loss) == (unbroken.steps, unbroken.tokens, unbroken.loss)
        assert [each["step"] for each in read_log(out)] == list(range(1, resumed.steps + 1))
        assert not (out / "checkpoints").exists()


def test_a_finished_phase_returns_at_once_and_one_told_otherwise_is_refused(
    tiny_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    def teach(data: Any = None, resume: bool = True, **values: Any) -> Any:
        said.clear()
        rows = dataset() if data is None else data
        return fit_sft(tiny_model, rows, told(**values), out, tokenizer=tokenizer, resume=resume, say=said.append)

    out, said = tmp_path / "out", list[str]()
    first = teach(max_steps=1)
    assert said
    assert teach(max_steps=1) == first
    assert not said
    with pytest.raises(ConfigurationError, match=r"settings\.learning_rate was 0\.001 and is 0\.002"):
        teach(max_steps=1, learning_rate=0.002)
    with pytest.raises(ConfigurationError, match="data was"):
        teach(dataset(seed=1), max_steps=1)
    again = teach(resume=False, max_steps=2, learning_rate=0.002)
    assert again.steps == 2
    with held(out), pytest.raises(RunLocked, match="another process"):
        teach(max_steps=2, learning_rate=0.002)


def test_a_student_taught_by_adapter_needs_no_adapter(tiny_model: Path, tokenizer: Any, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapted = told(adapter=Adapter(rank=4), learning_rate=0.05, max_steps=3)
    fit = fit_sft(tiny_model, dataset(), adapted, tmp_path / "out", tokenizer=tokenizer)
    merged = AutoModelForCausalLM.from_pretrained(fit.folder)
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    ids = torch.tensor([dataset()[0]["input_ids"]])
    with torch.no_grad():
        before, after = base(input_ids=ids).logits, merged(input_ids=ids).logits
        beside = PeftModel.from_pretrained(base, str(tmp_path / "out" / "adapter"))(input_ids=ids).logits
    assert torch.allclose(after, beside, atol=1e-5)
    assert not torch.allclose(after, before, atol=1e-3)
    assert merged.config.use_cache
    written = {path.name for path in (tmp_path / "out").rglob("*")}
    assert not {name for name in written if name.endswith((".bin", ".pt", ".pth"))}


@pytest.mark.parametrize(("precision", "kept"), [("float32", "F32"), ("bfloat16", "F32"), ("bfloat16-weights", "BF16")])
def test_weights_are_kept_as_the_precision_says_and_the_schedule_is_followed(
    precision: str, kept: str, tiny_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    asked = told(precision=precision, warmup=0.5, schedule="linear", gradient_checkpointing=True)
    fit = fit_sft(tiny_model, dataset(), asked, tmp_path, tokenizer=tokenizer)
    header = (fit.folder / "model.safetensors").read_bytes()
    held_as = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    assert {each["dtype"] for name, each in held_as.items() if name != "__metadata__"} == {kept}
    rates = [each["learning_rate"] for each in read_log(tmp_path)]
    assert rates == pytest.approx([0, 5e-4, 1e-3, 5e-4])
    assert json.loads((fit.folder / "config.json").read_text())["use_cache"] is True


def test_the_settings_decide_the_precision_whatever_a_launch_file_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from trl import SFTConfig

    for launched, precision, wanted in (("bf16", "float32", "no"), ("no", "bfloat16", "bf16")):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
        assert SFTConfig(**trl_arguments(told(precision=precision), tmp_path)).mixed_precision == wanted


def test_what_is_not_installed_or_does_not_exist_is_said_by_name(
    tiny_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(MissingExtra, match="pip install bitsandbytes"):
        trl_arguments(told(optimizer="paged_adamw_8bit"), tmp_path)
    with pytest.raises(ConfigurationError, match="no optimizer 'adam'; there are adamw_torch"):
        trl_arguments(told(optimizer="adam"), tmp_path)
    with pytest.raises(MissingExtra, match="a base of 4 bits"):
        load_student(tiny_model, told(adapter=Adapter(base_bits=4)), tokenizer=tokenizer)
    with pytest.raises(ConfigurationError, match="cannot load the model of"):
        load_student(tmp_path / "nothing", told(), tokenizer=tokenizer)
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ConfigurationError, match="safetensors"):
        load_student(tmp_path, told(), tokenizer=tokenizer)


row = st.lists(st.integers(0, 9), max_size=8).flatmap(
    lambda ids: st.tuples(
        st.just(ids),
        st.one_of(st.just([-100] * len(ids)), st.just(ids), st.lists(st.sampled_from([-100, 1]), max_size=8)),
    )
)


def _fault(ids: list[int], labels: list[int], most: int) -> str | None:
    if len(ids) != len(labels):
        return "labels: each token has one"
    if len(ids) > most:
        return f"tokens and max_length is {most}"
    return "no token to learn" if all(label == -100 for label in labels[1:]) else None


@settings(deadline=None, max_examples=150)
@given(st.lists(row, min_size=1, max_size=12), st.integers(0, 12))
def test_the_first_row_that_cannot_be_learnt_is_named_and_pieces_do_not_matter(
    rows: list[tuple[list[int], list[int]]], cut: int
) -> None:
    from datasets import Dataset, Features, List, Value, concatenate_datasets

    features = Features({"input_ids": List(Value("int32")), "labels": List(Value("int64"))})
    columns = {"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]}
    data = Dataset.from_dict(columns, features=features)
    faults = {number: fault for number, each in enumerate(rows) if (fault := _fault(*each, most=6))}
    pieces = [data.select(range(start, end)) for start, end in pairwise(sorted({0, min(cut, len(rows)), len(rows)}))]
    parts = concatenate_datasets(pieces)
    if faults:
        with pytest.raises(ConfigurationError, match=r"example \d+ ") as raised:
            look_over(parts, 6)
        number = int(str(raised.value).split()[1])
        assert faults[number] in str(raised.value)
    else:
        assert look_over(data, 6) == look_over(parts, 6)
        assert look_over(data, 6)[0] == max(len(ids) for ids, _ in rows)
        changed = data.map(lambda each: {"labels": [*each["labels"][:-1], 7]})
        assert (look_over(changed, 6)[1] == look_over(data, 6)[1]) == (changed[:] == data[:])
