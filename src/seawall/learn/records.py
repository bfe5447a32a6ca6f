"""From files to tables: access records of nodes, and the truth about clients where there is one.

A record is untrusted text. A line that is too long, cut off, no JSON or has a vector that is none
is counted and left out; so is a record without a vector. Only what training needs is kept: no path,
no header, no user agent.
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from seawall import limits
from seawall.bots.features import to_text
from seawall.errors import RefusedError, UnreachableError, UsageError
from seawall.learn.database import Database, insert
from seawall.telemetry.bots import parse_verdict

_NONE: Final = "-"
_JA4_AB: Final = 2
"""Parts of a JA4 that are the same for all connections of a browser."""
_STATUS: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_TIME_MAX_S: Final = 4e9
"""The year 2096: later ones are garbled, and the database's type ends somewhere."""


@dataclass
class Loaded:
    """What came of reading records; counts only.

    Attributes:
        without: good records that carry no vector: another version, or a site without bots.
    """

    lines: int = 0
    kept: int = 0
    garbled: int = 0
    without: int = 0
    files: list[str] = field(default_factory=list)


def files_of(places: Sequence[Path]) -> tuple[Path, ...]:
    """The record files that are meant: files as named, and of a folder all `*.ndjson*`, by name.

    Raises:
        UnreachableError: one is not there or cannot be looked at, or a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        try:
            within = sorted(place.iterdir()) if place.is_dir() else None
            inside = [place] if within is None else [p for p in within if p.match("*.ndjson*")]
            inside = [path for path in inside if path.is_file()]
        except OSError as error:
            raise _unreadable(place, error) from error
        if not inside:
            raise UnreachableError(
                "records-not-found",
                f"There are no access records at {place}.",
                remedy="Give access.ndjson files of nodes, or folders that contain them.",
            )
        found += inside
    return tuple(dict.fromkeys(found))


def size_bytes(files: Sequence[Path]) -> int:
    """How much there is to read. Of a file that is gone meanwhile reading tells, not this."""
    total = 0
    for path in files:
        with suppress(OSError):
            total += path.stat().st_size
    return total


def load(
    database: Database,
    files: Sequence[Path],
    part: str,
    *,
    watch: Callable[[int], None] = lambda _: None,
) -> Loaded:
    """Put the records of files into the table `records`, as `part`.

    `watch` is told how many bytes more were read.

    Raises:
        UnreachableError: a file cannot be read, or the database does not answer.
        RefusedError: there are more records than are read for one training.
    """
    loaded = Loaded(files=[path.name for path in files])
    batch: list[dict[str, object]] = []
    for line in _lines(files, watch):
        loaded.lines += 1
        if loaded.lines > limits.LEARN_RECORDS_MAX:
            raise RefusedError(
                "records-too-many",
                f"There are more than {limits.LEARN_RECORDS_MAX:,} records.",
                remedy="Give fewer files: the newest ones.",
            )
        row = _row(line, part, loaded)
        if row is not None:
            batch.append(row)
        if len(batch) >= limits.LEARN_BATCH_RECORDS:
            insert(database, "records", batch)
            batch = []
    insert(database, "records", batch)
    return loaded


def load_sessions(database: Database, path: Path) -> int:
    """Put the truth about clients into the table `sessions`, in place of what was there.

    The file is tab-separated with a head line; `client`, `class` and `family` are needed, and
    `start` (Unix time or RFC 3339) where one address was of several clients one after another.

    Returns:
        How many sessions it holds.

    Raises:
        UsageError: a line makes no sense; a wrong label would be learned.
        UnreachableError: it cannot be read.
    """
    sessions = _sessions(path)
    database.ask("TRUNCATE TABLE {db:Identifier}.sessions")
    found: list[dict[str, object]] = []
    for place, (client, since_s, label, family) in enumerate(sessions):
        # Before its first session and after its last, an address was most likely of the same.
        first = place == 0 or sessions[place - 1][0] != client
        last = place + 1 == len(sessions) or sessions[place + 1][0] != client
        until_s = 1e18 if last else sessions[place + 1][1]
        row = {"client": client, "label": label, "family": family}
        found.append(row | {"since_s": 0.0 if first else since_s, "until_s": until_s})
    for at in range(0, len(found), limits.LEARN_BATCH_RECORDS):
        insert(database, "sessions", found[at : at + limits.LEARN_BATCH_RECORDS])
    return len(found)


def _lines(files: Sequence[Path], watch: Callable[[int], None]) -> Iterator[bytes]:
    """Lines of at most a record's size; of a longer one a piece that is no JSON text."""
    most = limits.ACCESS_RECORD_SIZE_BYTES_MAX
    for path in files:
        try:
            with path.open("rb") as file:
                while line := file.readline(most + 1):
                    watch(len(line))
                    whole = line
                    while not whole.endswith(b"\n") and (whole := file.readline(most + 1)):
                        watch(len(whole))
                        line = b"{"
                    yield line
        except OSError as error:
            raise _unreadable(path, error) from error


