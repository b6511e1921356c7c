"""What the tests of the readers read with, and the files they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.readers import ReadOptions, Skipped, read_seeds
from agentinstruct.records import Seed

PASSAGE = (
    "Salt was once carried across the desert by caravans of camels, and the towns on the way grew rich by it. "
    "A block of it could buy a day of water, a week of bread or the company of a guide."
)

Read = Callable[..., tuple[list[Seed], list[Skipped]]]


@pytest.fixture
def passage() -> str:
    """A passage long enough to be a seed."""
    return PASSAGE


@pytest.fixture
def read() -> Read:
    """Read sources whole and return seeds and skips apart."""

    def read_all(*sources: str | Path, **options: Any) -> tuple[list[Seed], list[Skipped]]:
        found = list(read_seeds(sources, options=replace(ReadOptions(), **options)))
        seeds = [item for item in found if isinstance(item, Seed)]
        return seeds, [item for item in found if isinstance(item, Skipped)]

    return read_all


def pdf_of(*pages: list[str]) -> bytes:
    """Return a real PDF with these lines on its pages, written object by object."""
    streams = []
    for lines in pages:
        shown = "".join(f"({line.replace('(', '[').replace(')', ']')}) Tj T* " for line in lines)
        streams.append(f"BT /F1 11 Tf 13 TL 50 750 Td {shown}ET".encode("latin-1"))
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, stream in enumerate(streams):
        page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(f"{page}/Contents {5 + 2 * number} 0 R>>".encode())
        objects.append(f"<</Length {len(stream)}>>stream\n".encode() + stream + b"\nendstream")
    written, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(written))
        written += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\n"
    return written + f"{trailer}startxref\n{len(written)}\n%%EOF".encode()


@pytest.fixture
def make_pdf() -> Callable[..., bytes]:
    """Write a PDF from lists of lines, a list a page."""
    return pdf_of
