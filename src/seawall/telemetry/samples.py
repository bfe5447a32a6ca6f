"""What a node of a fleet has seen of late, as far as bot rules and address lists look at it.

Made on the node and opened by control. Of each record only what a rule can ask for goes along: no
user agent, no headers but the sort of answer that was wanted, and the client's address only where
address lists are tried. What comes in is a node's word: opened with bounds, and checked for sense.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.errors import SeawallError
from seawall.telemetry import records
from seawall.telemetry.records import AccessRecord

TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,18}Z")
"""When a request began, as a node may say it."""
_ALWAYS: Final = ("time", "request_id", "route", "method", "host", "path", "protocol", "bots")
_ADDRESS: Final = "client"
_ACCEPT: Final = "accept"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What nodes are asked for.

    Attributes:
        sites: names; empty for all of them.
        addresses: with the addresses of clients.
    """

    sites: tuple[str, ...] = ()
    addresses: bool = False


class SampleError(ValueError):
    """What a node sent is no sample; the text says why."""


def read_recent(access_file: Path, now_s: float) -> Iterator[AccessRecord]:
    """The records of this machine that rules are tried on, newest first."""
    found = records.newest(records.files(access_file), limits.REHEARSAL_READ_BYTES)
    age_s_max = limits.REHEARSAL_AGE_S
    return (record for record in found if 0 <= now_s - records.time_s(record.time) <= age_s_max)


def pack(
    found: Iterable[AccessRecord], wanted: Wanted, go_on: Callable[[], bool] = lambda: True
) -> bytes:
    """What is wanted of `found`, for the way to control; of many an even part, bounded in size.

    Args:
        found: bounded by what is read.
        wanted: by control.
        go_on: False when there is no more time; what was found until then is packed.
    """
    sites, lines = frozenset(wanted.sites), list[bytes]()
    for record in found:
        if not go_on():
            break
        if (sites and record.site not in sites) or _senseless(record):
            continue  # what was no request has no id, and no rule looks at it
        line = _line(record, addresses=wanted.addresses)
        if len(line) <= limits.SAMPLE_RECORD_SIZE_BYTES_MAX:
            lines.append(line)
    most = limits.SAMPLE_RECORDS_MAX
    while (packed := _packed(_thinned(lines, most))) is None:
        most //= 2
    return packed


def unpack(packed: bytes) -> tuple[AccessRecord, ...]:
    """The records that a node sent.

    Raises:
        SampleError: they are none, or over a bound.
    """
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(packed, limits.SAMPLE_SIZE_BYTES_MAX + 1)
    except zlib.error as error:
        raise SampleError("it cannot be unpacked") from error
    if len(text) > limits.SAMPLE_SIZE_BYTES_MAX or not stream.eof:
        raise SampleError("it is cut off, or too large")
    lines = text.split(b"\n") if text else []
    if len(lines) > limits.SAMPLE_RECORDS_MAX:
        raise SampleError("it holds too many records")
    return tuple(_sensible(line) for line in lines)


def _thinned(lines: Sequence[bytes], most: int) -> Sequence[bytes]:
    """Evenly over all of them: the newest alone would be one second of a busy node."""
    if len(lines) <= most:
        return lines
    return [lines[place * len(lines) // most] for place in range(most)]


def _packed(lines: Sequence[bytes]) -> bytes | None:
    """None when that is over a bound."""
    text = b"\n".join(lines)
    if len(text) > limits.SAMPLE_SIZE_BYTES_MAX:
        return None
    packed = zlib.compress(text)
    return packed if len(packed) <= limits.SAMPLE_PACKED_SIZE_BYTES_MAX else None


def _line(record: AccessRecord, *, addresses: bool) -> bytes:
    names = (*_ALWAYS, _ADDRESS) if addresses else _ALWAYS
    fields: dict[str, object] = {name: getattr(record, name) for name in names}
    if accept := record.req_headers.get(_ACCEPT):
        fields["req_headers"] = {_ACCEPT: accept}
    kept = {name: value for name, value in fields.items() if value}
    return json.dumps(kept, separators=(",", ":")).encode()


def _sensible(line: bytes) -> AccessRecord:
    record = records.parse_record(line)
    if record is None:
        raise SampleError("it holds something that is not a record")
    if why := _senseless(record):
        raise SampleError(f"it holds {why}")
    return record


def _senseless(record: AccessRecord) -> str:
    """Why a record is of no use: its id cannot be shown and typed, or its time is none."""
    try:
        records.require_request_id(record.request_id)
    except SeawallError:
        return "an invalid request id"
    if not TIME.fullmatch(record.time) or records.time_s(record.time) < 0:
        return "an invalid time"
    return ""
