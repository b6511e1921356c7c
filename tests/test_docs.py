"""The pages in `docs/` name tests as proof: each of them must be there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_NAMED = re.compile(r"`([\w/]+\.py)(?:::(test_\w+))?`")
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = [found for found in _NAMED.findall(page.read_text(encoding="utf-8")) if "test_" in found[0]]
    assert len(named) > 20 or page.name != "promises.md"
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.is_file(), f"{page.name} names {file}"
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), f"{page.name} names {test}"
