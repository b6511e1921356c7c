"""The packages that extras bring, most of them for training: imported where used, and named when missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from agentinstruct.errors import MissingExtra


def need(name: str, extra: str = "train") -> ModuleType:
    """Return the module `name`; raises `MissingExtra` naming the extra that brings it where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        command = f"pip install 'agentinstruct[{extra}]'"
        raise MissingExtra(f"{name} cannot be imported ({error}): {command}") from error
