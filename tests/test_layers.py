"""Who may import whom, what importing costs, and which names an installed wheel adds: read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agentinstruct"
HEAVY = {"torch", "sentence_transformers", "faiss", "datasets", "trl", "ray"}
HEAVY |= {"transformers", "accelerate", "peft", "math_verify", "sympy", "matplotlib", "lm_eval", "xllamacpp"}

# From the faces down. A room imports only from floors below its own: rooms of one floor do not know each other.
# docs/architecture.md says in words what each knows.
FLOORS: list[set[str]] = [
    {"cli"},
    {"view"},
    {"evaluation", "training.forecast"},
    {"training.practice"},
    {"api"},
    {"run", "training.fit"},
    {"batch", "dataset", "dedup", "stages"},
    {"flow", "journal"},
    {"teacher", "training.data", "training.recipes"},
    {"readers", "telemetry", "training", "verify"},
    {"records", "errors", "paths"},
]
ROOMS = set().union(*FLOORS)
GROUND = FLOORS[-1]
# What stands on the ground alone, whatever else lies below it.
ALONE = {"readers", "telemetry", "verify"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _room(module: str) -> str:
    """Return the room of a module, named without the package: the longest name that fits, as `training.fit`."""
    parts = module.split(".")
    return next(name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in ROOMS)


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return the rooms a file imports from, wherever in it: lazily and for type checking count too."""
    return frozenset(_room(module) for module in _imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (
                    name.name.removeprefix("agentinstruct.") for name in names if name.name.startswith("agentinstruct.")
                )
            case ast.ImportFrom(module="agentinstruct", names=names, level=0):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0) if module.startswith("agentinstruct."):
                inner = module.removeprefix("agentinstruct.")
                yield inner
                # `from agentinstruct.training import fit` reaches into a room within a room
                yield from (full for name in names if (full := f"{inner}.{name.name}") in ROOMS)
            case ast.ImportFrom(level=level) if level:
                raise AssertionError(f"{path}: a relative import hides the room it reaches into")


def test_every_module_stands_in_a_room_and_every_room_is_there() -> None:
    assert {_room(_module(path)) for path in MODULES} == ROOMS


def test_the_root_holds_few_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_its_room_and_from_floors_below(path: Path) -> None:
    room = _room(_module(path))
    for imported in _imports(path) - {room}:
        assert _floor(imported) > _floor(room), f"{path.name} ({room}) imports {imported}, which is not below it"
        assert room not in ALONE or imported in GROUND, f"{path.name} ({room}) imports {imported}"


def test_every_room_says_what_it_is_for_and_exports_what_is_there() -> None:
    for init in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(init.read_text(encoding="utf-8"))
        assert len((ast.get_docstring(tree) or "").split()) > 5, f"{init} does not say what the room is for"
        own = [node for node in tree.body if isinstance(node, ast.ImportFrom) and str(node.module).count(".") > 1]
        named = {alias.name for node in own for alias in node.names}
        submodules = {path.stem for path in init.parent.glob("*.py")}
        assert not named & submodules, f"{init}: a name that is a module's too hides it"


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

    modules = {_module(path).split(".")[0] for path in MODULES}
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
