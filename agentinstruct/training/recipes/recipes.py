"""Finding and reading recipes: a shipped one by name, anyone's by its file, with a variant and settings laid over."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from agentinstruct import paths
from agentinstruct.errors import ConfigurationError
from agentinstruct.training.recipes.recipe_form import Phase, Recipe, Value, Variant
from agentinstruct.training.settings_files import read_word


def shipped_recipes() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in (paths.TRAINERS / "recipes").glob("*.toml"))


def load_recipe(name_or_path: str | Path, variant: str | None = None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe by name or a file, lay a variant over it and then `KEY=VALUE` overrides, and check it.

    An override counts for every phase that knows its key. Raises `ConfigurationError` with file, key and value.
    """
    path = _find(str(name_or_path))
    recipe = _read(path)
    there = ", ".join(recipe.variants) or "none"
    if variant is not None and variant not in recipe.variants:
        raise ConfigurationError(f"{path}: no variant {variant!r}{_hint(variant, recipe.variants)}; there are {there}")
    phases = recipe.phases
    for name, each in recipe.variants.items():
        laid = _lay(recipe.phases, each, f"{path}, variant {name}")  # all are checked, whichever is used
        for phase in laid:
            _check(phase, f"{path}, variant {name}")
        phases = laid if name == variant else phases
    given = {key: Value(value=value, source="--set") for key, value in map(read_word, overrides)}
    phases = _over_all(phases, given, "--set") if given else phases
    for phase in phases:
        _check(phase, str(path))
    return recipe.model_copy(update={"phases": phases, "variant": variant})


def _find(name: str) -> Path:
    shipped = paths.TRAINERS / "recipes" / f"{name}.toml"
    if name in shipped_recipes():
        return shipped
    if Path(name).is_file():
        return Path(name)
    names = shipped_recipes()
    raise ConfigurationError(
        f"no recipe {name!r}{_hint(name, names)}; shipped are {', '.join(names)}, or give a .toml file of your own"
    )


def _read(path: Path) -> Recipe:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the recipe {path} is not TOML: {error}") from error
    try:
        recipe = Recipe.model_validate({**given, "file": path})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_said(error)}") from error
    names = [phase.name for phase in recipe.phases]
    if len({*names}) < len(names):
        raise ConfigurationError(f"{path}: two phases have one name; there are {', '.join(names)}")
    return recipe


def _lay(phases: tuple[Phase, ...], variant: Variant, where: str) -> tuple[Phase, ...]:
    names = [phase.name for phase in phases]
    for name in variant.phases:
        if name not in names:
            raise ConfigurationError(f"{where}: no phase {name!r}{_hint(name, names)}; there are {', '.join(names)}")
    phases = _over_all(phases, variant.values, where)
    laid = [_over(phase, variant.phases.get(phase.name, {})) for phase in phases]
    if variant.hardware is not None:
        laid = [phase.model_copy(update={"hardware": variant.hardware}) for phase in laid]
    return tuple(phase.model_copy(update={"differs": phase.differs + variant.differs}) for phase in laid)


def _over_all(phases: tuple[Phase, ...], values: Mapping[str, Value], where: str) -> tuple[Phase, ...]:
    """Lay values over the phases whose settings know them; raises for one that none of them knows."""
    for key in values:
        known = sorted({name for phase in phases for name in phase.known_settings()})
        if key not in known:
            raise ConfigurationError(f"{where}: no setting {key!r}{_hint(key, known)}; there are {', '.join(known)}")
    kept = ({key: each for key, each in values.items() if key in phase.known_settings()} for phase in phases)
    return tuple(_over(phase, fitting) for phase, fitting in zip(phases, kept, strict=True))


def _over(phase: Phase, values: Mapping[str, Value]) -> Phase:
    """Lay values over one phase's; a whole table, such as `adapter`, takes the place of its parts."""
    kept = {key: each for key, each in phase.values.items() if key.partition(".")[0] not in values}
    return phase.model_copy(update={"values": {**kept, **values}})


def _check(phase: Phase, where: str) -> None:
    """Raise `ConfigurationError` unless the phase's values make settings of its method."""
    known = phase.known_settings()
    place = f"{where}, phase {phase.name}"
    for key in phase.values:
        if key not in known:
            raise ConfigurationError(
                f"{place}: no setting {key!r} of {phase.method}{_hint(key, known)}; there are "
                f"{', '.join(sorted(known))}"
            )
    try:
        phase.settings()
    except ValidationError as error:
        raise ConfigurationError(f"{place}: {_said(error)}") from error


def _hint(given: str, names: Iterable[str]) -> str:
    close = get_close_matches(given, list(names), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _said(error: ValidationError) -> str:
    """Return pydantic's first complaint as key, value and what is wrong with it."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"there is no key {key}"
    return f"{key} is {first['input']!r}: {first['msg']}"
