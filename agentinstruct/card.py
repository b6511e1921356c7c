"""The dataset card, in the form the Hub reads: every number in it is counted from the published data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from pydantic import JsonValue

from agentinstruct.dataset import Counts
from agentinstruct.library import Skill

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HUB_LICENSE = re.compile(r"[a-z0-9.+-]+")
_BREAKING = re.compile(r"[|<>`\[\]\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|[^\S ]")
"""What could end a table's cell or line, begin a link, code or HTML, or reorder words; `\\S` knows all line breaks."""


def render_card(
    skills: tuple[Skill, ...], teachers: Mapping[str, Mapping[str, JsonValue]], counts: Counts, *, run_seed: int
) -> str:
    """Return the card's Markdown. What comes from seeds is cleaned of Markdown and HTML before it goes in."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_clean
    )
    template = environment.from_string(Path(__file__).with_name("card.md").read_text(encoding="utf-8"))
    names = [skill.flow.skill for skill in skills]
    return template.render(
        metadata=_Ready(_metadata(counts)),
        title=" and ".join(names),
        skills=names,
        counts=counts,
        types=sorted(counts.by_type.items()),
        checks=sorted(counts.checks.items()),
        reasons=sorted(counts.by_reason.items(), key=lambda each: (-each[1], each[0])),
        licenses=counts.by_license.most_common(),
        unknown=counts.by_license["unknown"],
        teachers=[(role, _Ready(_described(identity))) for role, identity in teachers.items()],
        offline=any(identity.get("client") == "offline" for identity in teachers.values()),
        run_seed=run_seed,
    )


class _Ready(str):
    """Text made here, which need not be cleaned."""

    __slots__ = ()


def _clean(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, _Ready):
        return _BREAKING.sub(" ", value)
    return value


def _described(identity: Mapping[str, JsonValue]) -> str:
    return "`" + json.dumps(identity, ensure_ascii=False).replace("`", "'") + "`"


def _metadata(counts: Counts) -> str:
    """Return the YAML header; its values are JSON, which YAML reads."""
    size = next((name for limit, name in _SIZES if counts.pairs < limit), "n>1M")
    licenses = [name.lower() for name, _ in counts.by_license.most_common() if _HUB_LICENSE.fullmatch(name.lower())]
    known = [name for name in licenses if name != "unknown"]
    rows: dict[str, object] = {
        "license": known[0] if len(known) == 1 and len(counts.by_license) == 1 else "other",
        "license_name": " AND ".join(sorted(known)) or "unknown",
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "instruction-tuning", "agentinstruct"],
        "size_categories": [size],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "pairs/*.parquet"}],
            }
        ],
    }
    if rows["license"] != "other":
        del rows["license_name"]
    return "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in rows.items())
