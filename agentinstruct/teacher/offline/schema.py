"""A value that fits any JSON schema, built from the prompt's words: how a flow never met before is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._member(schema["enum"], name, place)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._either(schema, word, name, place, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [{**schema, "type": one} for one in kind]
            return self._either({"anyOf": kinds}, "anyOf", name, place, depth)
        if kind in ("object", "array") or (kind is None and _guessed_kind(schema) in ("object", "array")):
            if (kind or _guessed_kind(schema)) == "object":
                return self._object(schema, name, place, depth)
            return self._array(schema, name, depth)
        return self._single(schema, kind or _guessed_kind(schema), name, place)

    def _single(self, schema: Schema, kind: str, name: str, place: int) -> Any:
        match kind:
            case "integer" | "number":
                return fill_number(schema, self._wording, place, whole=kind == "integer")
            case "boolean":
                return place % 2 == 0
            case "null":
                return None
            case _:
                return fill_string(schema, self._wording, name, place)

    def _resolved(self, schema: Schema) -> Schema:
        """Follow `$ref` and merge `allOf`."""
        for _ in range(20):
            if "$ref" in schema:
                target: Any = self._root
                for part in schema["$ref"].removeprefix("#/").split("/"):
                    target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if part else target
                schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif "allOf" in schema:
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    resolved = self._resolved(part)
                    properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
                    required = [*merged.get("required", []), *resolved.get("required", [])]
                    merged = {**resolved, **merged}
                    if properties:
                        merged |= {"properties": properties, "required": required}
                schema = merged
            else:
                break
        return schema

    def _member(self, members: list[Any], name: str, place: int) -> Any:
        """Return the member that the prompt mentions, else one that its words decide."""
        mentioned = [member for member in members if isinstance(member, str) and self._wording.mentions(member)]
        usable = mentioned if mentioned and place == 0 else members
        return usable[(place + self._wording.choice(name, len(usable))) % len(usable)] if usable else None

    def _either(self, schema: Schema, word: str, name: str, place: int, depth: int) -> Any:
        shared = {
            key: value
            for key, value in schema.items()
            if key not in (word, "discriminator", "default", "title", "description")
        }
        branches = [{**shared, **self._resolved(branch)} for branch in schema[word]]
        solid = [branch for branch in branches if branch.get("type") != "null"]
        empty = [branch for branch in branches if branch.get("type") == "null"]
        if empty and (depth >= _DEEP or not solid):
            return None
        if depth >= _DEEP:
            solid = sorted(solid, key=lambda branch: branch.get("type") in ("object", "array") or "anyOf" in branch)
        return self.fill(solid[0], name, place, depth)

    def _object(self, schema: Schema, name: str, place: int, depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        value = {
            key: self.fill(inner, key, place, depth + 1)
            for key, inner in schema.get("properties", {}).items()
            if key in required or (depth < _DEEP and not self._same_again(inner))
        }
        extra = schema.get("additionalProperties")
        patterned = schema.get("patternProperties", {})
        wanted = max(
            schema.get("minProperties", 0), 1 if (isinstance(extra, dict) or patterned) and depth < _DEEP else 0
        )
        keys = self._keys(schema, next(iter(patterned), None))
        while len(value) < wanted:
            inner = next(iter(patterned.values()), extra if isinstance(extra, dict) else {})
            key = next(keys)
            if key not in value:
                value[key] = self.fill(inner, name, len(value), depth + 1)
        return value

    def _keys(self, schema: Schema, pattern: str | None) -> Iterator[str]:
        names = self._resolved(schema.get("propertyNames", {}))
        for place in range(1_000):
            if "enum" in names:
                yield names["enum"][place % len(names["enum"])]
            elif names or pattern:
                yield fill_string({**names, **({"pattern": pattern} if pattern else {})}, self._wording, "word", place)
            else:
                # A schema does not say whether keys are words or numbers; this is both.
                yield str(place + 1)

    def _same_again(self, schema: Schema) -> bool:
        """Whether an optional field leads back into a definition and can be left at its default."""
        return "default" in schema and "$ref" in json.dumps(schema)

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        first = [self.fill(inner, name, place, depth + 1) for place, inner in enumerate(schema.get("prefixItems", []))]
        least, most = schema.get("minItems", 0), schema.get("maxItems", _USUAL_ITEMS)
        items = schema.get("items", {})
        if items is False:
            return first
        wanted = max(least, min(most, 0 if depth >= _DEEP else _USUAL_ITEMS))
        if first and "minItems" in schema:
            wanted = max(least, len(first))
        values, seen = list(first), {json.dumps(value, sort_keys=True) for value in first}
        for place in range(len(first), wanted + 200):
            if len(values) >= wanted:
                break
            value = self.fill(items, name.removesuffix("s"), place, depth + 1)
            shown = json.dumps(value, sort_keys=True)
            if not schema.get("uniqueItems") or shown not in seen:
                values.append(value)
                seen.add(shown)
        return values


def _guessed_kind(schema: Schema) -> str:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"
