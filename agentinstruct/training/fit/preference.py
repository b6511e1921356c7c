"""Preference training: hands tokenised pairs to trl's `DPOTrainer`, or labelled replies to its `KTOTrainer`.

trl would tokenise text by itself; it is given tokens as inference feeds them instead, and takes them as they are. The
reference's log-probabilities are computed once before the first step, so that no second model stays in memory.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import Fit, Told, digest
from agentinstruct.training.fit.models import load_student
from agentinstruct.training.fit.phase import fit_phase, one_gpu_a_process
from agentinstruct.training.fit.sft import named
from agentinstruct.training.fit.trl_arguments import lora, trl_arguments
from agentinstruct.training.settings import PreferenceSettings

if TYPE_CHECKING:
    from datasets import Dataset

COLUMNS = {"dpo": ("prompt_ids", "chosen_ids", "rejected_ids"), "kto": ("prompt_ids", "completion_ids", "label")}
"""What a row holds: tokens of the prompt with its generation prompt, and of replies with the token that ends them."""


def fit_preference(
    model: str | Path,
    data: Dataset,
    settings: PreferenceSettings,
    out: Path,
    *,
    tokenizer: Any,
    reference: str | Path | None = None,
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Fit:
    """Teach `model` to prefer, by rows of `data` with the columns of `COLUMNS`; the loss is on replies alone.

    `reference` is the model it is held to, itself as it was before training if left out. The student ends in
    `out/student`. Call it again with the same words and it goes on after a kill, or returns what was finished. KTO
    walks the rows in one shuffled order every epoch. Raises `ConfigurationError` for a row that is too long or empty,
    and for settings the method cannot do with.
    """
    one_gpu_a_process()
    _check(settings, len(data))
    longest, fingerprint = _look_over(data, settings)
    told: Told = {
        "method": settings.method,
        "model": named(model),
        "reference": None if reference is None else named(reference),
        "data": fingerprint,
        "settings": settings.model_dump(mode="json"),
    }

    def build(callbacks: list[Any]) -> Any:
        student = load_student(model, settings, tokenizer=tokenizer)
        room = getattr(student.config.get_text_config(), "max_position_embeddings", settings.max_length)
        if longest > room:
            raise ConfigurationError(f"the longest example has {longest} tokens and {model} has {room} positions")
        trainer, arguments = _trainer(settings, data, say)
        shared = {**trl_arguments(settings, out), "max_length": min(settings.max_length, room)}
        return trainer(
            model=student,
            ref_model=None if reference is None else _frozen(reference, settings, tokenizer),
            args=arguments(**shared),
            train_dataset=_on_disk(data, settings, fingerprint, out / "checkpoints"),
            processing_class=tokenizer,
            callbacks=callbacks,
            peft_config=lora(settings.adapter) if settings.adapter else None,
        )

    return fit_phase(out, told, settings, build, model=model, tokenizer=tokenizer, resume=resume, say=say)


def balanced_weights(settings: PreferenceSettings, desirable: int, undesirable: int) -> tuple[float, float]:
    """Return KTO's weights: as set, or with `balance` the rarer label's raised until both sides weigh the same.

    Equal sides are the lower end of what KTO's authors advise (arXiv 2402.01306, equation 8).
    """
    weights = settings.desirable_weight, settings.undesirable_weight
    if not settings.balance:
        return weights
    if desirable < undesirable:
        return weights[1] * undesirable / desirable, weights[1]
    return weights[0], weights[0] * desirable / undesirable


def _check(settings: PreferenceSettings, rows: int) -> None:
    if rows == 0:
        raise ConfigurationError("there is nothing to prefer: look at what was left out of the data, and why")
    if settings.method == "kto" and min(settings.batch, rows) < 2:
        raise ConfigurationError(
            f"KTO estimates a divergence over each batch and needs 2 replies in it: batch is {settings.batch}, of "
            f"{rows} rows; raise batch, and lower accumulation if memory is short"
        )
    if settings.method == "kto" and settings.sft_weight:
        raise ConfigurationError(f"sft_weight {settings.sft_weight} is for method dpo: set it to 0 for kto")
    if settings.method == "dpo" and settings.balance:
        raise ConfigurationError("balance is for method kto: pairs are balanced as they are")
    if settings.adapter and "lm_head" in settings.adapter.layers:
        raise ConfigurationError(
            "adapter.layers names lm_head, which trl's preference losses would not train: leave it"
        )


def _trainer(settings: PreferenceSettings, data: Dataset, say: Callable[[str], None]) -> tuple[Any, Callable[..., Any]]:
    """Return trl's trainer of the method, and what makes its arguments of those that all methods share."""
    trl = need("trl")
    own: dict[str, Any] = {"beta": settings.beta, "precompute_ref_log_probs": True, "disable_dropout": True}
    if settings.method == "dpo":
        own |= {"loss_type": ["sigmoid"]}
        if settings.sft_weight:
            own |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]}
        return _taking_tokens(trl.DPOTrainer), lambda **shared: trl.DPOConfig(**shared, **own)
    labels = data["label"][:]
    right, wrong = sum(labels), len(labels) - sum(labels)
    if not (right and wrong):
        raise ConfigurationError(f"all {len(labels)} replies are labelled {bool(right)}: KTO learns from both labels")
    weights = balanced_weights(settings, right, wrong)
    own |= dict(zip(("desirable_weight", "undesirable_weight"), weights, strict=True))
    say(f"{right} desirable replies of weight {weights[0]:.3g}, {wrong} undesirable of weight {weights[1]:.3g}")
    return _taking_tokens(trl.KTOTrainer), lambda **shared: trl.KTOConfig(**shared, **own)


