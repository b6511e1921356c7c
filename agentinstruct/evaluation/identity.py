"""Which model was measured: a name says little once a folder is trained again, so a folder's files are hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError

_PARTS = (".safetensors", ".json", ".jinja", ".model", ".txt")
"""Weights, settings and the tokenizer; checkpoints below the folder and the card are no part of the model."""


def model_identity(model: str | Path) -> dict[str, JsonValue]:
    """Return the name and, of a folder, a hash of what makes the model; raises `ConfigurationError` for no model."""
    folder = Path(model)
    if not folder.exists():
        if str(model).startswith((".", "/", "~")):
            raise ConfigurationError(f"there is no model folder {model}: give the folder a student was saved in")
        return {"model": str(model)}
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"{model} holds no model: there is no config.json in it; give a student's folder")
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _PARTS and path.is_file():
            with path.open("rb") as file:
                digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return {"model": str(model), "sha256": digest.hexdigest()}