def _row(line: bytes, part: str, loaded: Loaded) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    moment = _moment(found.get("time")) if isinstance(found, dict) else None
    if not isinstance(found, dict) or moment is None:
        loaded.garbled += 1
        return None
    bots = _text(found.get("bots"))
    if bots in ("", _NONE):
        loaded.without += 1
        return None
    verdict = parse_verdict(bots)
    if verdict is None:
        loaded.garbled += 1
        return None
    loaded.kept += 1
    vector = to_text(verdict.codes)
    texts = {key: _text(found.get(key)) for key in ("request_id", "client", "ja4", "route")}
    client = _address(texts["client"])
    return {
        "part": part,
        "record": _number(found["time"], texts["request_id"], client, vector),
        # More is read as a time here than a database takes, which would refuse all of a batch.
        "time": moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
        "request_id": texts["request_id"][: limits.REQUEST_ID_LENGTH_CHARS_MAX],
        "client": client,
        "site": texts["route"].partition("/")[0],
        "ja4ab": "_".join(texts["ja4"].split("_")[:_JA4_AB])[:60],
        "status": _status(found),
        "score": verdict.score,
        "action": verdict.action.value,
        "rules": list(verdict.rules),
        "proof": verdict.proof,
        "bot": verdict.bot,
        "clearance": verdict.level,
        "model": verdict.model,
        "vector": vector,
    }


def _text(value: object) -> str:
    """Half a surrogate pair is valid JSON, and no text that a database takes."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _status(found: Mapping[str, Any]) -> int:
    text = str(found.get("status", ""))
    return int(text) if _STATUS.fullmatch(text) else 0


def _number(*texts: str) -> int:
    """A number that is the same for the same record, wherever it is read."""
    content = "\0".join(texts).encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text[:60]


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str) and value.endswith("Z"):
            found = datetime.fromisoformat(value).astimezone(UTC)
            return found if 0 <= found.timestamp() < _TIME_MAX_S else None
    except (ValueError, OverflowError):
        pass
    return None


def _sessions(path: Path) -> list[tuple[str, float, str, str]]:
    try:
        with path.open("rb") as file:
            content = file.read(limits.LEARN_SESSIONS_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    lines = content.decode("utf-8-sig", "replace").splitlines()
    if len(content) > limits.LEARN_SESSIONS_SIZE_BYTES_MAX or (
        len(lines) > limits.LEARN_SESSIONS_MAX
    ):
        raise _bad_session(path, 0, f"is larger than {limits.LEARN_SESSIONS_MAX:,} sessions")
    head = lines[0].split("\t") if lines else []
    places = {name: place for place, name in enumerate(head)}
    if not {"client", "class", "family"} <= places.keys():
        raise _bad_session(path, 1, "has no columns client, class and family")
    found = []
    for number, line in enumerate(lines[1:], 2):
        values = line.split("\t")
        if len(values) != len(head):
            raise _bad_session(path, number, f"has {len(values)} values for {len(head)} columns")
        found.append(_session(path, number, {n: values[p] for n, p in places.items()}))
    sessions = sorted(set(found))
    for one, other in pairwise(sessions):
        if one[:2] == other[:2]:
            raise UsageError(
                "sessions-malformed",
                f"{path} contradicts itself about {one[0]}: {_said(one, other)}.",
                remedy="Separate its sessions with a column `start`, or keep only one line.",
            )
    return sessions


def _said(*sessions: tuple[str, float, str, str]) -> str:
    """The classes that they tell, or, where these are the same, the families."""
    classes = [label for _, _, label, _ in sessions]
    return " and ".join(classes if len(set(classes)) > 1 else [family for *_, family in sessions])


def _session(path: Path, number: int, values: Mapping[str, str]) -> tuple[str, float, str, str]:
    if values["class"] not in ("human", "tool", "bot"):
        raise _bad_session(path, number, f"has the class {values['class'][:40]!r}")
    if not values["client"] or not values["family"]:
        raise _bad_session(path, number, "names no client or no family")
    start = values.get("start", "")
    try:
        since_s = float(start) if start else 0.0
    except ValueError:
        moment = _moment(start)
        if moment is None:
            raise _bad_session(path, number, f"starts at {start[:40]!r}") from None
        since_s = moment.timestamp()
    if not 0 <= since_s < _TIME_MAX_S:  # also NaN, and milliseconds, which no record would reach
        raise _bad_session(path, number, f"starts at {start[:40]!r}")
    return _address(values["client"]), since_s, values["class"], values["family"]


def _bad_session(path: Path, number: int, what: str) -> UsageError:
    where = f"{path}, line {number}," if number else str(path)
    return UsageError(
        "sessions-malformed",
        f"{where} {what}.",
        remedy="Each line has a client, its class (human, tool or bot) and its family, separated "
        "by tabs, and optionally a start as Unix seconds or in RFC 3339.",
    )


def _unreadable(path: Path, error: OSError) -> UnreachableError:
    return UnreachableError(
        "file-unreadable",
        f"{path} cannot be read: {error.strerror or error}.",
        remedy="Check its name and permissions.",
    )
