"""Plain text and Markdown: kept as written, with front matter, comments and badges taken off."""

from __future__ import annotations

import re
import tomllib

from agentinstruct.readers.document import Document

_FRONT_MATTER = ("---", "+++")
_SCALAR = re.compile(r"^(title|license|licence|source|url)[ \t]*:[ \t]*(\S.*)$", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,3}[ \t]+(\S.*)$")
_BADGES = re.compile(r"^[ \t]*(?:\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?[ \t]*)+$")
_REFERENCE = re.compile(r"^[ \t]{0,3}\[([^\]^]+)\]:[ \t]*\S+(?:[ \t]+[\"'(].*)?$")
_REFERRING = re.compile(r"\[((?:`[^`\n]+`|[^\[\]`\n])+)\]\[((?:`[^`\n]+`|[^\[\]`\n])*)\]")
_LINK = re.compile(r"!?\[((?:`[^`\n]+`|[^\[\]`\n])*)\]\([^()\s]*(?:[ \t]+\"[^\"\n]*\")?\)")
_FENCE = re.compile(r"^[ \t]{0,3}(```|~~~)")


def read_text(text: str) -> Document:
    """Return plain text as it stands."""
    return Document(text=text)


def read_markdown(text: str) -> Document:
    """Return Markdown as it stands, without what only a renderer needs; the title is the first heading.

    Front matter is never loaded as YAML: its title, licence and source are read off as plain `name: value` lines.
    """
    text, facts = take_front_matter(text)
    kept: list[tuple[str, bool]] = []
    labels: set[str] = set()
    fenced, title = False, facts.get("title", "")
    for line in without_comments(text).split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            if reference := _REFERENCE.match(line):
                labels.add(reference[1].lower())
            if reference or _BADGES.match(line):
                continue
            heading = _HEADING.match(line)
            title = title or (_without_links(heading[1], set()).rstrip(" \t#") if heading else "")
        kept.append((line, fenced))
    text = "\n".join(line if is_code else _without_links(line, labels) for line, is_code in kept)
    license_ = facts.get("license") or facts.get("licence", "")
    source = facts.get("source") or facts.get("url", "")
    return Document(text=text, title=title, license=license_, source=source)


def take_front_matter(text: str) -> tuple[str, dict[str, str]]:
    """Return the text after its front matter, and the front matter's few facts."""
    lines = text.lstrip("\n").split("\n")
    fence = lines[0].rstrip() if lines else ""
    end = next((i for i, line in enumerate(lines[1:500], 1) if line.rstrip() == fence), 0)
    if fence not in _FRONT_MATTER or not end:
        return text, {}
    if fence == "+++":
        return "\n".join(lines[end + 1 :]), _toml_facts("\n".join(lines[1:end]))
    found = [match for line in lines[1:end] if (match := _SCALAR.match(line))]
    if not any(":" in line for line in lines[1:end]):  # a rule between two rulers, not front matter
        return text, {}
    return "\n".join(lines[end + 1 :]), {match[1].lower(): match[2].strip(" \"'") for match in found}


def without_comments(text: str) -> str:
    """Return text without `<!-- ... -->`; one that never closes is left as it is."""
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[position:start])
        position = end + 3
    return "".join([*kept, text[position:]])


def _without_links(line: str, labels: set[str]) -> str:
    """Return a line with its links as their words; brackets that refer to none of `labels` are not a link."""
    line = _LINK.sub(lambda link: "" if link[0].startswith("!") else link[1], line)
    return _REFERRING.sub(lambda link: link[1] if (link[2] or link[1]).lower() in labels else link[0], line)


def _toml_facts(text: str) -> dict[str, str]:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return {name.lower(): value for name, value in table.items() if isinstance(value, str)}
