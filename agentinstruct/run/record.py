"""Recording runs: their answers taken out of the journals into a file, from which anybody can make the runs again."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentinstruct.batch import ParkedQuestions
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal import JournalReader, read_journal, read_manifest, writing
from agentinstruct.teacher import Place, author_of
from agentinstruct.teacher.recording import Answer, Header, Recording, reply_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What `record` did: answers added, carried over and in the file now, and replies in which a key was blotted out.

    `waiting` questions of the runs have no answer yet, not even one to carry over.
    """

    added: int
    carried: int
    answers: int
    blotted: int
    waiting: int


def record(runs: Sequence[str | Path], out: str | Path, *, carry: bool = False, note: str | None = None) -> Recorded:
    """Add the answers that the runs hold to the recording `out`, which is made if it is not there.

    What stands there stays as it is: answers are only added, at the end. With `carry`, a question that waits for an
    answer gets the one that `out` has for the same flow, seed, agent, branch and occurrence, although its words have
    changed since; that is marked. `note` says whose the answers are. Raises `ConfigurationError` for runs whose
    teachers are not those of the recording.
    """
    path = Path(out)
    directories = [Path(run) for run in runs]
    recording = _opened(path, directories, note)
    added, carried, blotted, waiting = 0, 0, 0, 0
    for directory in directories:
        with read_journal(directory) as journal:
            found = list(_answers(journal))
            blotted += sum(was for _, was in found)
            added += len(recording.extend(answer for answer, _ in found))
            if (parked := ParkedQuestions(journal)).is_there:
                places = list(parked.waiting())
                new = recording.extend(_carried_over(recording, places)) if carry else []
                carried += len(new)
                waiting += len(places) - len(new)
    if not recording.answers:
        raise ConfigurationError(f"there is nothing to record: {directories[0]} holds no answer yet")
    _write(path, recording.lines())
    return Recorded(added=added, carried=carried, answers=len(recording.answers), blotted=blotted, waiting=waiting)


def _opened(path: Path, directories: Sequence[Path], note: str | None) -> Recording:
    """Return the recording in `path`, or a new one; its teachers are those of all the runs."""
    recording = Recording.read(path) if path.exists() else None
    teachers: Mapping[str, Any] | None = recording.header.teachers if recording else None
    for directory in directories:
        theirs = read_manifest(directory).get("teachers")
        if not isinstance(theirs, dict) or not theirs:
            raise ConfigurationError(f"{directory / 'manifest.json'} names no teachers: give the run's command again")
        if teachers is not None and theirs != teachers:
            raise ConfigurationError(
                f"{directory} asked other teachers ({_named(theirs)}) than the recording holds ({_named(teachers)}): "
                "record it to a file of its own"
            )
        teachers = theirs
    assert teachers is not None
    if recording is None:
        return Recording(Header(teachers=dict(teachers), note=note or ""))
    if note is not None:
        recording.header = recording.header.model_copy(update={"note": note})
    return recording


def _named(teachers: Mapping[str, Any]) -> str:
    return ", ".join(f"{role or 'all'}: {identity.get('model', identity)}" for role, identity in teachers.items())


def _answers(journal: JournalReader) -> Iterator[tuple[Answer, bool]]:
    """Yield what the journal holds, item by item in seed order, and whether something was blotted out of it."""
    for item, flow, seed in journal.item_numbers():
        for exchange in journal.exchanges(item):
            fields, blotted = reply_fields(exchange.reply)
            known = {"question": exchange.question, "branch": exchange.branch, "n": exchange.occurrence}
            place = known if exchange.question else {"key": exchange.key}
            answer = Answer(
                flow=flow,
                seed=seed,
                agent=exchange.agent,
                **place,
                model=author_of(exchange.model),
                at=round(exchange.answered, 3) if exchange.answered else None,
                **fields,
            )
            yield answer, blotted


def _carried_over(recording: Recording, places: Iterable[Place]) -> list[Answer]:
    """Return the answers to questions that were asked at these places in other words; of several the last."""
    earlier = {each.place: each for each in recording.answers if each.question}  # of others the place is not known
    carried = []
    for place in places:
        was = earlier.get((place.flow, place.seed, place.agent, place.branch, place.occurrence))
        if was is not None:
            carried.append(was.model_copy(update={"question": place.question, "key": "", "carried": True}))
    return carried


def _write(path: Path, lines: Iterator[str]) -> None:
    """Replace the file as a whole; compressed where its name ends in `.gz`, and then always in the same bytes."""
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent} for the recording: make it, or name another")
    content = "".join(f"{line}\n" for line in lines).encode()
    fresh = path.with_name(f".{path.name}.new")
    with writing(path.parent):
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as file:  # never through a link
            file.write(gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content)
        fresh.replace(path)