def _taking_tokens(trainer: Any) -> Any:
    """Return trl's trainer without its own tokenising, which it has no switch for."""

    class TakingTokens(trainer):  # type: ignore[misc]  # known only once trl is loaded
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    return TakingTokens


def _frozen(reference: str | Path, settings: PreferenceSettings, tokenizer: Any) -> Any:
    return load_student(reference, settings, tokenizer=tokenizer).requires_grad_(False).eval()


def _look_over(data: Dataset, settings: PreferenceSettings) -> tuple[int, str]:
    """Return the tokens of the longest sequence and a hash of all rows; raises `ConfigurationError` for a bad one."""
    columns = COLUMNS[settings.method]
    if missing := [name for name in columns if name not in data.column_names]:
        raise ConfigurationError(
            f"method {settings.method} wants the columns {', '.join(columns)}; none is {missing[0]}"
        )
    longest, seen, told = 0, 0, hashlib.sha256(settings.method.encode())
    for table in data.select_columns(list(columns)).with_format("arrow").iter(batch_size=1000):
        lengths = {}
        for name in columns:
            column = table[name].combine_chunks()
            if name == "label":
                told.update(_numbers(column).tobytes())
                continue
            lengths[name] = _numbers(column.value_lengths())
            told.update(lengths[name].tobytes() + _numbers(column.flatten()).tobytes())
            if (empty := (lengths[name] == 0).nonzero()[0]).size:
                raise ConfigurationError(
                    f"example {seen + empty[0]} has no tokens in {name}: leave it out (--skip-bad)"
                )
        for name in columns[1:]:
            if name == "label":
                continue
            whole = lengths["prompt_ids"] + lengths[name]
            if (long := (whole > settings.max_length).nonzero()[0]).size:
                raise ConfigurationError(
                    f"example {seen + long[0]} has {whole[long[0]]} tokens and max_length is {settings.max_length}: "
                    "raise max_length, or leave such examples out (--skip-bad)"
                )
            longest = max(longest, int(whole.max()))
        seen += table.num_rows
    return longest, told.hexdigest()


def _numbers(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False).astype("int64")


def _on_disk(data: Dataset, settings: PreferenceSettings, fingerprint: str, folder: Path) -> Dataset:
    """Write the rows as the trainer will walk them, and return them mapped from there.

    trl keeps the reference's log-probabilities beside them: a killed run finds them again, and so does every process.
    """
    import pyarrow as pa

    datasets, table = need("datasets"), need("datasets.table")
    kept = data.select_columns(list(COLUMNS[settings.method]))
    batches = _with_strangers(_shuffled(kept, settings), settings.batch) if settings.method == "kto" else _tables(kept)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.arrow"
    fresh = folder / f".rows-{uuid.uuid4().hex}"  # every process of a launch writes the same rows
    first = next(batches)
    with pa.OSFile(str(fresh), "wb") as file, pa.ipc.new_stream(file, first.schema) as writer:
        writer.write_table(first)
        for each in batches:
            writer.write_table(each)
    fresh.replace(path)
    walked = digest({"data": fingerprint, "method": settings.method, "seed": settings.seed, "batch": settings.batch})
    return datasets.Dataset(table.MemoryMappedTable.from_file(str(path)), fingerprint=walked[:16])


def _tables(data: Dataset, rows: int = 1000) -> Iterator[Any]:
    yield from data.with_format("arrow").iter(batch_size=rows)


def _shuffled(data: Dataset, settings: PreferenceSettings) -> Dataset:
    """Return the rows in a drawn order: KTO's trainer does not shuffle, and neighbours answer one problem."""
    order = list(range(len(data)))
    Random(settings.seed).shuffle(order)
    return data.select(order)


def _with_strangers(data: Dataset, batch: int) -> Iterator[Any]:
    """Yield batches with a reply to another prompt beside each, from which trl estimates KTO's divergence.

    Each row gets the reply of the one before it in its batch; in a last batch of one row, of the batch before.
    """
    last: Any = None
    for table in _tables(data, batch):
        replies = table["completion_ids"].combine_chunks()
        strangers = replies.take([len(replies) - 1, *range(len(replies) - 1)]) if len(replies) > 1 else last
        last = replies[-1:]
        yield table.append_column("KL_completion_ids", strangers)
