"""Fixtures that tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.openai_server import OpenAIServer


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A fresh server on loopback that echoes; set its `answer`, `latency` and faults (`fail`) at any time."""
    with OpenAIServer() as server:
        yield server
