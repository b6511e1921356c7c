"""Fitting: one phase of training on trl, SFT or preferences, into a folder that a kill cannot spoil.

It may know training data and published datasets; it knows neither practice nor recipes.
"""

from agentinstruct.training.fit.folder import Fit, digest, held, model_digest, write_whole
from agentinstruct.training.fit.models import load_tokenizer
from agentinstruct.training.fit.preference_data import train_preference
from agentinstruct.training.fit.sft import fit_sft, train_sft

__all__ = [
    "Fit",
    "digest",
    "fit_sft",
    "held",
    "load_tokenizer",
    "model_digest",
    "train_preference",
    "train_sft",
    "write_whole",
]
