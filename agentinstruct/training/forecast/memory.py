"""The memory one device needs to train a student, part by part: arithmetic of ours, checked against torch.

What is not counted: the allocator's fragments, the workspace of kernels, the buckets in which several devices exchange
gradients, and the few tensors that live for one operation. Leave a tenth of the device free for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agentinstruct.training.settings import PreferenceSettings, Settings
from agentinstruct.training.shapes import Shape

GIB = 2**30
_HEAD_TOKENS, _HEAD_WORDS = 4096, 32_768
"""The tile in which trl 1.16 works out probabilities: tokens × vocabulary; the logits are never whole in memory."""
_STATES = {
    "adamw_torch": None,
    "adamw_torch_fused": None,
    "adamw_8bit": 1 + 4 / 256,
    "adamw_bnb_8bit": 1 + 4 / 256,
    "paged_adamw_8bit": 1 + 4 / 256,
    "paged_adamw_32bit": 4,
    "sgd": 0,
}
"""Bytes of each of an optimiser's two values per weight; None is as many as the weight's own. The 8-bit ones keep a
float32 scale for 256 values. What is not named here is taken as AdamW."""
_SCALES = {4: 0.127, 8: 0.0}
"""Bits a weight of a quantised base needs for its scales, themselves quantised (QLoRA, arXiv 2305.14314)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by part. `state` is there once a model and can be shared out over devices, `work` is each device's own."""

    state: dict[str, int] = field(default_factory=dict)
    work: dict[str, int] = field(default_factory=dict)

    def total(self, shares: int = 1) -> int:
        """Return the bytes on one device, with the state shared out over `shares` of them (FSDP, ZeRO-3)."""
        return sum(self.state.values()) // shares + sum(self.work.values())


def memory(shape: Shape, settings: Settings, *, length: int) -> Memory:
    """Return what training needs on one device when the longest batch has sequences of `length` tokens.

    A DPO batch holds both replies of each pair. A reference model is counted for all-weights preference training; an
    adapter needs none, as the base is the reference.
    """
    weight = _stream(settings)
    adapter = settings.adapter
    learnt = shape.adapter_parameters(adapter.rank, adapter.layers) if adapter else shape.parameters
    wide = 4 if adapter else weight  # peft keeps an adapter in float32
    state = {"weights": _base(shape, settings) + (learnt * wide if adapter else 0), "gradients": learnt * wide}
    state["optimiser"] = optimizer_bytes(settings.optimizer, learnt, wide)
    preference = isinstance(settings, PreferenceSettings)
    if preference and not adapter:
        state["reference model"] = shape.parameters * weight
    if settings.precision == "bfloat16" and not (adapter and settings.gradient_checkpointing):
        state["weights to compute with"] = 2 * shape.parameters  # autocast keeps a copy while it goes forward
    sequences = settings.batch * (2 if isinstance(settings, PreferenceSettings) and settings.method == "dpo" else 1)
    tokens = sequences * length
    block = tokens * activation_bytes(shape, settings, length)
    kept = shape.num_hidden_layers * tokens * weight * shape.hidden_size
    work = {
        "activations": kept + block if settings.gradient_checkpointing else shape.num_hidden_layers * block,
        "head": _head(shape, settings, tokens),
    }
    return Memory(state, work)


def _base(shape: Shape, settings: Settings) -> int:
    """Return the bytes of the model itself. Of a base of few bits the embeddings, head and norms stay in bfloat16."""
    if settings.adapter is None or settings.adapter.base_bits == 16:
        return shape.parameters * _stream(settings)
    blocks = shape.matrix_weights - shape.vocab_size * shape.hidden_size
    bits = settings.adapter.base_bits + _SCALES[settings.adapter.base_bits]
    return int(blocks * bits / 8) + 2 * (shape.parameters - blocks)


def optimizer_bytes(optimizer: str, learnt: int, weight: int) -> int:
    """Return the bytes of an optimiser's state for `learnt` weights of `weight` bytes each."""
    each = _STATES.get(optimizer)
    return int(2 * learnt * (weight if each is None else each))


def activation_bytes(shape: Shape, settings: Settings, length: int) -> int:
    """Return the bytes that one block keeps for the backward pass, for each token of a sequence of `length`.

    What all keep: float32 copies of what goes into the two norms, queries, keys, values and what attention gives, and
    three values as wide as the feed-forward layer. Beside that each linear layer that learns keeps its input. Eager
    attention keeps the scores too, for all pairs of tokens, and repeats keys and values for every head.
    """
    hidden, inner, queries, keys = shape.hidden_size, shape.intermediate_size, shape.queries, shape.keys
    wide = 4 if settings.precision == "float32" else 2
    kept = 2 * (4 * hidden + 4) + 3 * wide * inner + _inputs(shape, settings)
    if settings.attention == "eager":
        scores = (4 if wide == 4 else 6) * shape.num_attention_heads * length
        return kept + wide * 4 * queries + scores
    return kept + wide * (2 * queries + 2 * keys) + 4 * shape.num_attention_heads


def _inputs(shape: Shape, settings: Settings) -> int:
    """Return the bytes a token that linear layers keep of their inputs, and what a norm keeps for its own weights.

    Queries, keys and values share an input, as do gate and up, unless each makes a copy of its own: in bfloat16 under
    autocast, in float32 beside bfloat16 weights if it is an adapter. What attention gives is kept in any case.
    """
    layers = shape.linear_layers()
    if settings.adapter is None:
        copies = {"float32": 2 * 4, "bfloat16-weights": 2 * 2, "bfloat16": 5 * 2}[settings.precision]
        wide = 4 if settings.precision == "float32" else 2
        return (copies + 2 * _stream(settings)) * shape.hidden_size + wide * shape.intermediate_size
    beside = settings.adapter.layers
    names = set(layers) if isinstance(beside, str) else set(beside) & set(layers)
    if settings.precision == "float32":
        shared = [{"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj"}, {"down_proj"}]
        inputs = 4 * sum(layers[max(group)][0] for group in shared if names & group)
        return inputs + 4 * settings.adapter.rank * len(names)
    wide = 4 if settings.precision == "bfloat16-weights" else 2
    return sum(wide * (layers[name][0] + settings.adapter.rank) for name in names)


def _stream(settings: Settings) -> int:
    """Return the bytes of a weight, and of a value of the stream between blocks."""
    return 2 if settings.precision == "bfloat16-weights" else 4


def _head(shape: Shape, settings: Settings, tokens: int) -> int:
    """Return the bytes of the last step: one tile of logits, and gradients that are always summed in float32."""
    wide = 4 if settings.precision == "float32" else 2
    tile = min(tokens, _HEAD_TOKENS) * min(shape.vocab_size, _HEAD_WORDS) * wide
    weights = 0 if settings.adapter else 4 * shape.vocab_size * shape.hidden_size
    return tile + weights + 4 * tokens * shape.hidden_size
