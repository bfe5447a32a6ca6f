"""Several data sets as one: a second night of people, or more clients, beside what there is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from zoo import dataset
from zoo.kinds import Session


def merge(folders: Sequence[Path], out: Path) -> int:
    """Write the data sets into one; says how many sessions were left out.

    An address that two sets use tells no session: the sessions of the later set are left out, with
    their records.

    Raises:
        FileExistsError: `out` holds a data set already.
    """
    if (out / dataset.SESSIONS).exists():
        raise FileExistsError(f"{out} holds a data set already")
    out.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    kept: list[Session] = []
    parts: list[tuple[Path, set[str]]] = []
    left_out = 0
    for number, folder in enumerate(folders, 1):
        found = dataset.read_sessions(folder)
        own = _own(found, taken, number)
        left_out += len(found) - len(own)
        kept += own
        addresses = {session.address for session in own}
        parts.append((folder, addresses))
        taken |= addresses
    dataset.write_sessions(out, kept)
    dataset.write_halves(out, kept)
    dataset.write_records(out, _records(parts))
    abouts = [json.loads((folder / dataset.ABOUT).read_text()) for folder in folders]
    dataset.write_about(out, {"merged": abouts, "sessions": len(kept), "left_out": left_out})
    return left_out


def _own(found: Sequence[Session], taken: set[str], number: int) -> list[Session]:
    return [
        replace(session, session=f"{number}-{session.session}")
        for session in found
        if session.address not in taken
    ]


def _records(parts: "Sequence[tuple[Path, set[str]]]") -> Iterator[bytes]:
    for folder, addresses in parts:
        for record in dataset.read_records(folder):
            if record.get("client") in addresses:
                yield json.dumps(record, separators=(",", ":")).encode()
