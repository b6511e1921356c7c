"""Splitting: nothing is lost, nothing is too long, and what is added at the end changes nothing before it."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.readers.code import split_code
from agentinstruct.readers.split import split_text

LIMIT = 240

words = st.text(alphabet="abcdefghij", min_size=1, max_size=9)
sentences = st.builds(lambda parts: " ".join(parts).capitalize() + ".", st.lists(words, min_size=1, max_size=14))
prose = st.builds(" ".join, st.lists(sentences, min_size=1, max_size=9))
headings = st.builds(lambda level, text: "#" * level + " " + text, st.integers(1, 3), words)
lists = st.builds(lambda items: "\n".join("- " + item for item in items), st.lists(sentences, min_size=2, max_size=9))
fences = st.builds(lambda lines: "```\n" + "\n\n".join(lines) + "\n```", st.lists(words, min_size=1, max_size=40))
documents = st.lists(prose | headings | lists | fences, min_size=1, max_size=25)


def words_of(text: str) -> list[str]:
    return text.split()


@given(documents)
def test_the_pieces_together_hold_every_word_in_order(blocks: list[str]) -> None:
    text = "\n\n".join(blocks)
    assert [word for piece in split_text(text, LIMIT) for word in words_of(piece)] == words_of(text)


@given(documents)
def test_no_piece_is_over_the_limit(blocks: list[str]) -> None:
    assert all(len(piece) <= LIMIT for piece in split_text("\n\n".join(blocks), LIMIT))


@given(st.text(max_size=3000))
def test_any_text_at_all_is_split_within_the_limit_and_without_loss(text: str) -> None:
    pieces = split_text(text, LIMIT)
    assert all(len(piece) <= LIMIT for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(documents, prose)
def test_a_paragraph_added_at_the_end_changes_no_piece_but_the_last(blocks: list[str], added: str) -> None:
    before = split_text("\n\n".join(blocks), LIMIT)
    after = split_text("\n\n".join([*blocks, added]), LIMIT)
    assert after[: len(before) - 1] == before[:-1]


@given(st.lists(prose, min_size=2, max_size=20))
def test_a_piece_never_begins_within_a_sentence_that_would_fit(blocks: list[str]) -> None:
    for piece in split_text("\n\n".join(blocks), LIMIT):
        assert piece[0].isupper()
        assert piece.endswith(".")


def test_a_heading_goes_with_the_paragraph_below_it() -> None:
    filler = "Some words that fill the first piece nearly to its end. " * 4
    text = f"{filler.strip()}\n\n## Salt\n\nSalt was worth its weight in the markets of the desert towns."
    assert split_text(text, LIMIT)[1].startswith("## Salt\n\nSalt was worth")


def test_an_initial_or_an_abbreviation_does_not_end_a_sentence() -> None:
    sentence = (
        "The letter that Dr. J. Smith wrote to Mrs. Brown was kept, e.g. for its seal, in the library of the town. "
    )
    for piece in split_text(sentence * 6, LIMIT):
        assert piece.startswith("The letter")


def test_fenced_code_with_empty_lines_is_kept_in_one_piece_where_it_fits() -> None:
    fence = "```\n" + "\n\n".join(f"line {number}" for number in range(15)) + "\n```"
    text = (
        "An opening paragraph of some length, so that the fence below it has to go elsewhere: "
        + "more " * 20
        + "\n\n"
        + fence
    )
    assert split_text(text, LIMIT)[1:] == [fence]


PYTHON = '''"""A module."""

import os


# what a circle is
@decorated(
    "twice",
)
def area(radius):
    text = """

unindented words in a string

"""
    return 3 * radius**2


class Shape:
    """A shape."""

    @property
    def corners(self):
        return 4

    def sides(self):
        return 4
'''


def test_python_is_cut_where_definitions_start_with_their_decorators_and_comments() -> None:
    pieces = split_code(PYTHON, 165, "python")
    assert [piece.split("\n")[0] for piece in pieces] == ['"""A module."""', "# what a circle is", "class Shape:"]
    for piece in pieces:
        ast.parse(piece)


def test_a_class_over_the_limit_is_cut_between_its_methods() -> None:
    methods = "\n".join(f"    @cached\n    def method_{n}(self):\n        return {n}\n" for n in range(20))
    for piece in split_code(f"class Many:\n{methods}", 250, "python")[1:]:
        assert piece.startswith("    @cached\n    def method_")


def test_other_languages_are_cut_between_unindented_blocks() -> None:
    functions = [f"int f{n}(int a)\n{{\n    a += {n};\n\n    return a;\n}}\n" for n in range(20)]
    for piece in split_code("\n".join(functions), 250, "c"):
        assert piece.startswith("int f")
        assert piece.endswith("}")


@given(st.lists(st.sampled_from(PYTHON.split("\n")), max_size=80), st.sampled_from(["python", "c", ""]))
def test_code_is_split_within_the_limit_and_without_losing_a_line(lines: list[str], language: str) -> None:
    pieces = split_code("\n".join(lines), 100, language)
    assert all(len(piece) <= 100 for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n") if line] == [line for line in lines if line]


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_function_added_at_the_end_changes_no_piece_but_the_last(first: int, more: int) -> None:
    functions = [f"def f{n}(a):\n    return a + {n}\n" for n in range(first + more)]
    before = split_code("\n\n".join(functions[:first]), 200, "python")
    after = split_code("\n\n".join(functions), 200, "python")
    assert after[: len(before) - 1] == before[:-1]
