"""A ledger gives back what was appended, whatever a crash did to its end, and refuses what no crash does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.practice.lines import Ledger

ROWS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, lost=st.integers(1, 400), rest=st.binary(max_size=30))
def test_a_torn_tail_costs_the_rows_it_tore_and_no_others(rows: list[object], lost: int, rest: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        ends, ledger = [], Ledger(path)
        for row in rows:
            ledger.append(row)
            ends.append(path.stat().st_size)
        whole = path.read_bytes()
        kept = max(len(whole) - lost, 0)
        path.write_bytes(whole[:kept] + rest)
        left = path.read_bytes()  # the rest may put back by chance what was lost
        survived = sum(left[:end] == whole[:end] for end in ends)
        assert list(Ledger(path).rows()) == rows[:survived]
        again = Ledger(path)
        again.append("after")
        again.append("and after")
        assert list(Ledger(path).rows()) == [*rows[:survived], "after", "and after"]


def test_damage_before_whole_lines_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for number in range(3):
        Ledger(path).append({"number": number})
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":7'))
    with pytest.raises(ConfigurationError, match="line 2 is damaged"):
        list(Ledger(path).rows())
    with pytest.raises(ConfigurationError, match="line 2 is damaged"):
        Ledger(path).append(None)


def test_a_ledger_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path / "none.jsonl").rows()) == []
