"""reStructuredText: parsed by docutils and written out as plain text with Markdown headings, lists and code fences.

docutils (public domain and BSD) is the language's own parser. What reaches outside the document is off: `include`,
`raw`, and files or URLs in tables. Sphinx's roles and directives, unknown to docutils, are read for their words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from agentinstruct.readers.document import Document, foreign_parser

if TYPE_CHECKING:
    from docutils import nodes

LARGEST = 500_000  # characters; docutils reads about 200,000 a second
LONGEST_PARAGRAPH = 10_000  # in which unbalanced marks take docutils 0.2 s, and with the square of the length
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,  # no docutils.conf from the working directory
    "report_level": 2,
    "halt_level": 5,
    "warning_stream": False,
    "input_encoding": "unicode",
    "line_length_limit": LONGEST_PARAGRAPH,
    "smart_quotes": False,
    "doctitle_xform": False,
    "docinfo_xform": False,
}
_ROLE_DEFINITIONS = re.compile(r"^[ \t]*\.\. (?:default-)?role::.*$", re.MULTILINE)  # docutils would keep them for good
_DIRECTIVE = re.compile(r"^\.\. ([\w:.+-]+)::[ \t]*(.*)$")
_ROLE = re.compile(r":[\w:.+-]+:`([^`]*)`|`([^`]*)`:[\w:.+-]+:")
_TARGET = re.compile(r"^(.*?)\s*<([^<>]*)>$", re.DOTALL)
_SILENT = {
    "comment", "substitution_definition", "target", "pending", "raw", "image", "topic", "meta", "citation_reference",
    "footnote_reference", "generated", "decoration", "label",
}  # fmt: skip
_DROPPED_DIRECTIVES = re.compile(
    r"^(?:toctree|index|auto\w+|contents|current\w*|highlight|only|tabularcolumns|todo\w*)$"
)
_VERSIONS = {
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
}
_CODE_DIRECTIVES = {"code-block", "sourcecode", "testcode", "doctest", "ipython", "prompt", "literalinclude", "console"}


def read_rst(text: str) -> Document:
    """Return the document's words, its first heading as the title; what is too large to parse stays as written."""
    if len(text) > LARGEST or max(map(len, text.split("\n\n"))) > LONGEST_PARAGRAPH:
        return Document(text=text)
    with foreign_parser("reStructuredText"):
        tree = _parse(text)
        blocks = list(_Writer().blocks(tree, 0))
    title = next((block.lstrip("# ") for block in blocks if block.startswith("#")), "")
    return Document(text="\n\n".join(blocks), title=title)


def _parse(text: str) -> nodes.document:
    from docutils.core import publish_doctree

    return publish_doctree(_ROLE_DEFINITIONS.sub("", text), settings_overrides=_SETTINGS)


