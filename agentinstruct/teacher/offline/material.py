"""What a procedural answerer gets to see: the prompt of one question, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"<(?P<name>[a-z_]+)(?P<attributes>(?:\s+[a-z_]+=\"[^\"]*\")*)\s*>")
_ATTRIBUTE = re.compile(r"([a-z_]+)=\"([^\"]*)\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One tagged part of a prompt, such as `<passage title="Tides">…</passage>`."""

    text: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The prompt of one question: what the agent is (`system`), what it was given (`user`), and its tagged sections."""

    system: str
    user: str
    sections: dict[str, Section]

    @classmethod
    def of(cls, system: str, user: str) -> Material:
        """Take a prompt apart; the first section of a name counts."""
        sections: dict[str, Section] = {}
        unclosed: set[str] = set()  # a text of openings alone is then not searched to its end for each
        position = 0
        while opening := _OPENING.search(user, position):
            name, position = opening["name"], opening.end()
            end = -1 if name in unclosed else user.find(f"</{name}>", position)
            if end < 0:
                unclosed.add(name)
                continue
            attributes = dict(_ATTRIBUTE.findall(opening["attributes"]))
            sections.setdefault(name, Section(text=user[position:end].strip(), attributes=attributes))
            position = end
        return cls(system=system, user=user, sections=sections)

    def text(self, name: str, default: str = "") -> str:
        """Return the text of section `name`."""
        return self.sections[name].text if name in self.sections else default
