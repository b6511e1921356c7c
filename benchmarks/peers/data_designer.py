"""The chain on NVIDIA's data-designer: one text column a step over the documents as seed data."""

from __future__ import annotations

import pandas
from data_designer import config
from data_designer.config.run_config import ResumeMode
from data_designer.interface import DataDesigner

from benchmarks.chain import MODEL, arguments, documents, steps, write_rows

_SAVED_ROWS = 100
"""Rows a checkpoint when it is to be killed; its own default, 1,000, would save nothing before the kill."""


def main() -> None:
    """Run the columns; data-designer keeps what is done by groups of rows."""
    options = arguments()
    provider = config.ModelProvider(name="server", endpoint=options.url, provider_type="openai", api_key="none")
    inference = config.ChatCompletionInferenceParams(max_parallel_requests=options.concurrency, timeout=120)
    model = config.ModelConfig(
        alias="teacher", model=MODEL, provider="server", skip_health_check=True, inference_parameters=inference
    )
    builder = config.DataDesignerConfigBuilder(model_configs=[model])
    rows = pandas.DataFrame(list(documents(options.chains)))
    builder.with_seed_dataset(config.DataFrameSeedSource(df=rows))
    for step in steps():
        builder.add_column(
            config.LLMTextColumnConfig(
                name=step.column, system_prompt=step.system, prompt=step.user, model_alias="teacher"
            )
        )
    designer = DataDesigner(artifact_path=options.out / "artifacts", model_providers=[provider])
    saving = {"buffer_size": _SAVED_ROWS} if options.resume else {}
    designer.set_run_config(config.RunConfig(otel_metrics_port=None, **saving))
    resume = ResumeMode.IF_POSSIBLE if options.resume else ResumeMode.NEVER
    made = designer.create(builder, num_records=options.chains, dataset_name="chain", resume=resume)
    write_rows(options.out, made.load_dataset().to_dict("records"))


if __name__ == "__main__":
    main()
