"""A student's shape: how many weights it has and how wide its layers are, without loading or downloading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentinstruct.errors import ConfigurationError

_READ = ("mistral", "llama", "qwen2", "qwen3")
"""What `model_type` may be: their layers differ only in biases and norms, which `Shape` knows."""
_QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")


class Shape(BaseModel):
    """The sizes of a decoder with gated feed-forward layers, as its `config.json` names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: int = Field(ge=1)
    hidden_size: int = Field(ge=1)
    intermediate_size: int = Field(ge=1)
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int = Field(ge=1)
    num_key_value_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    tie_word_embeddings: bool = False
    query_key_value_bias: bool = False
    query_key_norm: bool = False

    @property
    def queries(self) -> int:
        """Width of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of all key heads together, which is that of the values too."""
        return self.num_key_value_heads * self.head_dim

    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Return the linear layers of one block by name, each with its width in and out."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (hidden, self.queries),
            "k_proj": (hidden, self.keys),
            "v_proj": (hidden, self.keys),
            "o_proj": (self.queries, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def matrix_weights(self) -> int:
        """Weights that every token is multiplied with: all blocks and the head, not the look-up of its embedding."""
        block = sum(wide * high for wide, high in self.linear_layers().values())
        return self.num_hidden_layers * block + self.vocab_size * self.hidden_size

    @property
    def parameters(self) -> int:
        """All weights, exactly."""
        linear = self.linear_layers()
        bias = sum(linear[name][1] for name in _QUERY_KEY_VALUE) if self.query_key_value_bias else 0
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.query_key_norm else 0)
        embeddings = 0 if self.tie_word_embeddings else self.vocab_size * self.hidden_size
        return self.matrix_weights + embeddings + self.num_hidden_layers * (bias + norms) + self.hidden_size

    def adapter_parameters(self, rank: int, layers: tuple[str, ...] | str) -> int:
        """Return the weights of a LoRA adapter of `rank` beside the named layers, or beside `all-linear`."""
        linear = self.linear_layers()
        beside = linear if isinstance(layers, str) else {name: linear[name] for name in layers if name in linear}
        return self.num_hidden_layers * sum(rank * (wide + high) for wide, high in beside.values())


def find_config(model: str) -> Path | None:
    """Return the `config.json` of a model folder, or of a name the Hub's cache holds; None where neither is here.

    Nothing is downloaded.
    """
    if Path(model).is_dir():
        return Path(model) / "config.json"
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        cached = try_to_load_from_cache(model, "config.json")
    except HFValidationError as error:
        raise ConfigurationError(
            f"no model folder {model!r}, and it cannot be a name on the Hub, which is like 'mistralai/Mistral-7B-v0.1'"
        ) from error
    return Path(cached) if isinstance(cached, str) else None


def read_shape(path: Path) -> Shape:
    """Read a model's `config.json`; raises `ConfigurationError` for what is none, or of another architecture."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}; is {path.parent} a model's folder?") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no JSON: {error}") from error
    return shape_of(given, str(path))


def shape_of(config: Any, where: str) -> Shape:
    """Return the shape a `config.json`'s content describes; `where` names it in errors."""
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in _READ:
        raise ConfigurationError(
            f"{where}: the shape of a model of type {kind!r} is not known here; known are {', '.join(_READ)}"
        )
    if config.get("mlp_bias") or (config.get("attention_bias") and kind != "qwen2"):
        raise ConfigurationError(f"{where}: a {kind} whose linear layers have biases is not known here")
    heads = config.get("num_attention_heads")
    wide = config.get("hidden_size")
    plain = isinstance(heads, int) and isinstance(wide, int) and heads > 0
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes = {name: config.get(name) for name in names}
    try:
        return Shape(
            **sizes,
            num_key_value_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or (wide // heads if plain else 0),
            tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
            query_key_value_bias=kind == "qwen2",
            query_key_norm=kind == "qwen3",
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(f"{where}: {first['loc'][0]} is {first['input']!r}: {first['msg']}") from error