class _Writer:
    """Walks a document tree; `depth` bounds how often an unknown directive's body is parsed anew."""

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.writers: dict[str, Callable[[nodes.Element, int], Iterator[str]]] = {
            "section": self.section,
            "bullet_list": self.items,
            "enumerated_list": self.items,
            "definition_list_item": self.definition,
            "field": self.field,
            "option_list_item": self.field,
            "literal_block": self.literal,
            "doctest_block": self.literal,
            "math_block": self.literal,
            "table": self.table,
            "line_block": self.lines,
            "system_message": self.unknown,
            "block_quote": self.quote,
        }

    def blocks(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield the paragraphs below `node`, which stands `level` sections deep."""
        for child in node.children:
            name = child.tagname
            if name in _SILENT or name == "#text":
                continue
            write = self.writers.get(name)
            if write is not None:
                yield from write(child, level)
            elif any(grandchild.tagname == "#text" for grandchild in child.children) or name in ("paragraph", "rubric"):
                yield from filter(None, [_words(child)])
            else:
                yield from self.blocks(child, level)

    def section(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield the heading, then what stands under it."""
        heading, *_ = node.children
        yield f"{'#' * min(level + 1, 6)} {_words(heading)}"
        yield from self.blocks(_rest(node), level + 1)

    def items(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield a whole list as one block, its nested paragraphs indented."""
        written = []
        for number, item in enumerate(node.children, int(node.get("start", 1))):
            mark = "- " if node.tagname == "bullet_list" else f"{number}. "
            body = "\n\n".join(self.blocks(item, level))
            written.append(mark + indent(body, " " * len(mark)).lstrip())
        if written:
            yield ("\n\n" if any("\n\n" in item for item in written) else "\n").join(written)

    def definition(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield a term with its definition."""
        terms = [_words(child) for child in node.children if child.tagname != "definition"]
        bodies = [child for child in node.children if child.tagname == "definition"]
        text = "\n\n".join(block for body in bodies for block in self.blocks(body, level))
        yield f"{' : '.join(terms)}\n{indent(text, '    ')}".rstrip()

    def field(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield a named field or a command's option with its text."""
        name, *bodies = node.children
        text = "\n\n".join(block for body in bodies for block in self.blocks(body, level))
        yield f"{' '.join(name.astext().split())}: {text}".rstrip(": ")

    def literal(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield code or mathematics in a fence."""
        language = next((word for word in node.get("classes", []) if word != "code"), "")
        yield f"```{language}\n{node.astext().rstrip()}\n```"

    def table(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield a table as lines of cells."""
        rows = [
            " | ".join(" ".join(entry.astext().split()) for entry in row.children)
            for row in node.findall(lambda found: found.tagname == "row")
        ]
        yield "\n".join(rows)

    def lines(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield verse and addresses line by line."""
        yield "\n".join(_words(line) for line in node.findall(lambda found: found.tagname == "line"))

    def quote(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield what was merely indented as ordinary paragraphs."""
        yield from self.blocks(node, level)

    def unknown(self, node: nodes.Element, level: int) -> Iterator[str]:
        """Yield the words of a directive that docutils does not know, and nothing for any other complaint."""
        source = next((child.astext() for child in node.children if child.tagname == "literal_block"), "")
        head, _, rest = source.partition("\n")
        match = _DIRECTIVE.match(head.strip())
        if match is None or "Unknown directive" not in node.astext() or self.depth >= 4:
            return
        name = match[1].rpartition(":")[2].lower()
        if _DROPPED_DIRECTIVES.match(name):
            return
        body = re.sub(r"\A(?:[ \t]*:[\w-]+:.*\n)*", "", dedent(rest.strip("\n")) + "\n").strip("\n")
        if name in _CODE_DIRECTIVES:
            yield from [f"```{match[2].strip()}\n{body}\n```"] if body else []
            return
        argument = f"{_VERSIONS[name]} {match[2]}" if name in _VERSIONS else match[2]
        if ":" in match[1] and argument:  # a domain's object: its argument is a signature
            argument = f"``{argument}``"
        yield from _Writer(self.depth + 1).blocks(_parse(f"{argument}\n\n{body}"), level)


def _rest(section: nodes.Element) -> nodes.Element:
    from docutils import nodes

    rest = nodes.Element()
    rest.children = section.children[1:]
    return rest


def _words(node: nodes.Element) -> str:
    """Return a paragraph's text: roles and links by their words, literals in backticks."""
    parts = []
    for child in node.children:
        match child.tagname:
            case "#text":
                parts.append(child.astext())
            case "literal" | "math":
                parts.append(f"`{child.astext()}`")
            case "problematic":
                text = child.astext()
                parts.append(_ROLE.sub(_role_words, text).replace("``", "`") if len(text) < 1000 else text)
            case name if name not in _SILENT:
                parts.append(_words(child))
    return "".join(parts).strip() if node.tagname == "paragraph" else "".join(parts)


def _role_words(match: re.Match[str]) -> str:
    text = match[1] if match[1] is not None else match[2]
    target = _TARGET.match(text)
    return target[1] if target and target[1] else text.lstrip("~!").strip("<>")
