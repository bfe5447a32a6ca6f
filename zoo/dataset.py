"""A data set on disk: tables of sessions, `records.ndjson`, `about.json`; read and written."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from zoo.kinds import Session
from zoo.split import split

SESSIONS, RECORDS, ABOUT = "sessions.tsv", "records.ndjson", "about.json"
TRAIN, TEST = "sessions-train.tsv", "sessions-test.tsv"
"""The halves of `zoo.split`: a model that is to be reported on learns from the first alone."""
NO_RECORD = "no record"
"""How the problem of a session begins that left no record."""
_HEADS = {"address": "client", "label": "class", "start_s": "start"}
_COLUMNS = {field.name: _HEADS.get(field.name, field.name) for field in fields(Session)}
"""Heads of the columns by the names of `Session`; `client` is the name in access records."""


def write_sessions(folder: Path, sessions: Iterable[Session], name: str = SESSIONS) -> None:
    """Write a table of sessions, in the order of their start."""
    with (folder / name).open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(_COLUMNS.values())
        for session in sorted(sessions, key=lambda s: (s.start_s, s.session)):
            values = {**asdict(session), "start_s": f"{session.start_s:.3f}"}
            table.writerow([values[name] for name in _COLUMNS])


def write_halves(folder: Path, sessions: Sequence[Session]) -> None:
    """Write who may be learned from and who judges, of the sessions that left records."""
    halves = split([session for session in sessions if not session.problem.startswith(NO_RECORD)])
    for name, side in ((TRAIN, halves.train), (TEST, halves.test)):
        write_sessions(folder, [s for s in sessions if s.session in side], name)


def read_sessions(folder: Path, name: str = SESSIONS) -> list[Session]:
    """The sessions of a table.

    Raises:
        ValueError: a line does not hold a session; says which.
    """
    found = []
    with (folder / name).open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            try:
                values: dict[str, Any] = {name: row[head] or "" for name, head in _COLUMNS.items()}
                values |= {"requests": int(values["requests"]), "start_s": float(values["start_s"])}
                found.append(Session(**values))
            except (KeyError, ValueError, TypeError) as error:
                raise ValueError(f"{folder / name}, line {number}: {error}") from error
    return found


def write_records(folder: Path, lines: Iterable[bytes]) -> int:
    """Write `records.ndjson`; says how many lines."""
    count = 0
    with (folder / RECORDS).open("wb") as file:
        for line in lines:
            if line.strip():
                file.write(line.rstrip(b"\n") + b"\n")
                count += 1
    return count


def read_records(folder: Path) -> Iterator[dict[str, Any]]:
    """The records; a line that is not a JSON object is passed over."""
    with (folder / RECORDS).open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def write_about(folder: Path, about: "dict[str, Any]") -> None:
    """Write `about.json`."""
    (folder / ABOUT).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
