"""Finding and loading flows: a shipped one by name, anyone's by its folder. Nothing is registered anywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from agentinstruct import paths
from agentinstruct.errors import ConfigurationError, FlowError
from agentinstruct.flow.definition import AnyFlow, Flow, FunctionFlow
from agentinstruct.flow.prompts import Prompts
from agentinstruct.records import content_hash

_IGNORED = ("__pycache__", ".mypy_cache", ".ruff_cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A flow as found on disk: its folder, its prompts, its code, and `fingerprint`, which changes with any of them."""

    name: str
    folder: Path
    flow: AnyFlow
    prompts: Prompts
    description: str
    fingerprint: str


def find_flow(name_or_folder: str | Path) -> Skill:
    """Load a shipped flow by name or any flow by its folder; raises `FlowError` with the names there are."""
    given, shipped = Path(name_or_folder), paths.FLOWS / name_or_folder
    # a bare name is the shipped flow, whatever folder happens to lie in the working directory: loading runs its code
    is_shipped = given.name == name_or_folder and (shipped / "flow.py").is_file()
    folder = given if (given / "flow.py").is_file() and not is_shipped else shipped
    if not (folder / "flow.py").is_file():
        names = shipped_flows()
        close = get_close_matches(str(name_or_folder), names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise FlowError(
            f"no flow {str(name_or_folder)!r}: {hint}shipped are {', '.join(names)}; or give a folder with a flow.py"
        )
    return load_flow(folder.resolve())


def find_flows(names: Iterable[str | Path]) -> tuple[Skill, ...]:
    """Load flows by name or folder; raises `ConfigurationError`, also when two have the same name, or none is given."""
    skills = tuple(find_flow(name) for name in names)
    twice = [name for name, times in Counter(skill.name for skill in skills).items() if times > 1]
    if twice:
        raise ConfigurationError(f"two flows are called {twice[0]!r}: flows of one run need different names")
    if not skills:
        raise ConfigurationError("no flow was given: see `agentinstruct flows list`")
    return skills


def shipped_flows() -> list[str]:
    """Return the names of the shipped flows."""
    return sorted(path.parent.name for path in paths.FLOWS.glob("*/flow.py"))


def load_flow(folder: Path) -> Skill:
    """Run the folder's `flow.py` (it is code: load only what you trust) and read its prompts."""
    fingerprint = _fingerprint(folder)
    module_name = f"_agentinstruct_flow_{folder.name}_{fingerprint}"
    spec = importlib.util.spec_from_file_location(
        module_name, folder / "flow.py", submodule_search_locations=[str(folder)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(module_name, None)
        raise FlowError(f"{folder / 'flow.py'} could not be loaded: {type(error).__name__}: {error}") from error
    found = [value for value in vars(module).values() if isinstance(value, Flow | FunctionFlow)]
    if len(found) != 1:
        raise FlowError(
            f"{folder / 'flow.py'} must define one flow (`flow = Flow(...)` or one `@flow`), found {len(found)}"
        )
    description = (module.__doc__ or found[0].__doc__ or "").strip().partition("\n")[0]
    return Skill(
        name=folder.name,
        folder=folder,
        flow=cast(AnyFlow, found[0]),
        prompts=Prompts(folder),
        description=description,
        fingerprint=fingerprint,
    )


def flow_files(folder: Path) -> Iterator[Path]:
    """Yield the files that make a flow, sorted; caches and hidden files are not part of it."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part in _IGNORED or part.startswith(".") for part in parts):
            yield path


def _fingerprint(folder: Path) -> str:
    digests = [
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in flow_files(folder)
    ]
    return content_hash(digests)
