"""`flows`: listing, showing, starting and exporting flows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agentinstruct.view.words import printable, printable_line

app = typer.Typer(name="flows", help="List, show, start and export flows.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(help="A flow's name or folder.")]


@app.command("list")
def list_flows() -> None:
    """List the shipped flows."""
    from rich.console import Console
    from rich.table import Table

    from agentinstruct.flow.library import find_flow, shipped_flows

    table = Table.grid(padding=(0, 2))
    for name in shipped_flows():
        skill = find_flow(name)
        table.add_row(f"[bold]{name}[/bold]", f"takes {', '.join(skill.flow.kinds)}", skill.description)
    Console().print(table)


@app.command("show")
def show_flow(
    flow: _Name, agent: Annotated[str | None, typer.Option(help="Show one agent's prompt whole.")] = None
) -> None:
    """Show a flow: its folder, agents and files, or one agent's prompt."""
    from agentinstruct.flow.library import find_flow, flow_files

    skill = find_flow(flow)
    if agent:
        prompt = skill.prompts[agent]
        print(printable(f"{prompt.system}\n---\n{prompt.user}"))
        return
    print(printable_line(f"{skill.name}: {skill.description}"))
    print(printable_line(f"skill: {skill.flow.skill}"))
    print(f"takes: {', '.join(skill.flow.kinds)}")
    print(printable_line(f"folder: {skill.folder}"))
    print("agents:")
    for name in skill.prompts:
        print(printable_line(f"  {name}"))
    print("other files:")
    for path in flow_files(skill.folder):
        if path.suffix != ".md":
            print(printable_line(f"  {path.relative_to(skill.folder)}"))


@app.command("new")
def new_flow(
    name: Annotated[str, typer.Argument(help="The flow's name, such as my_skill.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Start a flow of your own: a folder that runs at once."""
    from shlex import quote

    from agentinstruct import paths
    from agentinstruct.stages import authoring

    made = authoring.new_flow(name, folder)
    sample = paths.SEEDS / "sample" / "texts"
    shown = made if made.is_absolute() else f"./{made}"
    words = f"{quote(str(sample))} --flow {quote(str(shown))} --teacher offline"
    print(f"made {made}; try its code with placeholders for answers:\n  agentinstruct preview {words}")


@app.command("export")
def export_flow(
    flow: _Name,
    model: Annotated[str, typer.Option(help="The OpenAI model that the agents are to use.")] = "gpt-4.1",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .json file; standard output if left out.")] = None,
) -> None:
    """Write a flow's agents and teams as AutoGen components, for AutoGen Studio."""
    from agentinstruct.flow.library import find_flow
    from agentinstruct.stages.authoring import export_components

    text = json.dumps(export_components(find_flow(flow), model=model), indent=2, ensure_ascii=False)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        print(f"components in {out}")
