"""Numbers are read as people write them, and nothing else is taken for one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.verify.numbers import find_numbers, parse_number, same_number

WAYS_OF_WRITING = {
    "17": Fraction(17),
    "17 apples.": Fraction(17),
    "$3.50": Fraction(7, 2),
    "-$4": Fraction(-4),
    "$-4": Fraction(-4),
    "−12": Fraction(-12),
    "1,250": Fraction(1250),
    "1,234,567.25": Fraction(123456725, 100),
    "3/4": Fraction(3, 4),
    "1 1/2": Fraction(3, 2),
    "2 1/4 cups": Fraction(9, 4),
    ".5": Fraction(1, 2),
    "25%": Fraction(25),
    "15 €": Fraction(15),
    "80 km/h": Fraction(80),
    "5kg": Fraction(5),
    "Seven": Fraction(7),
    "twenty marbles": Fraction(20),
    "minus three": Fraction(-3),
}


@pytest.mark.parametrize(("text", "value"), WAYS_OF_WRITING.items())
def test_each_usual_way_of_writing_a_number_is_read(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "apples", "3 or 4", "about 17", "1/0", "B2", "12:30", "1,2,3", "9" * 5000, "١٢x3"]
)
def test_what_is_no_single_number_is_refused(text: str) -> None:
    assert parse_number(text) is None


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 99),
    st.sampled_from(["", "$", "€", "£"]),
    st.sampled_from(["", ".", " pears"]),
)
def test_a_number_written_with_commas_and_currency_reads_back(whole: int, cents: int, currency: str, end: str) -> None:
    sign = "-" if whole < 0 else ""
    written = f"{sign}{currency}{abs(whole):,}.{cents:02d}{end}"
    expected = Fraction(f"{sign}{abs(whole)}.{cents:02d}")
    assert parse_number(written) == expected
    assert same_number(written, f"{sign}{abs(whole)}.{cents:02d}")


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    parse_number(text)
    for found in find_numbers(text):
        assert 0 <= found.start < found.end <= len(text)


def test_whole_numbers_compare_exactly_and_decimals_within_a_millionth() -> None:
    assert same_number("$1,000", "1000.00")
    assert same_number("0.3333333", "1/3")
    assert not same_number("1000000000", "1000000001")
    assert not same_number("0.333", "1/3")
    assert not same_number("many", "many")


def test_running_text_gives_its_quantities_and_their_places() -> None:
    text = "Ana had 1,200 beads, sold 3/4 of them for $2.50 each, and kept the other 1 1/2 bags (-4 at worst)."
    found = find_numbers(text)
    assert [text[number.start : number.end] for number in found] == ["1,200", "3/4", "2.50", "1 1/2", "4"]
    assert [number.value for number in found] == [1200, Fraction(3, 4), Fraction(5, 2), Fraction(3, 2), -4]


@pytest.mark.parametrize(
    "text",
    [
        "She came 3rd in room B2 at 7:30.",
        "In 1998, he moved.",
        "It was founded in 2011.",
        "On 4 May they met.",
        "On May 4 they met.",
        "The shop opens at 9 am.",
        "Version 1.2.3 came out on 3/4/2020.",
    ],
)
def test_ordinals_names_times_dates_and_years_are_no_quantities(text: str) -> None:
    assert find_numbers(text) == []


def test_a_count_that_looks_like_a_year_is_a_quantity() -> None:
    assert [number.value for number in find_numbers("The mill ground 1900 sacks and kept 1800 bags.")] == [1900, 1800]
