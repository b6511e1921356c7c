"""The command line's flags, and the job file that may stand in for them."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentinstruct.errors import ConfigurationError

if TYPE_CHECKING:
    from agentinstruct.readers import ReadOptions

Seeds = Annotated[
    list[str], typer.Argument(metavar="SEEDS...", help="Files, folders, globs, or hf:NAME for a datasets name.")
]
Flow = Annotated[str, typer.Option("--flow", "-f", help="A flow's name or folder.")]
Flows = Annotated[list[str], typer.Option("--flow", "-f", help="A flow's name or folder; may be given again.")]
Directory = Annotated[Path, typer.Argument(metavar="RUN", help="The run's directory.")]
Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        "-t",
        help="openai:MODEL, azure:DEPLOYMENT, gguf:FILE, recorded:FILE, elsewhere:NAME, offline, or an AutoGen "
        "component file ending in .json. Keys come from the environment. gguf:FILE answers here; "
        "gguf:FILE?context=8192&slots=2&threads=4 sets a question's tokens, questions at once and CPU threads.",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="AGENT=TEACHER: a teacher of its own for an agent, such as judge=openai:MODEL."),
]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, such as http://localhost:8000/v1.")]
Temperature = Annotated[float | None, typer.Option(min=0, help="The teacher's temperature.")]
TopP = Annotated[float | None, typer.Option(min=0, max=1, help="The teacher's top_p.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="The longest reply, in tokens.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds a call may take, whole.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Calls in flight, at most.")]
Rpm = Annotated[float | None, typer.Option(min=1, help="Requests a minute, at most.")]
Tpm = Annotated[float | None, typer.Option(min=1, help="Tokens a minute, at most.")]
Budget = Annotated[float | None, typer.Option(min=0, help="Never spend more than this many dollars.")]
BudgetTokens = Annotated[int | None, typer.Option(min=0, help="Never use more than this many tokens.")]
MaxErrorRate = Annotated[
    float, typer.Option(min=0, max=1, help="Stop when this share of a teacher's last 50 calls failed; 1 never stops.")
]
Prices = Annotated[Path | None, typer.Option(help="A price file of your own; it comes before the shipped one.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use at most this many seeds, of those a chosen flow takes.")]
Target = Annotated[int | None, typer.Option(min=1, help="Stop at this many accepted pairs.")]
RunSeed = Annotated[int, typer.Option("--seed", help="Decides every chance in the run.")]
SeedTokens = Annotated[int, typer.Option(min=50, help="Split longer documents to about this many tokens.")]
License = Annotated[str | None, typer.Option(help="The licence of sources that do not say theirs (an SPDX id).")]
Kind = Annotated[str | None, typer.Option(help="Take all seeds as text, textbook, code or math.")]
TextColumn = Annotated[str | None, typer.Option(help="The column that holds the text, for tables.")]
AnswerColumn = Annotated[str | None, typer.Option(help="The column that holds the answer, for math problems.")]
Split = Annotated[str, typer.Option(help="The split of an hf: dataset.")]
Config = Annotated[str | None, typer.Option(help="The configuration of an hf: dataset.")]
Batch = Annotated[
    str | None,
    typer.Option(
        metavar="WAY",
        help="Ask by batch, at its price: openai (the teacher's own batch API), or export (questions and answers go by "
        "`batch export` and `batch import`).",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Questions in one batch, and items in flight, at most.")]
Poll = Annotated[float, typer.Option(min=0.01, help="Seconds between looks at a batch.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Otel = Annotated[
    bool, typer.Option("--otel", help="Send OpenTelemetry spans by OTLP to where the OTEL_* environment says.")
]


def read_roles(given: list[str]) -> dict[str, str]:
    """Return `AGENT=TEACHER` entries as a mapping; raises `ConfigurationError` for what is none."""
    for entry in given:
        agent, _, teacher = entry.partition("=")
        if not agent or not teacher:
            raise ConfigurationError(f"--role wants AGENT=TEACHER, such as judge=openai:MODEL, not {entry!r}")
    return dict(entry.split("=", 1) for entry in given)


def read_options(*, kind: str | None, **options: Any) -> ReadOptions:
    """Return how seeds are read; raises `ConfigurationError` for a kind of seed there is not."""
    from agentinstruct.flow.definition import ALL_KINDS
    from agentinstruct.readers import ReadOptions

    if kind is not None and kind not in ALL_KINDS:
        raise ConfigurationError(f"no kind of seed {kind!r}: there are {', '.join(ALL_KINDS)}")
    return ReadOptions(kind=kind, **options)


def read_job(context: typer.Context, path: Path | None) -> Path | None:
    """Take a job file's entries as defaults of the flags of the same name; flags given beside it count more."""
    if path is None:
        return None
    try:
        job = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the job file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the job file {path} is not TOML: {error}") from error
    defaults = {}
    flags = {_flag(each): each for each in context.command.params if each.name not in ("job", "help")}
    for entry, value in job.items():
        flag = flags.get(entry.replace("_", "-"))
        if flag is None:
            close = get_close_matches(entry.replace("_", "-"), flags, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigurationError(f"{path}: no option {entry!r}{hint}; there are {', '.join(sorted(flags))}")
        takes_many = getattr(flag, "multiple", False) or flag.nargs != 1
        defaults[str(flag.name)] = [value] if takes_many and not isinstance(value, list) else value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _flag(parameter: Any) -> str:
    """Return a flag as it is typed, without its dashes."""
    long = [name for name in parameter.opts if name.startswith("--")]
    return long[0].removeprefix("--") if long else str(parameter.name)
