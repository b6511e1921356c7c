"""What one training phase is told: the values of a recipe after its variant and the user's own were laid over it.

Plain values: nothing here imports torch or trl, and what trl calls each of them is known where trl is called.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["float32", "bfloat16", "bfloat16-weights"]
"""`bfloat16` computes in it over float32 weights; `bfloat16-weights` keeps the weights in it too, where updates below
a learning rate of about 5e-6 mostly round to nothing."""


class Adapter(BaseModel):
    """A LoRA adapter: the base stays as it is and low-rank matrices beside its linear layers are learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the modules it stands beside, as peft's `target_modules`."""
    base_bits: Literal[4, 8, 16] = 16
    """Bits of a weight of the frozen base; 4 and 8 need bitsandbytes and a GPU."""


class Settings(BaseModel):
    """What every method is told. A step is `batch` × `accumulation` × devices sequences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(gt=0)
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Ends training at so many steps, whatever `epochs` says."""
    max_length: int = Field(default=2048, ge=8)
    """Tokens of the longest sequence; a longer example is refused by name, never cut."""
    batch: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = Field(default=0.0, ge=0)
    """Steps over which the learning rate rises; below 1, their share of all steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    optimizer: str = "adamw_torch"
    """A name of transformers' `optim`; the 8-bit ones need bitsandbytes."""
    precision: Precision = "float32"
    gradient_checkpointing: bool = False
    attention: Literal["sdpa", "eager", "flash_attention_2"] | None = None
    """None takes flash attention where it is installed and a GPU is at hand, else sdpa."""
    liger: bool = False
    """Use Liger's fused kernels where they are installed."""
    adapter: Adapter | None = None
    """None trains all weights."""
    seed: int = 0
    save_steps: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None keeps one at the end of each epoch."""
    report_to: tuple[str, ...] = ()
    """Where trl reports to: `wandb`, `tensorboard`."""


class SftSettings(Settings):
    """Supervised fine-tuning: loss on the assistant's tokens alone."""

    packing: bool = False
    """Fill sequences of `max_length` with whole examples that do not attend to each other."""
    system_message: str | None = None
    """Stands in place of each conversation's own system message, so that the student has to find the strategy which
    its teacher was told (Orca 2, section 4.1: prompt erasing); an empty one leaves none."""


class PreferenceSettings(Settings):
    """Direct preference optimisation over pairs, or KTO over single labelled replies (Orca-Math §2.3)."""

    method: Literal["dpo", "kto"] = "kto"
    beta: float = Field(default=0.3, gt=0)
    """How strongly the student is held to the reference; the paper's value."""
    sft_weight: float = Field(default=0.0, ge=0)
    """DPO only: weight of the negative log-likelihood of the chosen reply beside the preference loss."""
    desirable_weight: float = Field(default=1.0, ge=0)
    undesirable_weight: float = Field(default=1.0, ge=0)
    balance: bool = False
    """KTO only: raise the rarer label's weight until both labels weigh the same."""


class PracticeSettings(PreferenceSettings):
    """A round of practice (Orca-Math §2.3): replies sampled from the student, judged, and learnt from."""

    samples: int = Field(default=4, ge=1)
    """Replies to each problem."""
    temperature: float = Field(default=0.7, gt=0)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_new_tokens: int = Field(default=512, ge=1)
    rounds: int = Field(default=1, ge=1)
    """Rounds with these settings, each from the student the last one made."""
    problems: int | None = Field(default=None, ge=1)
    """Problems a round practises on, other ones than the rounds before it as long as they last; None takes all."""
    cap: int = Field(default=4, ge=1)
    """Most pairs (DPO), or replies of each label (KTO), of a problem."""
    positives: Literal["both", "teacher", "student"] = "both"
    synthetic_negatives: bool = True
    """Whether problems that are always solved borrow wrong replies of others."""
    imitate: bool = False
    """Learn the right replies by supervised fine-tuning instead: what preferences are compared with."""
