"""Which model was measured: a name says little once a folder is trained again, so a folder's files are hashed."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.fit import model_digest


def model_identity(model: str | Path) -> dict[str, JsonValue]:
    """Return the name and, of a folder, a hash of what makes the model; raises `ConfigurationError` for no model."""
    folder = Path(model)
    if not folder.exists():
        if str(model).startswith((".", "/", "~")):
            raise ConfigurationError(f"there is no model folder {model}: give the folder a student was saved in")
        return {"model": str(model)}
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"{model} holds no model: there is no config.json in it; give a student's folder")
    return {"model": str(model), "sha256": model_digest(folder)}
