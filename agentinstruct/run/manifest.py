"""What a run was asked for, written beside its data: `manifest.json` and the dataset card."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from agentinstruct.dataset import Counts
from agentinstruct.flow import Skill
from agentinstruct.journal import replace
from agentinstruct.records import Seed
from agentinstruct.run.options import RunOptions
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.teacher import Usage, author_of

_PACKAGES = ("agentinstruct", "autogen-agentchat", "autogen-core", "openai", "pydantic", "pyarrow")


def write_manifest(
    options: RunOptions, skills: tuple[Skill, ...], stack: TeacherStack, *, seed_fingerprint: str | None = None
) -> None:
    """Write what was asked: flows and their prompts, teachers, sampling, sources, versions. No key is in it.

    `seed_fingerprint` identifies the seeds, which are read while the run goes on; None as long as that is not over.
    """
    manifest: dict[str, Any] = {
        "flows": {
            skill.name: {
                "skill": skill.flow.skill,
                "folder": str(skill.folder),
                "fingerprint": skill.fingerprint,
                "prompts": {name: skill.prompts[name].hash for name in skill.prompts},
            }
            for skill in skills
        },
        "teachers": stack.identities(),
        "run_seed": options.run_seed,
        "seeds": _sources(options),
        "seed_fingerprint": seed_fingerprint,
        "reading": {name: value for name, value in asdict(options.reading).items() if value is not None},
        "limit": options.limit,
        "target": options.target,
        "versions": {package: version(package) for package in _PACKAGES},
    }
    replace(options.out / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def _sources(options: RunOptions) -> list[str] | str:
    if isinstance(options.seeds, list | tuple) and not any(isinstance(each, Seed) for each in options.seeds):
        return [str(each) for each in options.seeds]
    return "seed records given by a program"


def write_card(
    options: RunOptions, skills: tuple[Skill, ...], stack: TeacherStack, counts: Counts, usage: Usage
) -> None:
    """Write the dataset card from what the dataset holds, and from what the journal counts of who answered."""
    from agentinstruct.dataset.card import render_card

    authors: Counter[str] = Counter()
    for model, (replies, _, _) in usage.items():
        authors[author_of(model)] += replies
    recordings = [(path.name, recording.header.note) for path, recording in stack.recordings.items()]
    card = render_card(
        skills,
        stack.identities(),
        counts,
        run_seed=options.run_seed,
        authors=authors,
        recordings=recordings,
        notices=stack.notices(),
    )
    replace(options.out / "README.md", card)
