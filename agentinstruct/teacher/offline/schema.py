"""A value that fits any pydantic model's schema, built from the prompt's words: how an unknown flow is answered."""

from __future__ import annotations

import json
from typing import Any

from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.scalars import fill_number, fill_string
from agentinstruct.teacher.offline.wording import Wording

_DEEP = 4
"""Nesting beyond which optional parts are left out, so that a schema that contains itself comes to an end."""
_USUAL_ITEMS = 3

Schema = dict[str, Any]


def fill_schema(schema: Schema, material: Material) -> Any:
    """Return a value that validates against `schema`, guided by its field names and the prompt's words."""
    return _Filler(schema, Wording.of(material)).fill(schema, "", 0, 0)


class _Filler:
    def __init__(self, root: Schema, wording: Wording) -> None:
        self._root = root
        self._wording = wording

    def fill(self, schema: Schema, name: str, place: int, depth: int) -> Any:
        """Return a value for `schema`; `name` is the field it is for and `place` its position in a list."""
        match schema := self._resolved(schema):
            case {"const": value}:
                return value
            case {"enum": members}:
                return self._member(members, name, place)
            case {"anyOf": branches} | {"oneOf": branches}:
                return self._either(branches, name, place, depth)
            case {"type": "object"}:
                return self._object(schema, name, place, depth)
            case {"type": "array"}:
                return self._array(schema, name, depth)
            case {"type": "integer" | "number" as kind}:
                return fill_number(schema, self._wording, place, whole=kind == "integer")
            case {"type": "boolean" | "null" as kind}:
                return place % 2 == 0 if kind == "boolean" else None
            case _:
                return fill_string(schema, self._wording, name, place)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._root["$defs"][schema["$ref"].removeprefix("#/$defs/")], **rest}
        return schema

    def _member(self, members: list[Any], name: str, place: int) -> Any:
        """Return the member that the prompt mentions, else one that its words decide."""
        mentioned = [member for member in members if isinstance(member, str) and self._wording.mentions(member)]
        usable = mentioned if mentioned and place == 0 else members
        return usable[(place + self._wording.choice(name, len(usable))) % len(usable)]

    def _either(self, branches: list[Schema], name: str, place: int, depth: int) -> Any:
        solid = [branch for each in branches if (branch := self._resolved(each)).get("type") != "null"]
        if not solid or (depth >= _DEEP and len(solid) < len(branches)):
            return None
        if depth >= _DEEP:
            solid.sort(key=lambda branch: branch.get("type") in ("object", "array") or "anyOf" in branch)
        return self.fill(solid[0], name, place, depth)

    def _object(self, schema: Schema, name: str, place: int, depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        value = {
            key: self.fill(inner, key, place, depth + 1)
            for key, inner in schema.get("properties", {}).items()
            # an optional field that leads back into a definition is left at its default
            if key in required or (depth < _DEEP and not ("default" in inner and "$ref" in json.dumps(inner)))
        }
        if isinstance(extra := schema.get("additionalProperties"), dict):
            wanted = max(schema.get("minProperties", 0), int(depth < _DEEP))
            # a schema does not say whether keys are words or numbers: a figure is both
            keys = self._resolved(schema.get("propertyNames", {})).get("enum") or map(str, range(1, wanted + 1))
            value |= {key: self.fill(extra, name, number, depth + 1) for number, key in enumerate([*keys][:wanted])}
        return value

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.fill(inner, name, place, depth + 1) for place, inner in enumerate(schema["prefixItems"])]
        usual = 0 if depth >= _DEEP else _USUAL_ITEMS
        wanted = max(schema.get("minItems", 0), min(schema.get("maxItems", usual), usual))
        values: dict[str, Any] = {}
        for place in range(wanted + 200):
            if len(values) >= wanted:
                break
            value = self.fill(schema.get("items", {}), name.removesuffix("s"), place, depth + 1)
            values.setdefault(json.dumps(value, sort_keys=True) if schema.get("uniqueItems") else str(place), value)
        return list(values.values())
