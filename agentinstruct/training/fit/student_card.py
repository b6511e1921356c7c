"""A student's card, in the form the Hub reads: what it was made from, under which licences, how, and how it went."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

from agentinstruct.dataset import Ready, fill_card, front_matter, license_rows
from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import Fit, write_whole
from agentinstruct.training.settings import Settings

_TEMPLATE = Path(__file__).with_name("student_card.md")
_PACKAGES = ("agentinstruct", "torch", "transformers", "trl", "peft", "accelerate", "datasets")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_ROW = re.compile(r"^(license|license_name):[ \t]*(.+)$", re.MULTILINE)
_MOST = 1 << 20
"""Characters of a card that are read: a header stands at its beginning."""


def write_student_card(
    fit: Fit,
    *,
    method: str,
    base: str | Path,
    data: Sequence[str | Path],
    settings: Settings,
    counts: Mapping[str, object] | None = None,
    recipe: str | None = None,
    smoke: bool = False,
) -> Path:
    """Write `README.md` into the student's folder.

    Licences are rolled up from the cards of the base and of the data: a run of ours has one. Sources and recipes are
    cleaned as strangers' words, and of a folder only the last two names are told.
    """
    cards = [_card(each, "dataset") for each in data]
    base_card = _card(base, "model")
    licenses = [_licenses(card) for card in cards]
    every = {name for each in (*licenses, _licenses(base_card)) for name in each or ["unknown"]}
    text = fill_card(
        _TEMPLATE,
        metadata=Ready(front_matter({**license_rows(every), **_metadata(base, data, method)})),
        title=f"A student of {_short(base)}",
        base=_short(base),
        method=method,
        recipe=recipe,
        smoke=smoke,
        offline=any("offline teacher" in card for card in (*cards, base_card)),
        data=[(_short(source), named) for source, named in zip(data, licenses, strict=True)],
        base_licenses=_licenses(base_card),
        counts=list((counts or {}).items()),
        fit=fit,
        settings=[(name, _told(value)) for name, value in _flat(settings.model_dump(mode="json"))],
        versions=list(_versions()),
    )
    path = fit.folder / "README.md"
    write_whole(path, text)
    return path


def _metadata(base: str | Path, data: Sequence[str | Path], method: str) -> dict[str, object]:
    """Return the header's rows. Only what is on the Hub is named: a folder here is nobody else's."""
    datasets = [str(each).removeprefix("hf:").split(":")[0] for each in data if str(each).startswith("hf:")]
    named = [each for each in datasets if _HUB_NAME.fullmatch(each)]
    on_hub = not Path(base).exists() and _HUB_NAME.fullmatch(str(base))
    return {
        **({"base_model": str(base)} if on_hub else {}),
        **({"datasets": named} if named else {}),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["agentinstruct", "trl", method.replace(" ", "-")],
    }


def _card(source: str | Path, kind: str) -> str:
    """Return the card of a folder or of a name on the Hub, or nothing where there is none to be had."""
    name = str(source)
    hub = name.removeprefix("hf:").split(":")[0]
    try:
        if Path(source).exists():
            path = Path(source) / "README.md"
        elif _HUB_NAME.fullmatch(hub):
            path = Path(need("huggingface_hub").hf_hub_download(hub, "README.md", repo_type=kind))
        else:
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST)
    except (OSError, ValueError):  # no card, no network, no such name
        return ""


def _licenses(card: str) -> list[str]:
    """Return the licences that a card's header names; what it calls other has a name of its own."""
    _, _, after = card.partition("---\n")
    header = after.partition("\n---")[0] if card.startswith("---\n") else ""
    rows = {key: value.strip().strip("\"'") for key, value in _ROW.findall(header)}
    told = rows.get("license_name", "") if rows.get("license") == "other" else rows.get("license", "")
    return sorted({name.strip() for name in told.split(" AND ") if name.strip() not in ("", "unknown")})


def _short(source: str | Path) -> str:
    path = Path(source)
    return "/".join(path.resolve().parts[-2:]) if path.exists() else str(source)


def _flat(values: Mapping[str, JsonValue], under: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{under}{name}.")
        else:
            yield f"{under}{name}", value


def _told(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
