"""What a recipe says: phases in their order, and the values of each with where they are from.

A value that a paper reports, one that is only remembered, one worked out from others and one that is ours look alike in
a settings file and are not; here each says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.settings import Adapter, PracticeSettings, PreferenceSettings, Settings, SftSettings
from agentinstruct.training.shapes import Shape

Known = Literal["found", "recalled", "derived", "ours", "given"]
"""Found in a public source, recalled from a paper without one, derived by arithmetic, chosen by us because no paper
says it, or given by the person who runs it."""
Method = Literal["sft", "kto", "dpo", "practice"]


_SETTINGS: dict[Method, type[Settings]] = {
    "sft": SftSettings,
    "kto": PreferenceSettings,
    "dpo": PreferenceSettings,
    "practice": PracticeSettings,
}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Record):
    """A value and where it is from. A bare value in a file is one that was `given`, without a source."""

    value: Any
    source: str = ""
    known: Known = "given"

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return given if isinstance(given, Value) or (isinstance(given, dict) and "value" in given) else {"value": given}

    @field_validator("value")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Paper(_Record):
    """Where a recipe is from."""

    title: str
    arxiv: str


class Model(_Record):
    """The base: what the paper calls it, a name on the Hub, and its shape, which tells memory without a download."""

    base: Value
    name: Value
    shape: Shape | None = None


class Hardware(_Record):
    """On what, and how long; `memory` in GiB is what a device must have."""

    device: Value | None = None
    devices: Value | None = None
    memory: Value | None = None
    hours: Value | None = None


class Slot(_Record):
    """A dataset that a phase takes."""

    name: str
    what: str
    examples: Value | None = None


class Phase(_Record):
    """One step from a model to the next."""

    name: str
    method: Method
    about: str
    data: tuple[Slot, ...]
    values: dict[str, Value]
    hardware: Hardware = Hardware()
    differs: tuple[str, ...] = ()
    """Where this is not what the paper did, or where the paper does not say what it did."""

    @field_validator("values", mode="before")
    @classmethod
    def _flatten(cls, given: Any) -> Any:
        return _flat(given) if isinstance(given, dict) else given

    def settings(self) -> Settings:
        """Return the phase's values as the settings of its method; raises `ValidationError`."""
        return _SETTINGS[self.method].model_validate(self._nested())

    def as_preference(self, method: Literal["dpo", "kto"]) -> Phase:
        """Return what a phase of practice learns by, as a phase of that method; another phase as it is."""
        if self.method != "practice":
            return self
        known = {*PreferenceSettings.model_fields} - {"method"}
        values = {key: each for key, each in self.values.items() if key.partition(".")[0] in known}
        return self.model_copy(update={"method": method, "values": values})

    def known_settings(self) -> set[str]:
        """Return the settings its method has, those of an adapter as `adapter.rank`."""
        fixed = {"method"} if self.method in ("kto", "dpo") else set()
        inner = {f"adapter.{name}" for name in Adapter.model_fields}
        return {*_SETTINGS[self.method].model_fields, *inner} - fixed

    def _nested(self) -> dict[str, Any]:
        tree: dict[str, Any] = {"method": self.method} if self.method in ("kto", "dpo") else {}
        for key, each in self.values.items():
            outer, _, inner = key.partition(".")
            if not inner:
                tree[outer] = each.value
            elif each.value is not None:
                tree[outer] = {**(tree.get(outer) or {}), inner: each.value}
        return tree


class Variant(_Record):
    """What to lay over a recipe: `values` over every phase that knows them, `phases` over the named one."""

    about: str
    values: dict[str, Value] = {}
    phases: dict[str, dict[str, Value]] = {}
    hardware: Hardware | None = None
    differs: tuple[str, ...] = ()

    @field_validator("values", mode="before")
    @classmethod
    def _flatten(cls, given: Any) -> Any:
        return _flat(given) if isinstance(given, dict) else given

    @field_validator("phases", mode="before")
    @classmethod
    def _flatten_each(cls, given: Any) -> Any:
        return {name: _flat(each) for name, each in given.items()} if isinstance(given, dict) else given


class Recipe(_Record):
    """A recipe as it will be used: `variant` and what was set by hand are laid over its phases."""

    name: str
    makes: str
    paper: Paper | None = None
    model: Model
    phases: tuple[Phase, ...] = Field(min_length=1)
    variants: dict[str, Variant] = {}
    variant: str | None = None
    file: Path

    def phase(self, name: str | None, methods: Sequence[Method]) -> Phase:
        """Return the phase called `name`, or the first of one of `methods`; raises with the phases there are."""
        fitting = [each for each in self.phases if each.method in methods]
        there = ", ".join(f"{each.name} ({each.method})" for each in self.phases)
        wanted = " or ".join(methods)
        if name is None:
            if not fitting:
                raise ConfigurationError(f"recipe {self.name} has no phase of method {wanted}: it has {there}")
            return fitting[0]
        for each in self.phases:
            if each.name == name and each not in fitting:
                raise ConfigurationError(f"phase {name} of recipe {self.name} is {each.method}, not {wanted}")
            if each.name == name:
                return each
        raise ConfigurationError(f"recipe {self.name} has no phase {name!r}: it has {there}")


def _flat(tree: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """Return `{"adapter": {"rank": {"value": 8}}}` as `{"adapter.rank": {"value": 8}}`."""
    flat: dict[str, Any] = {}
    for key, each in tree.items():
        if isinstance(each, dict) and "value" not in each:
            flat.update(_flat(each, f"{under}{key}."))
        else:
            flat[f"{under}{key}"] = each
    return flat
