"""A reply type as the JSON schema that servers hold a model to: every field asked for, and no other allowed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


def strict_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of `model` in the form OpenAI's structured output demands; the others take it as well."""
    schema = model.model_json_schema()
    return _strict(schema, schema, ())


def _strict(given: Schema, root: Schema, opened: tuple[str, ...]) -> Schema:
    schema = {name: value for name, value in given.items() if name != "default" or value is not None}
    if "$ref" in schema and len(schema) > 1:  # nothing may stand beside a reference, such as a field's description
        reference = schema.pop("$ref")
        if reference in opened:
            return {"$ref": reference}  # a type within itself has no end to write out
        return _strict({**_find(root, reference), **schema}, root, (*opened, reference))
    for name in ("$defs", "properties"):
        if name in schema:
            schema[name] = {key: _strict(value, root, opened) for key, value in schema[name].items()}
    if isinstance(schema.get("items"), dict):
        schema["items"] = _strict(schema["items"], root, opened)
    if "anyOf" in schema:
        schema["anyOf"] = [_strict(each, root, opened) for each in schema["anyOf"]]
    if "properties" in schema:
        schema["required"] = list(schema["properties"])
    if schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def _find(root: Schema, reference: str) -> Schema:
    found = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found
