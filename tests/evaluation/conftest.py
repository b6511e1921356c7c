"""The tiny student of the training tests is measured here, too."""

from tests.training.conftest import tiny_model, tokenizer

__all__ = ["tiny_model", "tokenizer"]
