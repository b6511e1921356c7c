"""The dataset card, in the form the Hub reads: every number in it is counted from the published data.

How a card is filled without letting what strangers wrote break out of it is here too, for a student's card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from pydantic import JsonValue

from agentinstruct.dataset.parquet import Counts
from agentinstruct.flow import Skill
from agentinstruct.teacher.gguf import warning_about

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HUB_LICENSE = re.compile(r"[a-z0-9.+-]+")
_BREAKING = re.compile(r"[|<>`\[\]\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|[^\S ]")
"""What could end a table's cell or line, begin a link, code or HTML, or reorder words; `\\S` knows all line breaks."""


def render_card(
    skills: tuple[Skill, ...],
    teachers: Mapping[str, Mapping[str, JsonValue]],
    counts: Counts,
    *,
    run_seed: int,
    authors: Mapping[str, int],
    recordings: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the card's Markdown. What comes from seeds is cleaned of Markdown and HTML before it goes in.

    `authors` counts the replies by who gave them; `recordings` are name and note of those that were replayed.
    """
    names = [skill.flow.skill for skill in skills]
    return fill_card(
        Path(__file__).with_name("card.md"),
        metadata=Ready(_metadata(counts)),
        title=" and ".join(names),
        skills=names,
        counts=counts,
        types=sorted(counts.by_type.items()),
        checks=sorted(counts.checks.items()),
        reasons=sorted(counts.by_reason.items(), key=lambda each: (-each[1], each[0])),
        licenses=counts.by_license.most_common(),
        unknown=counts.by_license["unknown"],
        teachers=[(role, Ready(_described(identity))) for role, identity in teachers.items()],
        warnings=sorted({told for identity in teachers.values() if (told := warning_about(identity))}),
        offline=any(identity.get("client") == "offline" for identity in teachers.values()),
        run_seed=run_seed,
        authors=sorted(authors.items(), key=lambda each: (-each[1], each[0])),
        recordings=list(recordings),
    )


def fill_card(template: Path, **values: object) -> str:
    """Return a template filled with values, of which every text but `Ready` is cleaned of Markdown and HTML."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_clean
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


def front_matter(rows: Mapping[str, object]) -> str:
    """Return the rows of a card's YAML header; the values are JSON, which YAML reads."""
    return "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in rows.items())


def license_rows(licenses: Iterable[str]) -> dict[str, str]:
    """Return the header's rows that say under which licences the whole is, as the Hub spells them."""
    named = {name.lower() for name in licenses}
    known = sorted(name for name in named if name != "unknown" and _HUB_LICENSE.fullmatch(name))
    if len(named) == len(known) == 1:
        return {"license": known[0]}
    return {"license": "other", "license_name": " AND ".join(known) or "unknown"}


class Ready(str):
    """Text made here, which need not be cleaned."""

    __slots__ = ()


def _clean(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Ready):
        return _BREAKING.sub(" ", value)
    return value


def _described(identity: Mapping[str, JsonValue]) -> str:
    return "`" + json.dumps(identity, ensure_ascii=False).replace("`", "'") + "`"


def _metadata(counts: Counts) -> str:
    """Return the YAML header."""
    size = next((name for limit, name in _SIZES if counts.pairs < limit), "n>1M")
    rows: dict[str, object] = {
        **license_rows(counts.by_license),
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
    return front_matter(rows)
