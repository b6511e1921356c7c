"""The chain on bespokelabs-curator: one LLM block a step, its limits out of the way; it caches as it goes by itself."""

from __future__ import annotations

from typing import Any

from bespokelabs import curator
from datasets import Dataset

from benchmarks.chain import MODEL, Step, arguments, documents, steps, write_rows


def block_of(step: Step, parameters: dict[str, Any]) -> Any:
    """Return the block that asks `step`; its class's name is part of curator's cache key."""

    class Block(curator.LLM):  # type: ignore[misc]  # it ships no types
        def prompt(self, row: dict[str, str]) -> list[dict[str, str]]:
            return step.messages(row)

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {**row, step.column: response}

    Block.__name__ = step.name.title()
    return Block(model_name=MODEL, backend="openai", backend_params=parameters)


def main() -> None:
    """Run the blocks one after the other, as curator does."""
    options = arguments()
    parameters = {
        "base_url": options.url,
        "api_key": "none",
        "max_concurrent_requests": options.concurrency,
        "max_requests_per_minute": 10**7,
        "max_tokens_per_minute": 10**10,
    }
    rows = Dataset.from_list(list(documents(options.chains)))
    for step in steps():
        rows = block_of(step, parameters)(rows).dataset
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
