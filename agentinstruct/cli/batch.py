"""`batch`: taking a run's questions elsewhere, bringing answers back, and seeing which batches are out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agentinstruct.cli import flags
from agentinstruct.view.words import printable_line

app = typer.Typer(
    name="batch", help="Have a run's questions answered elsewhere, and list its batches.", no_args_is_help=True
)


@app.command("export")
def export_questions(
    run: flags.Directory,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file; standard output if left out.")] = None,
) -> None:
    """Write the questions that wait as JSON lines, in the form of OpenAI's batch input."""
    from agentinstruct.batch import files as batch_files

    if out is None or str(out) == "-":
        for line in batch_files.question_lines(run):
            sys.stdout.write(line.decode("ascii"))
        return
    print(f"{batch_files.export_questions(run, out)} questions in {printable_line(out)}")


@app.command("import")
def import_answers(
    run: flags.Directory,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON lines with answers.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Who gave the answers, if not the teacher that the run names.")
    ] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Bring answers in: a batch's output, or lines {"custom_id": …, "content": …} by any script or person."""
    from agentinstruct.batch import files as batch_files

    imported = batch_files.import_answers(run, files, model=model)
    if as_json:
        print(json.dumps(asdict(imported)))
        return
    told = {
        "answered before": imported.known,
        "for questions this run does not ask": imported.unknown,
        "that say a question could not be answered": imported.failed,
    }
    passed_over = "".join(f"; passed over {number} {what}" for what, number in told.items() if number)
    print(f"{imported.kept} answers brought in{passed_over}; {imported.waiting} questions still wait")
    if imported.kept:
        print("the `generate` command of the run goes on from here")


@app.command("list")
def list_batches(run: flags.Directory, as_json: flags.AsJson = False) -> None:
    """List the run's batches as they were last known, and how many questions wait."""
    from agentinstruct.batch import files as batch_files

    waves, (free, out, answered) = batch_files.waves_of(run)
    if as_json:
        counts = {"waiting": free, "out": out, "answered": answered}
        print(json.dumps({**counts, "waves": [asdict(wave) for wave in waves]}))
        return
    for wave in waves:
        created = datetime.fromtimestamp(wave.created, UTC).strftime("%Y-%m-%d %H:%M")
        words = (
            f"{wave.batch or '(no batch yet)'}  {wave.state}  {wave.questions} questions  {created} UTC  {wave.place}"
        )
        print(printable_line(words))
    print(f"{free} questions wait, {out} are out, {answered} answers wait to be used")
