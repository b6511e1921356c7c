"""The offline teacher fills any reply schema a user's flow may bring."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import uuid
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter, create_model

from agentinstruct.stages import replies
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.schema import fill_schema
from agentinstruct.teacher.offline.wording import plain_reply

PASSAGE = (
    "The Falkirk Wheel lifts boats between two canals in Scotland. It was opened in 2002 and replaced a flight "
    "of 11 locks. "
    "The wheel raises boats by 24 metres, and a half turn takes about four minutes."
)
MATERIAL = Material.of(
    "You write about boats.",
    f'<passage title="The Falkirk Wheel">\n{PASSAGE}\n</passage>\n<goal name="x">\nBe brief.\n</goal>',
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str
    children: list[Node]
    parent: Node | None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = Field(min_length=2, max_length=4)


class Everything(BaseModel):
    when: dt.date
    at: dt.datetime
    hour: dt.time
    lasts: dt.timedelta
    code: uuid.UUID
    price: Decimal
    link: AnyUrl
    address: ipaddress.IPv4Address
    colour: Colour
    colours: set[Colour]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pair: tuple[int, str]
    scores: dict[str, float]
    numbered: dict[int, str]
    words: frozenset[str] = Field(min_length=5)
    tree: Node
    anything: Any
    plate: str = Field(pattern=r"^[A-Z]{2}\d{2} [A-Z]{3}$")
    slug: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=12)
    percentage: float = Field(gt=0, lt=1)
    even: int = Field(multiple_of=2, gt=7)
    negative: int = Field(lt=-3)
    raw: bytes
    nothing: None


SCALARS: list[st.SearchStrategy[Any]] = [
    st.builds(
        lambda low, span: Annotated[int, Field(ge=low, le=low + span)], st.integers(-500, 500), st.integers(0, 40)
    ),
    st.builds(
        lambda low, span: Annotated[float, Field(gt=low, lt=low + span)], st.integers(-50, 50), st.floats(0.1, 30)
    ),
    st.builds(lambda step: Annotated[int, Field(multiple_of=step, ge=0)], st.integers(1, 30)),
    st.builds(
        lambda low, span: Annotated[str, Field(min_length=low, max_length=low + span)],
        st.integers(0, 300),
        st.integers(0, 40),
    ),
    st.sampled_from(
        [str, int, float, bool, dt.date, dt.datetime, uuid.UUID, Decimal, Colour, type(None), Node, Literal["a", 3]]
    ),
]


def _model(fields: dict[str, Any]) -> type[BaseModel]:
    definitions: dict[str, Any] = {name: (kind, ...) for name, kind in fields.items()}
    return create_model("Part", **definitions)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def sized(item: Any, low: int, span: int) -> Any:
        return Annotated[list[item], Field(min_length=low, max_length=low + span)]

    return st.one_of(
        st.builds(sized, inner, st.integers(0, 6), st.integers(0, 3)),
        st.builds(lambda item: item | None, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda item: dict.__class_getitem__((str, item)), inner),
        st.builds(lambda *items: tuple.__class_getitem__(items), inner, inner),
        st.dictionaries(
            st.sampled_from(["title", "lines", "score", "question", "text"]), inner, min_size=1, max_size=4
        ).map(_model),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.recursive(st.one_of(SCALARS), _larger, max_leaves=6))
def test_any_ordinary_type_is_filled_so_that_it_validates(kind: Any) -> None:
    adapter = TypeAdapter(kind)
    adapter.validate_json(TypeAdapter(Any).dump_json(fill_schema(adapter.json_schema(), MATERIAL)))


def test_every_special_type_is_filled_so_that_it_validates() -> None:
    Everything.model_validate_json(TypeAdapter(Any).dump_json(fill_schema(Everything.model_json_schema(), MATERIAL)))


@pytest.mark.parametrize(
    "reply",
    [r for r in vars(replies).values() if isinstance(r, type) and issubclass(r, BaseModel) and r is not BaseModel],
)
def test_every_shipped_reply_is_filled_so_that_it_validates(reply: type[BaseModel]) -> None:
    reply.model_validate(fill_schema(reply.model_json_schema(), Material.of("", "")))


def test_the_words_come_from_the_material_and_suit_the_field() -> None:
    class Card(BaseModel):
        subject: str
        text: str
        question: str
        lines: list[str] = Field(min_length=2, max_length=2)
        metres: int = Field(ge=20, le=30)

    card = Card.model_validate(fill_schema(Card.model_json_schema(), MATERIAL))
    assert card.subject == "The Falkirk Wheel"
    assert card.text.startswith("The Falkirk Wheel lifts boats")
    assert card.question.endswith("?")
    assert len(set(card.lines)) == 2 and all(line in PASSAGE for line in card.lines)
    assert card.metres == 24


def test_a_term_stands_in_the_quotation_beside_it_and_the_quotation_in_the_text() -> None:
    class Entry(BaseModel):
        term: str
        quote: str

    class Glossary(BaseModel):
        entries: list[Entry] = Field(min_length=2, max_length=2)

    text = (
        "A lock is a chamber with\nwatertight gates. Nobody likes waiting. The Caen Hill flight\nhas 29 locks in a row."
    )
    material = Material.of("", f"<passage>\n{text}\n</passage>")
    glossary = Glossary.model_validate(fill_schema(Glossary.model_json_schema(), material))
    assert len({entry.term for entry in glossary.entries}) == 2
    for entry in glossary.entries:
        assert entry.term in entry.quote and entry.quote in text and len(entry.term.split()) <= 4


@pytest.mark.parametrize(
    "pattern", [r"^\d{4}-\d{2}$", r"^(yes|no)$", r"^[A-Z][a-z]+$", r"^#[0-9a-f]{6}$", r"^\w+@\w+\.com$", r"^a?b*c+$"]
)
def test_plain_patterns_are_met(pattern: str) -> None:
    assert re.search(pattern, fill_schema({"type": "string", "pattern": pattern}, MATERIAL))


def test_a_plain_reply_takes_the_sentences_that_bear_on_the_request() -> None:
    reply = plain_reply(
        Material.of("You help.", f"<passage>\n{PASSAGE} Cats sleep a lot.\n</passage>\nHow long does a half turn take?")
    )
    assert "a half turn takes about four minutes" in reply


@pytest.mark.parametrize("word", ["TERMINATE", "APPROVE"])
def test_a_plain_reply_ends_with_the_word_the_instruction_asks_for(word: str) -> None:
    assert plain_reply(Material.of(f"Say {word} when you are done.", PASSAGE)).endswith(word)
    assert word not in plain_reply(Material.of("You help.", PASSAGE))


def test_an_empty_prompt_still_gets_a_reply() -> None:
    assert plain_reply(Material.of("", ""))
