"""Who may import whom, what importing costs, and which names an installed wheel adds: read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agentinstruct"
HEAVY = {"torch", "sentence_transformers", "faiss", "datasets", "trl", "ray"}
HEAVY |= {"transformers", "accelerate", "peft", "math_verify", "sympy", "matplotlib", "lm_eval"}

# From the faces down; a module imports only from layers below its own, and from its own layer.
LAYERS: list[set[str]] = [
    {"cli", "view"},
    {"training", "exports", "evaluation"},
    {
        "account",
        "api",
        "runner",
        "run",
        "scope",
        "summary",
        "journal",
        "journal_reader",
        "recovery",
        "group_writer",
        "intake",
        "progress",
        "dataset",
        "settle",
        "stack",
        "manifest",
        "card",
        "estimates",
        "previews",
        "tracing",
        "otlp",
        "loggers",
        "read_only",
    }
    | {"open_files", "options", "authoring"}
    | {"activity", "batch_job", "batch_queue", "waves", "parking", "batch_files"},
    {"flow", "lineage", "stages", "library"},
    {"agent", "typed", "prompts", "replies"},
    {"teacher"},
    {"verify", "dedup"},
    {"readers"},
    {"records", "errors", "paths", "spans"},
]
# Readers stand on the ground alone, and judgement on records alone, whatever else lies below them.
ONLY = {"readers": {"readers", "records", "errors"}, "dedup": {"dedup", "records", "errors"}}


def _layer(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module in names)


def _imports(path: Path) -> Iterator[str]:
    """Yield the parts of agentinstruct a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name.split(".")[1] for name in names if name.name.startswith("agentinstruct."))
            case ast.ImportFrom(module="agentinstruct", names=names, level=0):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0) if module.startswith("agentinstruct."):
                yield module.split(".")[1]
            case ast.ImportFrom(level=level) if level:
                raise AssertionError(f"{path}: a relative import hides the layer it reaches into")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_module_stands_in_a_layer() -> None:
    named = set().union(*LAYERS)
    assert {_part(path) for path in MODULES} <= named
    assert named <= {_part(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_its_layer_and_those_below(path: Path) -> None:
    part = _part(path)
    for imported in _imports(path):
        assert _layer(imported) >= _layer(part), f"{path.name} ({part}) imports {imported}, which is above it"
        assert imported in ONLY.get(part, {imported}), f"{path.name} ({part}) imports {imported}"


def test_flows_import_the_public_package_and_never_each_other() -> None:
    for path in (ROOT / "flows").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
        own = {module for module in imported if module and module.split(".")[0] in ("flows", "tests", "trainers")}
        assert not own, f"{path} imports {own}"


@pytest.mark.parametrize("door", ["import agentinstruct", "import agentinstruct.cli; agentinstruct.cli.main()"])
def test_neither_the_package_nor_help_imports_anything_heavy(door: str, tmp_path: Path) -> None:
    told = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr));"
    told += "sys.argv = ['agentinstruct', '--help'];"
    command = [sys.executable, "-c", told + door]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "agentinstruct" in loaded
    slow = {"autogen_core", "autogen_agentchat", "autogen_ext", "openai", "pydantic", "pyarrow"}
    assert not loaded & {*HEAVY, *slow}


def test_a_public_name_is_no_module_whatever_was_imported_before() -> None:
    """A submodule becomes an attribute of its package: one called like a function would take the function's place."""
    import agentinstruct

    modules = {_part(path) for path in MODULES}
    assert not modules & set(dir(agentinstruct))
    for name in dir(agentinstruct):
        assert callable(getattr(agentinstruct, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agentinstruct.nothing


def test_nothing_in_the_whole_library_imports_the_heavy_extras_at_its_top() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = [name for name in names if name.split(".")[0] in HEAVY]
            assert not heavy, f"{path} imports {heavy} when it is imported"


def test_the_content_folders_hold_files_and_no_packages() -> None:
    for folder in ("flows", "seeds", "trainers", "examples"):
        assert not list((ROOT / folder).rglob("__init__.py"))
