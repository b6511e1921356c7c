"""The strict schema of a reply type: equal to what OpenAI's own package makes of it."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel, Field

from agentinstruct.stages import replies
from agentinstruct.teacher.strict import strict_schema


class Colour(Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Leg(BaseModel):
    """A leg."""

    length: float = Field(ge=0, description="In millimetres.")
    colour: Colour | None = None


class Spider(BaseModel):
    """A spider, with one field of each kind."""

    name: str
    legs: list[Leg]
    longest: Leg = Field(description="The longest of them.")
    shortest: Leg | None = Field(default=None, description="The shortest, if any.")
    kind: Literal["wolf", "house"] = "house"
    weights: dict[str, float] = {}
    by_name: dict[str, Leg] = {}
    webs: Annotated[list[list[Leg | int]], Field(min_length=1)] = []
    place: tuple[int, int] = (0, 0)
    anything: Any = None
    colour: Colour = Field(default=Colour.RED, description="Which it mostly is.")


class Family(BaseModel):
    """A type within itself."""

    name: str
    children: list[Family] = []
    parent: Family | None = None


class Free(BaseModel, extra="allow"):
    """A type that allows more than it names."""

    name: str = "nobody"


REPLIES = [
    each
    for _, each in inspect.getmembers(replies, inspect.isclass)
    if issubclass(each, BaseModel) and each is not BaseModel
]


@pytest.mark.parametrize("model", [Leg, Spider, Family, Free, *REPLIES], ids=lambda model: model.__name__)
def test_a_schema_is_the_one_that_openais_package_makes(model: type[BaseModel]) -> None:
    assert strict_schema(model) == pydantic_function_tool(model)["function"]["parameters"]


class Nested(BaseModel):
    """A type within itself, with words beside the reference: OpenAI's package finds no end to it."""

    inner: Nested | None = None
    twin: Nested = Field(description="Its twin.")


def test_a_type_within_itself_has_a_schema_of_finite_size() -> None:
    schema = strict_schema(Nested)
    assert schema["$defs"]["Nested"]["required"] == ["inner", "twin"]
    assert "$ref" in str(schema)
