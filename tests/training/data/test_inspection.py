"""What is wrong with training data is said before training, and what is right lands on disk as trl takes it."""

from __future__ import annotations

import json
import tracemalloc
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.errors import ConfigurationError, MissingExtra
from agentinstruct.training.data.inspection import inspect_data, prepare
from agentinstruct.training.data.rendering import NO_LOSS, ready_tokenizer
from agentinstruct.training.extras import need
from agentinstruct.training.settings import SftSettings

pytestmark = pytest.mark.slow

SETTINGS = SftSettings(learning_rate=1e-4, max_length=128)
GOOD = {"messages": [{"role": "user", "content": "12 + 30?"}, {"role": "assistant", "content": "42"}]}
LONG = {"messages": [{"role": "user", "content": "é" * 300}, {"role": "assistant", "content": "42"}]}
SILENT = {"messages": [{"role": "user", "content": "12?"}, {"role": "assistant", "content": ""}]}
QUOTED = {"messages": [{"role": "user", "content": "What is </s>?"}, {"role": "assistant", "content": "An end"}]}


@pytest.fixture(scope="module")
def ready(tokenizer: Any) -> Any:
    return ready_tokenizer(tokenizer)


def _file(folder: Path, *rows: Any) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_bad_rows_stop_it_with_places_reasons_and_counts(ready: Any, tmp_path: Path) -> None:
    source = _file(tmp_path, GOOD, LONG, *[SILENT] * 11, GOOD)
    with pytest.raises(ConfigurationError) as caught:
        prepare(source, ready, SETTINGS, folder=tmp_path / "out")
    lines = str(caught.value).split("\n")
    assert lines[0] == f"12 of 14 rows of {source} cannot be learnt from: 11 × an empty reply; 1 × too long"
    assert lines[1].startswith("  data.jsonl, line 2: too long (6")
    assert lines[1].endswith(" tokens, over max_length 128)")
    assert lines[2] == "  data.jsonl, line 3: an empty reply"
    assert lines[-2:] == ["  and 2 more", "mend them, or leave them out with --skip-bad"]
    assert len(lines) == 13
    assert not list((tmp_path / "out").iterdir())


def test_skipped_rows_are_counted_and_nothing_else_is_lost(ready: Any, tmp_path: Path) -> None:
    source = _file(tmp_path, GOOD, LONG, SILENT, QUOTED)
    data, seen = prepare(source, ready, SETTINGS, folder=tmp_path / "out", skip_bad=True)
    assert (seen.rows, seen.kept, seen.sequences, seen.control_text) == (4, 2, 2, 1)
    assert seen.bad == {"too long": 1, "an empty reply": 1}
    assert seen.tokens == sum(len(row["input_ids"]) for row in data)
    assert seen.reply_tokens == sum(label != NO_LOSS for row in data for label in row["labels"])
    assert ready.decode([label for label in data[1]["labels"] if label != NO_LOSS]) == "An end</s>"
    assert (seen.longest_of(1), seen.longest_of(0)) == (max(seen.lengths), min(seen.lengths))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sequences.arrow"]
    counted = inspect_data(source, ready, max_length=128, skip_bad=True)
    assert counted == seen
    assert inspect_data(source, ready, max_length=128, limit=1).rows == 1


def test_a_person_sees_what_would_be_learnt(ready: Any, tmp_path: Path) -> None:
    told = inspect_data(_file(tmp_path, GOOD, SILENT, QUOTED), ready, max_length=64, skip_bad=True).describe()
    lines = told.split("\n")
    assert lines[:2] == ["3 rows, 2 of them to learn from", "  left out: 1 × an empty reply"]
    assert any(line.startswith("tokens a sequence: half up to ") and line.endswith("(at most 64)") for line in lines)
    assert "1 rows hold control tokens in their text, which are learnt as text" in lines
    shown = ["first:", "  <s>### user", "  12 + 30?</s>", "  ### assistant", "  «42</s>»"]
    assert lines[-5:] == shown


