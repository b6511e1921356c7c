"""Makes the student of the experiment: a tokenizer of its own and a Mistral of about 160,000 random weights."""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ message['content'] }} <ask>"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
SPREAD = 0.08
"""Standard deviation of the first weights: with Mistral's 0.02 so narrow a student takes three times as long to learn
to copy a number out of the problem."""


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose merges go on until each word and number of the texts is one token."""
    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.Metaspace()
    bare.decoder = decoders.Metaspace()
    special = ["<pad>", "<s>", "</s>", "<unk>", "<ask>"]
    alphabet = list(string.digits + string.ascii_letters + string.punctuation)
    bare.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1000, min_frequency=1, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_student(folder: Path, texts: Iterable[str], *, width: int, layers: int, seed: int) -> None:
    """Write a random student and its tokenizer to `folder`; it reads and writes the words of `texts`."""
    tokenizer = make_tokenizer(texts)
    torch.manual_seed(seed)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        sliding_window=None,
        initializer_range=SPREAD,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
