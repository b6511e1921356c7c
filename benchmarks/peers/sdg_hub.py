"""The chain on Red Hat's sdg_hub: four blocks a step (prompt, chat, extraction, a name for the column) in one flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import yaml
from sdg_hub import Flow

from benchmarks.chain import MODEL, Step, arguments, documents, steps, write_rows

_SAVED_ROWS = 100
"""Rows a checkpoint when it is to be killed; without this setting it saves at the end."""


def blocks_of(step: Step, folder: Path) -> Iterator[dict[str, Any]]:
    """Write the step's prompt as sdg_hub wants it, and yield the blocks that ask it."""
    name = step.name
    as_they_stand = {each: "{{ " + each + " }}" for each in step.variables}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(step.messages(as_they_stand)))
    settings: dict[str, dict[str, Any]] = {
        "PromptBuilder": {
            "input_cols": step.variables,
            "output_cols": f"{name}_prompt",
            "prompt_config_path": f"{name}.yaml",
        },
        "LLMChat": {"input_cols": f"{name}_prompt", "output_cols": f"{name}_raw", "async_mode": True},
        "LLMResponseExtractor": {
            "input_cols": f"{name}_raw",
            "extract_content": True,
            "expand_lists": True,
            "field_prefix": f"{name}_",
        },
        "RenameColumns": {"input_cols": {f"{name}_content": step.column}},
    }
    for kind, config in settings.items():
        yield {"block_type": f"{kind}Block", "block_config": {"block_name": f"{name}_{kind}", **config}}


def main() -> None:
    """Run the flow's blocks one after the other, as sdg_hub does."""
    options = arguments()
    folder = options.out / "flow"
    folder.mkdir(exist_ok=True)
    metadata = {
        "name": "chain",
        "id": "benchmark-chain",
        "version": "1.0.0",
        "author": "benchmark",
        "description": "four dependent questions",
        "recommended_models": {"default": MODEL},
    }
    blocks = [block for step in steps() for block in blocks_of(step, folder)]
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump({"metadata": metadata, "blocks": blocks}))
    flow = Flow.from_yaml(str(path))
    flow.set_model_config(model=f"hosted_vllm/{MODEL}", api_base=options.url, api_key="none")
    saving = {"checkpoint_dir": str(options.out / "saved"), "save_freq": _SAVED_ROWS} if options.resume else {}
    rows = pandas.DataFrame(list(documents(options.chains)))
    made = flow.generate(rows, max_concurrency=options.concurrency, **saving)
    write_rows(options.out, made.to_dict("records"))


if __name__ == "__main__":
    main()
