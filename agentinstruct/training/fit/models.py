"""A student's model and tokenizer: loaded by name or folder, merged with an adapter, or made up for a smoke test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.extras import need
from agentinstruct.training.fit.trl_arguments import has_gpu, need_bitsandbytes, quiet
from agentinstruct.training.settings import Settings


def load_tokenizer(model: str | Path) -> Any:
    """Return the tokenizer of a Hub name or a folder; raises `ConfigurationError` where there is none."""
    need("torch")
    quiet()
    transformers = need("transformers")
    with _readable(model, "tokenizer"):
        return transformers.AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)


def load_student(model: str | Path, settings: Settings, *, tokenizer: Any) -> Any:
    """Return a causal language model in the precision and attention that `settings` ask for.

    Its embeddings grow where the tokenizer has tokens it lacks, by the same chance for the same `settings.seed`. Only
    safetensors are read: a pickle can run code. Raises `ConfigurationError` for a model that cannot be read so.
    """
    torch, transformers = need("torch"), need("transformers")
    quiet()
    wanted: dict[str, Any] = {"attn_implementation": attention(settings)}
    if settings.adapter is not None and settings.adapter.base_bits < 16:
        wanted |= {"quantization_config": _quantized(settings.adapter.base_bits), "device_map": {"": _own_device()}}
    with _readable(model, "model"):
        student = transformers.AutoModelForCausalLM.from_pretrained(
            str(model), dtype=dtype(settings), use_safetensors=True, trust_remote_code=False, **wanted
        )
    if len(tokenizer) > student.get_input_embeddings().weight.shape[0]:
        torch.manual_seed(settings.seed)
        student.resize_token_embeddings(len(tokenizer))
    if settings.liger and has_gpu() and need("transformers.utils").is_liger_kernel_available():
        # trl computes the loss itself, from the head's weights, and lets no other kernel replace the forward
        need("transformers.integrations.liger").apply_liger_kernel(student, {"fused_linear_cross_entropy": False})
    return student


def attention(settings: Settings) -> str:
    """Return transformers' name of the attention: flash attention reads no float32, and stands on GPUs alone."""
    if settings.attention is not None:
        return settings.attention
    flash = has_gpu() and need("transformers.utils").is_flash_attn_2_available()
    return "flash_attention_2" if flash and settings.precision != "float32" else "sdpa"


def dtype(settings: Settings) -> Any:
    """Return the type weights are kept in: for `bfloat16` it is float32, over which autocast computes in bfloat16."""
    torch = need("torch")
    kept_small = settings.precision == "bfloat16-weights" or (settings.adapter and settings.adapter.base_bits < 16)
    return torch.bfloat16 if kept_small else torch.float32


def merge_adapter(model: str | Path, adapter: Path, settings: Settings, folder: Path, *, tokenizer: Any) -> None:
    """Write the model with the adapter's matrices added to its weights, as a student that needs no peft.

    The base is read afresh, on the CPU: so it is whole whatever sharded or quantised it during training. One process
    does so alone, for which DeepSpeed must be forgotten: under it a model is loaded by all processes together.
    """
    torch, peft = need("torch"), need("peft")
    need("transformers.integrations.deepspeed").unset_hf_deepspeed_config()
    bare = settings.model_copy(update={"adapter": None, "liger": False, "attention": "sdpa"})
    base = load_student(model, bare, tokenizer=tokenizer).to(dtype(settings))
    with torch.no_grad():
        merged = peft.PeftModel.from_pretrained(base, str(adapter), is_trainable=False).merge_and_unload()
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def smoke_model(texts: Iterable[str], folder: Path) -> Path:
    """Make a tiny random Mistral with a tokenizer learnt from `texts`, and return its folder: it can read any text.

    It learns nothing of use. It is for trying data and settings in seconds with no model at hand.
    """
    torch, tokenizers, transformers = need("torch"), need("tokenizers"), need("transformers")
    quiet()
    bare = tokenizers.Tokenizer(tokenizers.models.BPE())
    bare.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(texts, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    torch.manual_seed(0)
    config = transformers.MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1 << 20,
        sliding_window=None,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    transformers.MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _quantized(bits: int) -> Any:
    """Return QLoRA's form of a frozen base (arXiv 2305.14314): 4-bit normal floats, their scales quantised again."""
    torch, transformers = need("torch"), need("transformers")
    need_bitsandbytes(f"a base of {bits} bits")
    if not has_gpu():
        raise ConfigurationError(f"a base of {bits} bits needs a GPU, and there is none: set adapter.base_bits to 16")
    if bits == 8:
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _own_device() -> int:
    return int(need("torch").accelerator.current_device_index())


@contextmanager
def _readable(model: str | Path, part: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"cannot load the {part} of {str(model)!r}: {said}; give a Hub name or a folder with config.json, "
            "safetensors and a tokenizer"
        ) from error
