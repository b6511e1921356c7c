"""Forecasts against what they foretell: real models, optimisers, gradients, packing and trainers, all tiny."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.data.volumes import measure, packed
from agentinstruct.training.forecast.forecast import Machine, flops_per_epoch, forecast, steps_per_epoch
from agentinstruct.training.forecast.memory import activation_bytes, memory, optimizer_bytes
from agentinstruct.training.recipes.recipes import load_recipe
from agentinstruct.training.settings import Adapter, PreferenceSettings, SftSettings
from agentinstruct.training.shapes import Shape, find_config, read_shape, shape_of

pytestmark = pytest.mark.slow

TINY = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}
MID = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 5, "num_attention_heads": 8}
SFT = SftSettings(learning_rate=1e-5)


def _config(kind: str, sizes: dict[str, int], **more: Any) -> Any:
    from transformers import AutoConfig

    told = {"vocab_size": 503, "num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": False}
    return AutoConfig.for_model(kind, **sizes, **(told | more))


def _model(config: Any, **more: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(config, **more)


def _shape(config: Any) -> Shape:
    return shape_of(config.to_dict(), "here")


@pytest.mark.parametrize("kind", ["mistral", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("sizes", [TINY, MID], ids=["tiny", "mid"])
@pytest.mark.parametrize("more", [{}, {"tie_word_embeddings": True}, {"head_dim": 24}], ids=["plain", "tied", "heads"])
def test_weights_are_counted_as_a_real_model_has_them(kind: str, sizes: dict[str, int], more: dict[str, Any]) -> None:
    if kind == "qwen2" and "head_dim" in more:
        pytest.skip("its heads have no width of their own")
    config = _config(kind, sizes, **more)
    assert _shape(config).parameters == sum(weight.numel() for weight in _model(config).parameters())


def test_weights_of_the_papers_bases_are_those_that_are_known() -> None:
    """7,241,732,096 and 13,015,864,320 are what the checkpoints hold."""
    counts = {name: load_recipe(name).model.shape for name in ("orca-3", "orca-math", "orca-1", "orca-2")}
    found = [shape.parameters for shape in counts.values() if shape]
    assert found == [7_241_732_096, 7_241_732_096, 13_015_864_320, 13_015_864_320]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("layers", ["all-linear", ("q_proj", "v_proj"), ("down_proj",)])
def test_an_adapters_weights_are_counted_as_peft_makes_them(layers: Any) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    config = _config("mistral", TINY)
    wanted = layers if isinstance(layers, str) else list(layers)
    base = _model(config, dtype=torch.bfloat16)
    model = get_peft_model(base, LoraConfig(r=6, target_modules=wanted, task_type="CAUSAL_LM"))
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    assert _shape(config).adapter_parameters(6, layers) == sum(weight.numel() for weight in learnt)
    told = SFT.model_copy(update={"precision": "bfloat16-weights", "adapter": Adapter(rank=6, layers=layers)})
    state = memory(_shape(config), told, length=8).state
    assert state["weights"] == sum(weight.nbytes for weight in model.parameters())
    assert state["gradients"] == sum(weight.nbytes for weight in learnt)
    assert state["optimiser"] == 2 * state["gradients"]


@pytest.mark.parametrize(("precision", "dtype"), [("float32", "float32"), ("bfloat16-weights", "bfloat16")])
def test_weights_gradients_and_optimiser_take_the_bytes_that_torch_holds(precision: Any, dtype: str) -> None:
    import torch

    config = _config("mistral", TINY)
    model = _model(config, dtype=getattr(torch, dtype))
    optimizer = torch.optim.AdamW(model.parameters())
    model(input_ids=torch.arange(12).reshape(2, 6)).logits.float().sum().backward()
    optimizer.step()
    state = memory(_shape(config), SFT.model_copy(update={"precision": precision}), length=6).state
    weights = list(model.parameters())
    assert state["weights"] == sum(weight.nbytes for weight in weights)
    assert state["gradients"] == sum(weight.grad.nbytes for weight in weights)
    held = [value.nbytes for each in optimizer.state.values() for value in each.values() if value.dim()]
    assert state["optimiser"] == sum(held)


def test_other_optimisers_take_what_they_keep() -> None:
    assert optimizer_bytes("adamw_torch", 1000, 4) == 8000
    for name in ("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit"):
        assert optimizer_bytes(name, 256, 4) == 2 * (256 + 4)
    assert optimizer_bytes("sgd", 1000, 4) == 0
    assert optimizer_bytes("unheard_of", 1000, 2) == 4000


def _kept_bytes(model: Any, *, rows: int, length: int, autocast: bool) -> int:
    """Return the bytes that autograd keeps for the backward pass, weights and what is made of them aside."""
    import torch

    shapes = {tuple(weight.shape) for weight in model.parameters()}
    shapes |= {shape[::-1] for shape in shapes if len(shape) == 2}
    ours = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(value: Any) -> Any:
        storage = value.untyped_storage()
        if storage.data_ptr() not in ours and tuple(value.shape) not in shapes:
            kept.setdefault(storage.data_ptr(), storage)
        return value

    ids = torch.randint(0, 400, (rows, length))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            model.model(input_ids=ids, use_cache=False)
        return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "bfloat16-weights"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["all", "checkpoints"])
def test_a_block_keeps_the_bytes_that_autograd_keeps(precision: Any, attention: Any, checkpointing: bool) -> None:
    """Exact on the CPU, block by block: the difference that two more blocks make."""
    import torch

    rows, length = 2, 96
    found = []
    for blocks in (2, 4):
        config = _config("mistral", TINY | {"num_hidden_layers": blocks}, sliding_window=None)
        dtype = torch.bfloat16 if precision == "bfloat16-weights" else torch.float32
        model = _model(config, dtype=dtype, attn_implementation=attention).train()
        if checkpointing:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        found.append(_kept_bytes(model, rows=rows, length=length, autocast=precision == "bfloat16"))
    told = SFT.model_copy(update={"precision": precision, "attention": attention, "batch": rows})
    shape = _shape(_config("mistral", TINY))
    if not checkpointing:
        assert (found[1] - found[0]) / (2 * rows * length) == activation_bytes(shape, told, length)
    several = [
        memory(
            shape.model_copy(update={"num_hidden_layers": blocks}),
            told.model_copy(update={"gradient_checkpointing": checkpointing}),
            length=length,
        ).work["activations"]
        for blocks in (2, 4)
    ]
    assert found[1] - found[0] == several[1] - several[0]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("layers", ["all-linear", ("q_proj", "v_proj"), ("o_proj", "up_proj", "down_proj")])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "bfloat16-weights"])
def test_beside_an_adapter_a_block_keeps_the_bytes_that_autograd_keeps(precision: Any, layers: Any) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    found = []
    for blocks in (2, 4):
        dtype = torch.bfloat16 if precision == "bfloat16-weights" else torch.float32
        model = _model(_config("mistral", MID | {"num_hidden_layers": blocks}, sliding_window=None), dtype=dtype)
        wanted = layers if isinstance(layers, str) else list(layers)
        made = get_peft_model(model, LoraConfig(r=7, target_modules=wanted, task_type="CAUSAL_LM"))
        found.append(_kept_bytes(made.get_base_model(), rows=2, length=96, autocast=precision == "bfloat16"))
    told = SFT.model_copy(update={"precision": precision, "adapter": Adapter(rank=7, layers=layers)})
    kept = activation_bytes(_shape(_config("mistral", MID)), told, 96)
    assert (found[1] - found[0]) / (2 * 2 * 96) == kept


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(16, 40))
def test_packed_sequences_are_as_many_as_trl_makes(lengths: list[int], most: int) -> None:
    from datasets import Dataset
    from trl import pack_dataset

    rows = Dataset.from_dict({"input_ids": [list(range(length)) for length in lengths]})
    assert packed(lengths, most) == len(pack_dataset(rows, most, "bfd"))


def test_many_rows_pack_as_trl_packs_them_a_thousand_at_a_time() -> None:
    from datasets import Dataset
    from trl import pack_dataset

    chance = random.Random(0)
    lengths = [chance.randint(1, 64) for _ in range(2500)]
    rows = Dataset.from_dict({"input_ids": [[0] * length for length in lengths]})
    volume = measure([[length] for length in lengths], SFT.model_copy(update={"packing": True, "max_length": 64}))
    assert volume.sequences == packed(lengths, 64) == len(pack_dataset(rows, 64, "bfd"))
    assert (volume.tokens, volume.processed, volume.padding) == (sum(lengths), sum(lengths), 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 6), st.sampled_from([0.3, 1.0, 2.5]))
def test_steps_are_as_many_as_the_trainer_takes(rows: int, batch: int, accumulation: int, epochs: float) -> None:
    from torch.utils.data import DataLoader
    from transformers import Trainer

    told = SFT.model_copy(update={"batch": batch, "accumulation": accumulation, "epochs": epochs})
    arguments = _arguments(gradient_accumulation_steps=accumulation, num_train_epochs=epochs)
    trainer = Trainer.__new__(Trainer)
    trainer.args, trainer.get_sp_size, trainer.get_total_train_batch_size = arguments, lambda: 1, lambda _: batch
    loader: Any = DataLoader(list(range(rows)), batch_size=batch)
    taken = trainer.set_initial_training_values(arguments, loader)
    volume = measure([[5]] * rows, told)
    assert taken[1] == steps_per_epoch(rows, told, 1)
    assert taken[-1] == forecast(None, told, volume, Machine()).steps


def _arguments(**given: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(max_steps=-1, include_tokens_per_second=False, include_num_input_tokens_seen="no", **given)


def test_several_devices_share_the_sequences_and_the_state() -> None:
    shape = load_recipe("orca-3").model.shape
    assert shape is not None
    told = load_recipe("orca-3").phases[0].settings()
    volume = measure([[8192]] * 15_200, told)
    alone, many = (forecast(shape, told, volume, Machine(devices=number, tflops=312)) for number in (1, 152))
    assert (many.sequences_per_step, many.tokens_per_step, many.steps_per_epoch) == (1520, 1520 * 8192, 10)
    assert alone.memory and many.memory and alone.memory == many.memory
    state, work = sum(many.memory.state.values()), sum(many.memory.work.values())
    assert many.memory.total(152) == state // 152 + work
    assert alone.hours and many.hours and alone.hours == pytest.approx(152 * many.hours)


def test_the_papers_own_hours_hold_what_they_can_hold() -> None:
    """Orca-3: 200 h of 152 A100 for 3 × 25.8M pairs. At 40 % of 312 TFLOP/s that is time for some 3,000 tokens a pair,
    recomputation included; the pairs are shorter, so the forecast must be shorter than the paper's hours, not longer.
    """
    recipe = load_recipe("orca-3")
    told, shape = recipe.phases[0].settings(), recipe.model.shape
    assert shape is not None
    hours = {}
    for tokens in (1000, 2950):
        volume = measure([[tokens]] * 2580, told)
        hours[tokens] = (forecast(shape, told, volume, Machine(devices=152, tflops=312)).hours or 0) * 10_000
    assert 60 < hours[1000] < 70
    assert hours[2950] == pytest.approx(200, rel=0.01)


def test_full_bf16_mistral_takes_what_arithmetic_says() -> None:
    shape = load_recipe("orca-3").model.shape
    assert shape is not None
    told = SftSettings(learning_rate=8e-6, max_length=8192, batch=1, precision="bfloat16-weights", packing=True)
    held = memory(shape, told, length=8192)
    assert held.state == {
        "weights": 2 * shape.parameters,
        "gradients": 2 * shape.parameters,
        "optimiser": 4 * shape.parameters,
    }
    per_token = 16 * 4096 + 8 + 2 * (2 * 4096 + 2 * 1024 + 4 * 14336) + 4 * 32
    assert held.work["activations"] == 32 * 8192 * per_token
    kept = memory(shape, told.model_copy(update={"gradient_checkpointing": True}), length=8192).work["activations"]
    assert kept == 32 * 8192 * 2 * 4096 + 8192 * per_token


def test_operations_are_six_for_each_weight_and_token_and_more_for_what_is_done_again() -> None:
    shape = _shape(_config("mistral", TINY))
    volume = measure([[10], [30]], SFT.model_copy(update={"batch": 1}))
    attention = 6 * 2 * 64 * (100 + 900)
    assert flops_per_epoch(shape, SFT, volume) == 6 * shape.matrix_weights * 40 + attention
    again = flops_per_epoch(shape, SFT.model_copy(update={"gradient_checkpointing": True}), volume)
    assert again == pytest.approx(flops_per_epoch(shape, SFT, volume) * 4 / 3)
    kto = PreferenceSettings(learning_rate=1e-6)
    dpo, adapted = kto.model_copy(update={"method": "dpo"}), SFT.model_copy(update={"adapter": Adapter()})
    forward = flops_per_epoch(shape, SFT, volume) / 3
    assert [flops_per_epoch(shape, each, volume) / forward for each in (kto, dpo, adapted)] == pytest.approx([6, 4, 2])


def test_preferences_need_a_reference_unless_an_adapter_stands_on_it() -> None:
    shape = _shape(_config("mistral", TINY))
    kto = PreferenceSettings(learning_rate=1e-6, batch=2)
    held, dpo = memory(shape, kto, length=8), memory(shape, kto.model_copy(update={"method": "dpo"}), length=8)
    assert held.state["reference model"] == held.state["weights"]
    assert dpo.work["activations"] == 2 * held.work["activations"]
    assert "reference model" not in memory(shape, kto.model_copy(update={"adapter": Adapter()}), length=8).state


def test_a_base_of_four_bits_keeps_its_embeddings() -> None:
    shape = load_recipe("orca-3").model.shape
    assert shape is not None
    told = SFT.model_copy(update={"adapter": Adapter(base_bits=4), "precision": "bfloat16-weights"})
    weights = memory(shape, told, length=8).state["weights"] - 4 * shape.adapter_parameters(16, "all-linear")
    assert 3.9e9 < weights < 4.3e9  # some 3.6 GB of blocks and 0.5 of embeddings and head


def test_padding_is_what_batches_in_that_order_hold() -> None:
    volume = measure([[1], [9]], SFT.model_copy(update={"batch": 2}))
    assert (volume.tokens, volume.processed) == (10, 18)
    assert volume.padding == pytest.approx(8 / 18)
    pairs = measure([(2, 5), (3, 3)], PreferenceSettings(learning_rate=1e-6, batch=1))
    assert (pairs.rows, pairs.sequences, pairs.tokens, pairs.processed, pairs.longest) == (2, 2, 13, 16, 5)
    assert measure([], SFT).padding == 0


def test_settings_that_would_teach_nothing_are_told() -> None:
    volume = measure([[100]] * 64, SFT)
    orca_3 = load_recipe("orca-3").phases[0].settings()
    (said,) = forecast(None, orca_3, measure([[100]] * 64, orca_3), Machine()).warnings
    assert "over all 3 steps (warmup 500)" in said
    assert not forecast(None, SFT.model_copy(update={"warmup": 0.03}), volume, Machine()).warnings
    short = SFT.model_copy(update={"max_length": 99})
    assert "longest sequence has 100 tokens" in forecast(None, short, volume, Machine()).warnings[0]
    small = SFT.model_copy(update={"precision": "bfloat16-weights", "learning_rate": 1e-6})
    assert "round to nothing" in forecast(None, small, volume, Machine()).warnings[0]
    alone = PreferenceSettings(learning_rate=1e-6, batch=1)
    assert "batch=2" in forecast(None, alone, volume, Machine()).warnings[0]
    assert not forecast(None, small.model_copy(update={"adapter": Adapter()}), volume, Machine()).warnings


def test_hours_come_from_the_speed_that_is_given_and_from_none_if_none_is() -> None:
    volume = measure([[100]] * 36, SFT.model_copy(update={"batch": 1}))
    told = SFT.model_copy(update={"batch": 1, "epochs": 2})
    assert forecast(None, told, volume, Machine(devices=2, tokens_per_second=1)).hours == pytest.approx(1.0)
    assert forecast(None, told, volume, Machine()).hours is None
    assert forecast(None, told, volume, Machine(tflops=100)).hours is None
    half = told.model_copy(update={"max_steps": 36})
    assert forecast(None, half, volume, Machine(tokens_per_second=1)).hours == pytest.approx(1.0)
    with pytest.raises(ConfigurationError, match="twice"):
        Machine(tokens_per_second=1, tflops=1)
    with pytest.raises(ConfigurationError, match="0 devices"):
        Machine(devices=0)


def test_a_models_folder_is_read_without_torch_and_a_strange_one_is_named(tmp_path: Path, tiny_model: Path) -> None:
    path = find_config(str(tiny_model))
    assert path is not None
    assert read_shape(path).num_hidden_layers == 2
    assert find_config("nobody/has-this-model") is None
    with pytest.raises(ConfigurationError, match="no model folder"):
        find_config("no/such/model/folder")
    config = tmp_path / "config.json"
    with pytest.raises(ConfigurationError, match=r"cannot read .*config.json"):
        read_shape(config)
    given = json.loads(path.read_text())
    wrong: list[tuple[str, Any]] = [
        ("no JSON", "{"),
        ("type 'gpt2' is not known here; known are mistral, llama", given | {"model_type": "gpt2"}),
        ("type None", []),
        ("hidden_size is 'big'", given | {"hidden_size": "big"}),
        ("num_hidden_layers is None", {key: each for key, each in given.items() if key != "num_hidden_layers"}),
        ("biases", given | {"model_type": "llama", "attention_bias": True}),
    ]
    for said, told in wrong:
        config.write_text(told if isinstance(told, str) else json.dumps(told))
        with pytest.raises(ConfigurationError, match=said):
            read_shape(config)