@pytest.mark.parametrize(("rows", "complaint"), [([], "holds no rows"), ([SILENT], "nothing is left to learn from")])
def test_with_nothing_to_learn_from_it_says_so(ready: Any, tmp_path: Path, rows: list[Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        inspect_data(_file(tmp_path, *rows), ready, max_length=64, skip_bad=True)


def test_changed_data_are_never_served_from_a_cache(ready: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first, _ = prepare(_file(tmp_path, GOOD, QUOTED), ready, SETTINGS, folder=folder)
    told = first[0]
    again, _ = prepare(_file(tmp_path, GOOD, QUOTED), ready, SETTINGS, folder=folder)
    other, _ = prepare(_file(tmp_path, QUOTED, GOOD), ready, SETTINGS, folder=folder)
    assert first._fingerprint == again._fingerprint != other._fingerprint
    assert other[1] == told
    assert other.map(lambda row: {"size": len(row["labels"])})["size"] == [len(row["labels"]) for row in other]
    assert first[0] == told, "what was opened before stays what it was"


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # trl's own default sets it
def test_trl_takes_the_data_as_they_are(ready: Any, tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    data, seen = prepare(_file(tmp_path, GOOD, QUOTED, GOOD), ready, SETTINGS, folder=tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    told = SFTConfig(
        str(tmp_path / "run"), max_length=128, use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[]
    )
    trainer = SFTTrainer(model, args=told, train_dataset=data, processing_class=ready)
    assert trainer.train_dataset is not None
    assert [(row["input_ids"], row["labels"]) for row in trainer.train_dataset] == [
        (row["input_ids"], row["labels"]) for row in data
    ]
    batch = next(iter(trainer.get_train_dataloader()))
    assert int((batch["labels"] != NO_LOSS).sum()) == seen.reply_tokens


def test_memory_does_not_grow_with_the_rows(ready: Any, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        source = _file(tmp_path, *[GOOD] * rows)
        tracemalloc.start()
        _, seen = prepare(source, ready, SETTINGS, folder=tmp_path / "out")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert seen.rows == rows
        return most

    peak(260)  # fills the caches of libraries
    assert peak(1000) < peak(260) + 200_000


def test_a_folder_that_cannot_be_written_is_named(ready: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot write .*file/out/sequences.arrow: Not a directory"):
        prepare(_file(tmp_path, GOOD), ready, SETTINGS, folder=tmp_path / "file" / "out")


def test_a_missing_package_names_the_command_that_brings_it() -> None:
    with pytest.raises(MissingExtra, match=r"no_such_package.*pip install 'agentinstruct\[train\]'"):
        need("no_such_package")


def test_a_sequence_of_exactly_the_greatest_length_is_kept(ready: Any, tmp_path: Path) -> None:
    source = _file(tmp_path, GOOD)
    (length,) = inspect_data(source, ready, max_length=128).lengths
    assert inspect_data(source, ready, max_length=length).kept == 1
    with pytest.raises(ConfigurationError, match=f"too long .{length} tokens, over max_length {length - 1}"):
        inspect_data(source, ready, max_length=length - 1)


def test_the_same_tokens_with_other_loss_are_other_data(tokenizer: Any, tmp_path: Path) -> None:
    bare = deepcopy(tokenizer)
    bare.chat_template = "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    made = []
    for first, second in (("user", "assistant"), ("system", "user")):
        turns = [{"role": role, "content": "42"} for role in (first, second, "user", "assistant")]
        made.append(prepare(_file(tmp_path, {"messages": turns}), bare, SETTINGS, folder=tmp_path / first)[0])
    one, other = made
    assert one["input_ids"][:] == other["input_ids"][:]
    assert one["labels"][:] != other["labels"][:]
    assert one._fingerprint != other._fingerprint


@pytest.mark.parametrize(("told", "left"), [("Be careful.", "Be careful."), ("", None)])
def test_a_teacher_s_own_instructions_are_erased_before_the_student_reads(
    told: str, left: str | None, ready: Any, tmp_path: Path
) -> None:
    secret = {"messages": [{"role": "system", "content": "Recall, then answer."}, *GOOD["messages"]]}
    source = _file(tmp_path, secret, GOOD)
    settings = SETTINGS.model_copy(update={"system_message": told})
    (erased, plain), _ = prepare(source, ready, settings, folder=tmp_path / "out")
    (alone,), _ = prepare(_file(tmp_path, GOOD), ready, SETTINGS, folder=tmp_path / "alone")
    assert plain["input_ids"] == alone["input_ids"]
    words = ready.decode(erased["input_ids"])
    assert "Recall" not in words
    assert (left in words) if left else erased["input_ids"] == alone["input_ids"]
    assert [label for label in erased["labels"] if label != NO_LOSS] == [
        label for label in alone["labels"] if label != NO_LOSS
    ]
