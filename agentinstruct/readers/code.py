"""Source code: the language by file name, and long files into pieces at definition borders.

Python is parsed by the standard library's `ast`, so a border is exactly the start of a statement with its decorators
and the comment above it. For other languages (and Python that does not parse) a border is a line after an empty one, or
after a closing brace, that is not indented: right for most tidy code, and never worse than a cut between lines.
tree-sitter would be exact at the price of a compiled grammar per language.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from agentinstruct.readers.document import Document, Unreadable

_ENDINGS = {
    "python": ".py .pyi",
    "cython": ".pyx",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .tsx",
    "java": ".java",
    "kotlin": ".kt",
    "scala": ".scala",
    "c": ".c .h",
    "c++": ".cc .cpp .cxx .hh .hpp",
    "c#": ".cs",
    "go": ".go",
    "rust": ".rs",
    "ruby": ".rb",
    "php": ".php",
    "swift": ".swift",
    "objective-c": ".m",
    "r": ".r",
    "julia": ".jl",
    "lua": ".lua",
    "perl": ".pl .pm",
    "shell": ".sh .bash .zsh",
    "powershell": ".ps1",
    "sql": ".sql",
    "haskell": ".hs",
    "ocaml": ".ml .mli",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "clojure": ".clj",
    "lisp": ".lisp .el",
    "scheme": ".scm",
    "dart": ".dart",
    "zig": ".zig",
    "nim": ".nim",
    "fortran": ".f90 .f",
    "pascal": ".pas",
    "d": ".d",
    "visual basic": ".vb",
    "groovy": ".groovy",
    "cmake": ".cmake",
    "make": ".mk",
    "protobuf": ".proto",
    "css": ".css",
    "vue": ".vue",
    "cuda": ".cu",
    "assembly": ".asm .s",
    "tcl": ".tcl",
    "awk": ".awk",
}
LANGUAGES = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}
NAMES = {"makefile": "make", "gnumakefile": "make", "dockerfile": "dockerfile", "cmakelists.txt": "cmake"}
_INTERPRETER = re.compile(rb"#!\s*\S*/(?:env\s+)?([a-z]+)")
_SCRIPTS = {"node": "javascript", "perl": "perl", "python": "python", "ruby": "ruby", "php": "php", "lua": "lua"}
_SCRIPTS |= dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh"), "shell")
_LONGEST_LINE = 2000
_LARGEST_PARSED = 1_000_000  # characters; a syntax tree takes some fifty times as much memory
_COMMENT = re.compile(r"^\s*(?:#|//|/\*|\*|--|;;|%|\"\"\")")
_CLOSING = re.compile(r"^(?:[})\]]|end\b|else\b|elif\b|except\b|finally\b|catch\b|fi\b|done\b|esac\b)")


def language_of(name: str) -> str:
    """Return the programming language that a file's name tells, or nothing."""
    name = name.lower()
    return NAMES.get(name) or LANGUAGES.get(name[name.rfind(".") :] if "." in name else "", "")


def language_of_script(data: bytes) -> str:
    """Return the language that the first line of a script names (`#!/usr/bin/env python3`), or nothing."""
    match = _INTERPRETER.match(data[:200])
    return _SCRIPTS.get(match[1].decode("ascii"), "") if match else ""


def read_code(text: str, language: str) -> Document:
    """Return source code as it stands; minified and generated one-liners are `Unreadable`."""
    longest = max(map(len, text.split("\n")), default=0)
    if longest > _LONGEST_LINE:
        raise Unreadable(f"has a line of {longest:,} characters: minified or generated code")
    return Document(text=text, kind="code", meta={"language": language})


def split_code(text: str, limit: int, language: str = "") -> list[str]:
    """Return code in pieces of at most `limit` characters, cut as near to the outermost definitions as that allows."""
    if len(text) <= limit:
        return [text] if text.strip() else []
    lines = text.split("\n")
    borders = (_python_borders(text) if language == "python" else None) or _borders_by_indentation(lines)
    pieces: list[list[str]] = []
    size = 0
    for chunk in _chunks(lines, (0, len(lines)), sorted(borders.items()), 0, limit):
        length = sum(len(line) + 1 for line in chunk)
        if not pieces or size + length - 1 > limit:
            pieces.append([])
            size = 0
        pieces[-1].extend(chunk)
        size += length
    return [piece for lines in pieces if (piece := "\n".join(lines).strip("\n")).strip()]


def _chunks(
    lines: list[str], span: tuple[int, int], borders: list[tuple[int, int]], depth: int, limit: int
) -> Iterator[list[str]]:
    """Yield stretches of lines from border to border, one level deeper where a stretch is over the limit."""
    start, end = span
    edges = [start, *(line for line, level in borders if level <= depth and start < line < end), end]
    for first, last in pairwise(edges):
        if sum(len(line) + 1 for line in lines[first:last]) - 1 <= limit:
            yield lines[first:last]
            continue
        within = borders[bisect_left(borders, (first + 1, 0)) : bisect_left(borders, (last, 0))]
        if within:
            yield from _chunks(lines, (first, last), within, depth + 1, limit)
        else:
            for line in lines[first:last]:
                yield from ([line[i : i + limit]] for i in range(0, max(len(line), 1), limit))


def _python_borders(text: str) -> dict[int, int] | None:
    """Return for each line that starts a statement how deep it is nested; None where the text is not Python."""
    if len(text) > _LARGEST_PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in strings, which are not ours to mend
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = text.split("\n")
    borders: dict[int, int] = {}
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                first = min([child.lineno, *(mark.lineno for mark in getattr(child, "decorator_list", []))]) - 1
                while first > 0 and lines[first - 1].lstrip().startswith("#"):
                    first -= 1
                borders.setdefault(first, depth)
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting.append((child, depth + 1))
    return borders


def _borders_by_indentation(lines: list[str]) -> dict[int, int]:
    """Return the lines that look like starts of definitions, with 0 for unindented ones and 1 for all others."""
    borders: dict[int, int] = {}
    for number in range(1, len(lines)):
        line, above = lines[number], lines[number - 1]
        if not line.strip() or _CLOSING.match(line.lstrip()):
            continue
        indented = line[0] in " \t"
        if not above.strip():
            borders[number] = int(indented)
        elif not indented and _CLOSING.match(above) and not _COMMENT.match(above):
            borders[number] = 0
    return borders
