"""A server that tells on, ten stories, and the chain of eight questions about each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batching import CHAIN, tell_on, write_seeds
from tests.engine import write_flow
from tests.openai_server import OpenAIServer


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(tell_on) as opened:
        yield opened


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seeds(tmp_path_factory.mktemp("seeds") / "stories.jsonl")


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "chain", CHAIN)
