"""A flow's prompts: every Markdown file in its folder is one agent, named by its path.

The words before the first `---` line are the system message, sent as they stand; what follows is the user message,
a Jinja template. Seeds and replies are only ever values in it, never templates.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, TypeAdapter

from agentinstruct.errors import FlowError
from agentinstruct.records import content_hash

Entry = TypeVar("Entry", bound=BaseModel)
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_BORDER = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """One agent's words: `system` as sent, `user` as a template, and `hash`, which identifies both."""

    name: str
    system: str
    user: str
    template: Template
    """`user`, compiled when the flow loads so that a broken template is found before the first call."""

    @cached_property
    def hash(self) -> str:
        """Identify the words, so that a changed prompt is seen in every lineage."""
        return content_hash(self.system, self.user)

    @cached_property
    def identifier(self) -> str:
        """Return the agent's name as AutoGen wants it: a Python identifier."""
        return re.sub(r"\W", "_", self.name)

    def render(self, variables: Mapping[str, object]) -> str:
        """Fill the user message; raises `FlowError` where the template wants what was not given."""
        return _render(self.template, variables, self.name)


class Prompts:
    """All prompts of one flow folder, read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prompts = {prompt.name: prompt for prompt in map(self._read, sorted(folder.rglob("*.md"))) if prompt}
        self._templates: dict[str, Template] = {}
        self._entries: dict[str, tuple[Any, ...]] = {}

    def _read(self, path: Path) -> Prompt | None:
        name = path.relative_to(self.folder).with_suffix("").as_posix()
        if path.stem.lower() == "readme":
            return None
        try:
            parts = _BORDER.split(path.read_text(encoding="utf-8"), maxsplit=1)
        except UnicodeDecodeError as error:
            raise FlowError(
                f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as that"
            ) from error
        if len(parts) != 2:
            raise FlowError(f"{path}: no line `---` between the system message and the user message; add one")
        system, user = parts[0].strip(), parts[1].strip()
        return Prompt(name=name, system=system, user=user, template=_compile(user, str(path)))

    def __getitem__(self, name: str) -> Prompt:
        if name not in self._prompts:
            close = get_close_matches(name, self._prompts, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise FlowError(f"{self.folder}: no agent {name!r}; there are {', '.join(self._prompts) or 'none'}{hint}")
        return self._prompts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._prompts)

    def matching(self, pattern: str) -> list[str]:
        """Return the names that fit a pattern such as `transform/*`, sorted; raises `FlowError` if none does."""
        names = [name for name in self._prompts if fnmatch(name, pattern)]
        if not names:
            raise FlowError(f"{self.folder}: no agent fits {pattern!r}; there are {', '.join(self._prompts)}")
        return names

    def render_file(self, filename: str, variables: Mapping[str, object]) -> str:
        """Fill a template file of the folder that is no agent, such as the layout of a student's message."""
        if filename not in self._templates:
            path = self.folder / filename
            if not path.is_file():
                raise FlowError(f"{self.folder}: no template {filename!r}")
            self._templates[filename] = _compile(path.read_text(encoding="utf-8"), str(path))
        return _render(self._templates[filename], variables, filename).strip()

    def entries(self, filename: str, name: str, kind: type[Entry]) -> tuple[Entry, ...]:
        """Return the `[[name]]` tables of a TOML file of the folder; raises `FlowError` that names the faulty entry."""
        if filename not in self._entries:
            path = self.folder / filename
            try:
                found = tomllib.loads(path.read_text(encoding="utf-8")).get(name, [])
                self._entries[filename] = TypeAdapter(tuple[kind, ...]).validate_python(found)  # type: ignore[valid-type]  # known at run time
            except (OSError, ValueError) as error:
                raise FlowError(f"{path}: {error}") from error
            if not self._entries[filename]:
                raise FlowError(f"{path}: there is no [[{name}]] in it")
        return self._entries[filename]


def _compile(source: str, where: str) -> Template:
    try:
        return _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise FlowError(f"{where}: the template is malformed: {error}") from error


def _render(template: Template, variables: Mapping[str, object], where: str) -> str:
    try:
        return template.render(variables)
    except UndefinedError as error:
        given = ", ".join(sorted(variables)) or "nothing"
        raise FlowError(f"{where}: {error}; it was given {given}") from error
    except Exception as error:  # a template holds expressions, and those raise whatever they like
        raise FlowError(f"{where}: the template failed: {type(error).__name__}: {error}") from error
