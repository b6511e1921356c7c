"""What trl calls the values of `Settings`, and the quiet in which it is to work. Shared by all methods."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentinstruct.errors import ConfigurationError, MissingExtra
from agentinstruct.training.extras import need
from agentinstruct.training.settings import Adapter, Settings

if TYPE_CHECKING:
    from peft import LoraConfig

_OF_BITSANDBYTES = ("adamw_bnb", "adamw_8bit", "ademamix", "lion", "paged", "rmsprop_bnb")


def quiet() -> None:
    """Keep trl and its libraries from sending usage reports and from drawing progress bars into logs.

    The environment is for processes started from here; the constant for this one, where the Hub's client may have
    been imported before.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    vars(need("huggingface_hub.constants"))["HF_HUB_DISABLE_TELEMETRY"] = True
    need("datasets").disable_progress_bars()
    need("transformers.utils.logging").disable_progress_bar()
    # peft still asks by the old name
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def trl_arguments(settings: Settings, out: Path, *, rows: int | None = None) -> dict[str, Any]:
    """Return what every trl config is given; `rows` takes the place of `batch` on a device, at equal step size.

    A launch file speaks of precision through the environment, and is overruled there. Every step is logged, for
    `training.jsonl`. Two checkpoints are kept, as the newer one may be half written.
    Raises `ConfigurationError` for an optimizer there is not, and for several GPUs in one process.
    """
    quiet()
    gpu = has_gpu()
    rows = rows or settings.batch
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if settings.precision == "bfloat16" else "no"
    return {
        "output_dir": str(out / "checkpoints"),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,  # transformers too reads what is below 1 as a share
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": optimizer(settings.optimizer),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": settings.accumulation * (settings.batch // rows),
        "max_length": settings.max_length,
        "bf16": settings.precision == "bfloat16",
        "activation_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "save_strategy": "steps" if settings.save_steps else "epoch",
        "save_steps": settings.save_steps or 500,  # unread where an epoch is saved
        "save_total_limit": 2,
        "logging_steps": 1,
        "include_num_input_tokens_seen": "non_padding",
        "report_to": list(settings.report_to) or "none",
        "disable_tqdm": True,
        "log_level": "error",
        "ddp_find_unused_parameters": False,  # a causal language model uses all of them
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
    }


def optimizer(name: str) -> str:
    """Return `name` if transformers has such an optimizer and what it needs is installed."""
    known = [each.value for each in need("transformers.training_args").OptimizerNames]
    if name not in known:
        raise ConfigurationError(f"no optimizer {name!r}; there are {', '.join(known)}")
    if name.startswith(_OF_BITSANDBYTES):
        need_bitsandbytes(f"the optimizer {name}")
    return name


def need_bitsandbytes(wish: str) -> None:
    """Raise `MissingExtra` where bitsandbytes is not installed; it is in no extra, as it is of use on GPUs alone."""
    if find_spec("bitsandbytes") is None:
        raise MissingExtra(f"{wish} needs bitsandbytes, which is not installed: pip install bitsandbytes")


def lora(adapter: Adapter) -> LoraConfig:
    """Return peft's form of an adapter."""
    need("peft")
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=adapter.layers if isinstance(adapter.layers, str) else list(adapter.layers),
    )


def has_gpu() -> bool:
    """Whether an accelerator of any make is at hand."""
    return bool(need("torch").accelerator.is_available())
