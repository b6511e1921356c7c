"""`train`: teaching a student by a recipe, and looking at recipes."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agentinstruct.cli import flags
from agentinstruct.errors import ConfigurationError
from agentinstruct.view.words import printable, printable_line

if TYPE_CHECKING:
    from agentinstruct.training.fit.folder import Fit
    from agentinstruct.training.recipes.recipe_form import Method, Phase, Recipe

app = typer.Typer(name="train", help="Teach a student from a dataset, by a recipe.", no_args_is_help=True)

_Model = Annotated[
    str | None, typer.Option("--model", "-m", help="The student: a Hub name or a folder; the recipe's if left out.")
]
_Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The phase's folder; the same words again go on with it.")
]
_Name = Annotated[str, typer.Option("--recipe", "-r", help="A shipped recipe's name, or a .toml file of your own.")]
_Variant = Annotated[str | None, typer.Option(help="A variant of the recipe, such as one-gpu.")]
_Phase = Annotated[str | None, typer.Option(help="A phase of the recipe; the first of this method if left out.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE over the recipe, such as adapter.rank=8; `none` empties.")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check data and settings, say what it would take, write and download nothing.")
]
_SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be learnt from.")]
_Devices = Annotated[int | None, typer.Option(min=1, help="For --dry-run: on how many devices; one if left out.")]
_Speed = Annotated[float | None, typer.Option(min=0.001, help="For --dry-run: tokens a device trains on in a second.")]
_Tflops = Annotated[
    float | None,
    typer.Option(min=0.001, help="For --dry-run: a device's peak in TFLOP/s; an A100 has 312."),
]
_Share = Annotated[float, typer.Option("--mfu", min=0.001, max=1, help="For --dry-run: the share of that it reaches.")]


@app.command()
def sft(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Runs, files, folders, or hf:NAME.")],
    out: _Out = None,
    model: _Model = None,
    recipe: _Name = "orca-3",
    variant: _Variant = None,
    phase: _Phase = None,
    set_: _Set = None,
    dry_run: _DryRun = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Teach a tiny random model for a few steps, to try everything.")
    ] = False,
    skip_bad: _SkipBad = False,
    devices: _Devices = None,
    tokens_per_second: _Speed = None,
    tflops: _Tflops = None,
    mfu: _Share = 0.4,
    as_json: flags.AsJson = False,
) -> None:
    """Teach a student to reply as the data does, with loss on the replies alone."""
    found, chosen = _chosen(recipe, variant, set_, phase, ("sft",))
    if dry_run:
        _rehearse(found, chosen, data, model, skip_bad, as_json, (devices, tokens_per_second, tflops, mfu))
        return
    from agentinstruct.training.fit.sft import train_sft
    from agentinstruct.training.settings import SftSettings

    fit = train_sft(
        data,
        model or (None if smoke else str(found.model.name.value)),
        _folder(out),
        cast(SftSettings, chosen.settings()),
        skip_bad=skip_bad,
        smoke=smoke,
        recipe=found.name,
        say=_sayer(as_json),
    )
    _finish(fit, as_json)


@app.command()
def preference(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A run, a file, a folder, or hf:NAME.")],
    out: _Out = None,
    model: _Model = None,
    method: Annotated[str, typer.Option(help="dpo, over pairs, or kto, over labelled replies.")] = "kto",
    reference: Annotated[str | None, typer.Option(help="What it is held to, if not itself as it was.")] = None,
    recipe: _Name = "orca-math",
    variant: _Variant = None,
    phase: _Phase = None,
    set_: _Set = None,
    dry_run: _DryRun = False,
    skip_bad: _SkipBad = False,
    devices: _Devices = None,
    tokens_per_second: _Speed = None,
    tflops: _Tflops = None,
    mfu: _Share = 0.4,
    as_json: flags.AsJson = False,
) -> None:
    """Teach a student to prefer right replies to wrong ones; of a phase of practice only what it learns by is taken."""
    if method not in ("dpo", "kto"):
        raise ConfigurationError(f"no method {method!r}: there are dpo and kto")
    found, chosen = _chosen(recipe, variant, set_, phase, (cast("Method", method), "practice"))
    chosen = chosen.as_preference(cast(Any, method))
    if dry_run:
        _rehearse(found, chosen, [data], model, skip_bad, as_json, (devices, tokens_per_second, tflops, mfu))
        return
    from agentinstruct.training.fit.preference_data import train_preference
    from agentinstruct.training.settings import PreferenceSettings

    fit = train_preference(
        data,
        model or str(found.model.name.value),
        _folder(out),
        cast(PreferenceSettings, chosen.settings()),
        reference=reference,
        skip_bad=skip_bad,
        say=_sayer(as_json),
    )
    _finish(fit, as_json)


@app.command()
def practice(
    problems: Annotated[str, typer.Argument(metavar="PROBLEMS", help="A run, a file, a folder, or hf:NAME.")],
    out: _Out = None,
    model: _Model = None,
    teacher: Annotated[
        str | None, typer.Option("--teacher", "-t", help="Who judges replies that no program can read; see `generate`.")
    ] = None,
    base_url: flags.BaseUrl = None,
    budget: flags.Budget = None,
    validation: Annotated[
        str | None, typer.Option(help="Problems that are not practised on; the student best at them is kept.")
    ] = None,
    serve: Annotated[
        str | None, typer.Option(help="A command that serves the student in {model}, such as 'vllm serve {model}'.")
    ] = None,
    serve_url: Annotated[str | None, typer.Option(help="That server, such as http://localhost:8000/v1.")] = None,
    serve_name: Annotated[str, typer.Option(help="The name it gives the student.")] = "student",
    launcher: Annotated[str, typer.Option(help="Words before a training script, such as 'accelerate launch'.")] = "",
    seed: flags.RunSeed = 0,
    recipe: _Name = "orca-math",
    variant: _Variant = None,
    phase: _Phase = None,
    set_: _Set = None,
    dry_run: _DryRun = False,
    devices: _Devices = None,
    tokens_per_second: _Speed = None,
    tflops: _Tflops = None,
    mfu: _Share = 0.4,
    as_json: flags.AsJson = False,
) -> None:
    """Let a student solve problems, mark what it says, and teach it by that; all phases of practice, one after another.

    --dry-run and --phase take one phase.
    """
    found, chosen = _chosen(recipe, variant, set_, phase, ("practice",))
    if dry_run:
        _rehearse(found, chosen, [problems], model, False, as_json, (devices, tokens_per_second, tflops, mfu))
        return
    from agentinstruct.teacher.options import TeacherOptions
    from agentinstruct.training.practice.practise import Server, train_practice
    from agentinstruct.training.settings import PracticeSettings

    rounds = [each for each in found.phases if each.method == "practice"] if phase is None else [chosen]
    asked = TeacherOptions(teacher=f"openai:{serve_name}", base_url=serve_url)
    done = train_practice(
        problems,
        model or str(found.model.name.value),
        _folder(out),
        [cast(PracticeSettings, each.settings()) for each in rounds],
        validation=validation,
        teacher=TeacherOptions(teacher=teacher, base_url=base_url, budget=budget) if teacher else None,
        server=Server(command=tuple(shlex.split(serve)), asked=asked) if serve else None,
        launcher=shlex.split(launcher),
        run_seed=seed,
        say=_sayer(as_json),
    )
    if as_json:
        print(json.dumps({"student": str(done.student), "rounds": done.rounds}))
    else:
        print(printable_line(f"the student is in {done.student}"))


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A recipe to show whole.")] = None,
    variant: _Variant = None,
    as_json: flags.AsJson = False,
) -> None:
    """List the shipped recipes, or show one: every value with how it is known and its source.

    A recipe has one or more phases, each a command of its own: `train sft --recipe NAME --phase PHASE`.
    """
    from rich.console import Console

    from agentinstruct.training.recipes.recipes import load_recipe, shipped_recipes
    from agentinstruct.view import training as view

    if name is not None:
        found = load_recipe(name, variant)
        if as_json:
            print(json.dumps(view.recipe_as_json(found)))
        else:
            view.show_recipe(found, Console())
        return
    listed = [load_recipe(each) for each in shipped_recipes()]
    if as_json:
        print(json.dumps([view.recipe_as_json(each) for each in listed]))
        return
    for each in listed:
        print(printable_line(f"{each.name}: {each.makes}"))
        print(printable_line(f"  phases: {', '.join(f'{phase.name} ({phase.method})' for phase in each.phases)}"))
        print(printable_line(f"  variants: {', '.join(each.variants)}"))


def _chosen(
    name: str, variant: str | None, set_: list[str] | None, phase: str | None, methods: tuple[Method, ...]
) -> tuple[Recipe, Phase]:
    from agentinstruct.training.recipes.recipes import load_recipe

    found = load_recipe(name, variant, set_ or [])
    return found, found.phase(phase, methods)


def _rehearse(
    found: Recipe,
    chosen: Phase,
    data: list[str],
    model: str | None,
    skip_bad: bool,
    as_json: bool,
    speed: tuple[int | None, float | None, float | None, float],
) -> None:
    from rich.console import Console

    from agentinstruct.training.forecast.forecast import Machine
    from agentinstruct.training.forecast.rehearsal import rehearse
    from agentinstruct.view import training as view

    devices, tokens_per_second, tflops, share = speed
    machine = Machine(devices=devices or 1, tokens_per_second=tokens_per_second, tflops=tflops, share=share)
    rehearsal = rehearse(found, chosen, data, model=model, machine=machine, skip_bad=skip_bad)
    if as_json:
        print(json.dumps(view.rehearsal_as_json(found, chosen, rehearsal)))
    else:
        view.show_rehearsal(found, chosen, rehearsal, Console())


def _folder(out: Path | None) -> Path:
    if out is None:
        raise ConfigurationError("say where the student is to go with --out, or try --dry-run, which writes nothing")
    return out


def _sayer(as_json: bool) -> Any:
    """Return what prints words for a person: beside JSON they go to standard error."""
    return lambda words: print(printable(words), file=sys.stderr if as_json else sys.stdout)


def _finish(fit: Fit, as_json: bool) -> None:
    if as_json:
        figures = {"steps": fit.steps, "tokens": fit.tokens, "loss": fit.loss, "seconds": fit.seconds}
        print(json.dumps({**figures, "folder": str(fit.folder)}))
