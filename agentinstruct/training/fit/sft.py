"""Supervised fine-tuning: hands tokenised examples to trl's `SFTTrainer`, with loss on the labels alone."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.data import Conversation, Inspection, prepare, read_conversations, ready_tokenizer
from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import Fit, Told
from agentinstruct.training.fit.models import attention, load_student, load_tokenizer, smoke_model
from agentinstruct.training.fit.phase import fit_phase, is_main, main_process_first, one_gpu_a_process, silent
from agentinstruct.training.fit.student_card import write_student_card
from agentinstruct.training.fit.trl_arguments import lora, trl_arguments
from agentinstruct.training.settings import SftSettings

if TYPE_CHECKING:
    from datasets import Dataset


def fit_sft(
    model: str | Path,
    data: Dataset,
    settings: SftSettings,
    out: Path,
    *,
    tokenizer: Any,
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Fit:
    """Teach `model` the rows of `data` (`input_ids`, and `labels` with -100 where there is no loss).

    The student ends in `out/student`, merged if an adapter was trained. Call it again with the same words and it goes
    on after a kill, or returns what was finished. Raises `ConfigurationError` for a row that is too long, of unequal
    columns, or without a label: nothing is cut or dropped silently.
    """
    one_gpu_a_process()
    longest, fingerprint = look_over(data, settings.max_length)
    told: Told = {
        "method": "sft",
        "model": named(model),
        "data": fingerprint,
        "settings": settings.model_dump(mode="json"),
    }

    def build(callbacks: list[Any]) -> Any:
        trl = need("trl")
        # Without flash attention a batch of packed rows would be one sequence with a mask of batch² · length²
        # entries: rows go one by one instead, and the step stays what it was.
        rows = 1 if settings.packing and not attention(settings).startswith("flash") else None
        arguments = trl_arguments(settings, out, rows=rows)
        if settings.packing:  # nothing is padded, and there is no mask to count by
            arguments["include_num_input_tokens_seen"] = "all"
        # Before the model: from it transformers knows that many processes load, and how they share
        config = trl.SFTConfig(**arguments, packing=settings.packing, dataset_kwargs={"skip_prepare_dataset": True})
        student = load_student(model, settings, tokenizer=tokenizer)
        room = getattr(student.config.get_text_config(), "max_position_embeddings", longest)
        if longest > room:
            raise ConfigurationError(
                f"the longest example has {longest} tokens and {model} has room for {room}: leave out what is longer"
            )
        kept = data.select_columns(["input_ids", "labels"])
        return trl.SFTTrainer(
            model=student,
            args=config,
            train_dataset=trl.pack_dataset(kept, settings.max_length, "bfd") if settings.packing else kept,
            processing_class=tokenizer,
            callbacks=callbacks,
            peft_config=lora(settings.adapter) if settings.adapter else None,
        )

    return fit_phase(out, told, settings, build, model=model, tokenizer=tokenizer, resume=resume, say=say)


def train_sft(
    data: Sequence[str | Path],
    model: str | Path | None,
    out: Path,
    settings: SftSettings,
    *,
    skip_bad: bool = False,
    smoke: bool = False,
    recipe: str | None = None,
    say: Callable[[str], None] = print,
) -> Fit:
    """Read the data, show what is in it, teach the student, and write its card: all that `train sft` does.

    `data` are sources that `read_rows` knows, a run's directory among them. With `smoke` a tiny random model is made
    from the data's own words in place of `model`, and taught for a few steps. `recipe` is its name, for the card.
    """
    say = say if is_main() else silent
    if smoke:
        settings = _for_smoke(settings)
        with main_process_first():
            model = smoke_model(_words(data), out / "smoke_model") if is_main() else out / "smoke_model"
        say("a smoke test: a tiny random model learns a few steps, and nothing of use")
    if model is None:
        raise ConfigurationError("no student to teach: give --model a Hub name or a folder, or try --smoke")
    tokenizer = ready_tokenizer(load_tokenizer(model))
    parts = [
        prepare(source, tokenizer, settings, folder=out / "data" / str(number), skip_bad=skip_bad)
        for number, source in enumerate(data)
    ]
    for source, (_, inspection) in zip(data, parts, strict=True):
        say(f"{source}: {inspection.describe()}")
    if smoke:  # packed rows are only as long as they must be
        settings = settings.model_copy(update={"max_length": max(each.longest_of(1) for _, each in parts)})
    rows = need("datasets").concatenate_datasets([each for each, _ in parts])
    fit = fit_sft(model, rows, settings, out, tokenizer=tokenizer, say=say)
    if is_main():
        write_student_card(
            fit,
            method="supervised fine-tuning",
            base=model,
            data=data,
            settings=settings,
            counts=_counts([inspection for _, inspection in parts]),
            recipe=recipe,
            smoke=smoke,
        )
        shutil.rmtree(out / "data", ignore_errors=True)
    say(f"the student is in {fit.folder}: {fit.steps} steps, {fit.tokens:,} tokens, mean loss {fit.loss:.4f}")
    return fit


def _for_smoke(settings: SftSettings) -> SftSettings:
    """Return settings that any machine trains with in seconds, and otherwise as they are."""
    adapter = settings.adapter and settings.adapter.model_copy(update={"base_bits": 16})
    return settings.model_copy(
        update={
            "max_steps": 4,
            "batch": min(settings.batch, 2),
            "accumulation": 1,
            "max_length": 4 * settings.max_length,  # its tokens are shorter than those of a learnt tokenizer
            "precision": "float32",
            "optimizer": "adamw_torch",
            "attention": None,
            "adapter": adapter,
            "report_to": (),
        }
    )


def _words(data: Sequence[str | Path]) -> Iterator[str]:
    """Yield texts to learn a tokenizer from: those of the first conversations are enough."""
    for source in data:
        for each in islice(read_conversations(source), 200):
            if isinstance(each, Conversation):
                yield from (turn["content"] for turn in each.messages if isinstance(turn.get("content"), str))


def _counts(inspections: Sequence[Inspection]) -> dict[str, str]:
    """Return the figures of all sources together, for the card."""
    left_out = sum((Counter(each.bad) for each in inspections), Counter[str]())
    longest = max(each.longest_of(1) for each in inspections)
    figures = {
        "rows": sum(each.rows for each in inspections),
        "rows learnt from": sum(each.kept for each in inspections),
        **{f"left out: {reason}": count for reason, count in left_out.most_common()},
        "sequences": sum(each.sequences for each in inspections),
        "tokens": sum(each.tokens for each in inspections),
        "tokens that bear loss": sum(each.reply_tokens for each in inspections),
        "tokens of the longest sequence": longest,
    }
    return {name: f"{value:,}" for name, value in figures.items()}


def named(model: str | Path) -> str:
    """Return a Hub name as it is, and a folder as its whole path."""
    return str(Path(model).resolve()) if Path(model).is_dir() else str(model)


def look_over(data: Dataset, most: int) -> tuple[int, str]:
    """Return the tokens of the longest row and a hash of all of them, whatever files or pieces they lie in.

    Raises `ConfigurationError` for the first row that is longer than `most`, uneven, or has nothing to learn.
    """
    if len(data) == 0:
        raise ConfigurationError("there is no example to train on: look at what was left out of the data, and why")
    longest, seen, told = 0, 0, hashlib.sha256()
    for table in data.select_columns(["input_ids", "labels"]).with_format("arrow").iter(batch_size=1000):
        ids, labels = (table[name].combine_chunks() for name in ("input_ids", "labels"))
        lengths, counted = _numbers(ids.value_lengths()), _numbers(labels.value_lengths())
        if (uneven := (lengths != counted).nonzero()[0]).size:
            row = uneven[0]
            raise ConfigurationError(
                f"example {seen + row} has {lengths[row]} tokens and {counted[row]} labels: each token has one"
            )
        if (long := (lengths > most).nonzero()[0]).size:
            raise ConfigurationError(
                f"example {seen + long[0]} has {lengths[long[0]]} tokens and max_length is {most}: raise max_length, "
                "or leave such examples out (--skip-bad)"
            )
        values = _numbers(labels.flatten())
        if (idle := _idle(values, lengths)).size:
            raise ConfigurationError(
                f"example {seen + idle[0]} has no token to learn: every label is -100; leave it out (--skip-bad)"
            )
        for column in (lengths, _numbers(ids.flatten()), values):
            told.update(column.tobytes())
        longest, seen = max(longest, int(lengths.max())), seen + len(lengths)
    return longest, told.hexdigest()


def _numbers(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False).astype("int64")


def _idle(labels: Any, lengths: Any) -> Any:
    """Return which rows have no label beyond the first token, which nothing foretells."""
    import numpy

    ends = lengths.cumsum()
    learnt = labels != -100
    learnt[(ends - lengths)[lengths > 0]] = False
    before = numpy.concatenate(([0], learnt.cumsum()))
    return (before[ends] == before[ends - lengths]).nonzero()[0]
