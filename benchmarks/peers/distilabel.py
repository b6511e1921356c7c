"""The chain on distilabel: one TextGeneration a step, batches as large as calls may be in flight; its cache is on."""

from __future__ import annotations

import logging
from typing import Any

from datasets import Dataset
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps.tasks import TextGeneration

from benchmarks.chain import MODEL, arguments, documents, steps, write_rows


def main() -> None:
    """Run the pipeline, each step in a process of its own, as distilabel does."""
    options = arguments()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each request: distilabel quiets httpx alone
    with Pipeline(name="chain") as pipeline:
        previous: Any = None
        for step in steps():
            task = TextGeneration(
                name=step.name,
                system_prompt=step.system,
                template=step.user,
                columns=step.variables,
                llm=OpenAILLM(
                    model=MODEL, base_url=options.url, api_key="none", generation_kwargs={"max_new_tokens": 4096}
                ),
                output_mappings={"generation": step.column},
                add_raw_output=False,
                add_raw_input=False,
                input_batch_size=options.concurrency,
            )
            if previous is not None:
                previous >> task
            previous = task
    rows = Dataset.from_list(list(documents(options.chains)))
    made = pipeline.run(dataset=rows, use_cache=True, dataset_batch_size=options.concurrency)
    write_rows(options.out, made["default"]["train"])


if __name__ == "__main__":
    main()
