"""Access records: one JSON line a request, as Envoy wrote it, read back with bounds everywhere.

A record is untrusted text: clients choose the host, path and headers in it. Lines that are too
long, cut off or not JSON are skipped; none of them ends a search. Files are read from
the end in blocks, since the request somebody asks about is a recent one. Keys are those of
`seawall.compiler.access_log.FIELDS` (docs/access-records.md); Envoy leaves out empty ones.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from seawall.errors import NotFoundError, UnreachableError, UsageError
from seawall.limits import (
    ACCESS_LOG_FILES_MAX,
    ACCESS_READ_SIZE_BYTES,
    ACCESS_RECORD_SIZE_BYTES_MAX,
    ACCESS_RECORDS_PER_S_MAX,
    FORWARDED_SHARE_MIN,
    REQUEST_ID_LENGTH_CHARS_MAX,
    STORY_VALUE_LENGTH_CHARS_MAX,
)

_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9_.:-]{{1,{REQUEST_ID_LENGTH_CHARS_MAX}}}")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(?:\d{3})?Z")
"""What an answer without an id tells instead; error pages tell microseconds."""
MISSING_WORDS: Final = (
    "The record may have been deleted with the oldest ones. All errors and slow requests are "
    "recorded, and of the other requests the share `access_log: sample`. Above "
    f"{ACCESS_RECORDS_PER_S_MAX:,} a second of one kind, a node records only part of them. A "
    "record is written within a second."
)
"""Why there may be no record of a request that was answered."""
_SERVER_ERROR: Final = 500
_GRPC_FAILED: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""What is the server's fault (https://grpc.io/docs/guides/status-codes/)."""
_BEFORE_ID: Final = frozenset(
    {
        "absolute_path_rejected",
        "missing_host_header",
        "missing_path_rejected",
        "overload",
        "path_normalization_failed",
    }
)
"""Details of what Envoy refuses before it makes an id, with the headers as the client sent them."""


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One request. Texts are empty and numbers None where Envoy had nothing to write.

    Attributes:
        time: UTC, RFC 3339 with milliseconds: when the request began.
        release: the release whose routes decided; empty when no virtual host was chosen.
        route: `SITE/ROUTE`; a name after `/_` is Seawall's own rule.
        path: without the query string, canonical, before a rewrite.
        flags: Envoy's response flags, comma-separated, empty for an ordinary request.
        details: Envoy's response code details: who answered, and why.
        duration_ms: first byte received to last byte sent.
        origin_ms: first byte received to first byte of the origin's response.
        grpc_status: as gRPC names it, such as `UNAVAILABLE`; empty for what is no gRPC.
        client: the address believed to be the client's; `peer` is who connected.
        origin: name of the origin; empty when the edge answered itself.
        attempts: requests sent to the origin, so 2 means one retry.
        bots: what the bot filter decided, as `seawall.telemetry.bots` reads it.
    """

    time: str = ""
    request_id: str = ""
    release: str = ""
    route: str = ""
    method: str = ""
    host: str = ""
    path: str = ""
    protocol: str = ""
    status: int | None = None
    grpc_status: str = ""
    flags: str = ""
    details: str = ""
    duration_ms: int | None = None
    origin_ms: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    client: str = ""
    peer: str = ""
    forwarded_for: str = ""
    origin: str = ""
    endpoint: str = ""
    attempts: int | None = None
    user_agent: str = ""
    ja4: str = ""
    tls: str = ""
    bots: str = ""
    req_headers: Mapping[str, str] = field(default_factory=dict)
    resp_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """The site part of `route`."""
        return self.route.partition("/")[0]

    @property
    def failed(self) -> bool:
        """Whether the client was told that the site is at fault."""
        return (self.status or 0) >= _SERVER_ERROR or self.grpc_status in _GRPC_FAILED

    @property
    def id_is_claimed(self) -> bool:
        """Whether the client wrote the id itself, so that it may be that of another request."""
        return self.details in _BEFORE_ID and bool(self.request_id)

    def is_of(self, request_id: str) -> bool:
        """Whether it has that id, or none and began at the time that was told in its place."""
        if self.request_id:
            return self.request_id == request_id
        told = _TIME.fullmatch(request_id)
        return told is not None and self.time == f"{told[1]}Z"


_NUMBERS: Final = frozenset(
    {"status", "duration_ms", "origin_ms", "bytes_in", "bytes_out", "attempts"}
)
_MAPPINGS: Final = frozenset({"req_headers", "resp_headers"})
_TEXTS: Final = frozenset(AccessRecord.__dataclass_fields__) - _NUMBERS - _MAPPINGS


def parse_record(line: bytes) -> AccessRecord | None:
    """The record of one line; None when it is too long, not a JSON object, or names no request."""
    if len(line) > ACCESS_RECORD_SIZE_BYTES_MAX:
        return None
    try:
        return _record(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _record(found: object) -> AccessRecord | None:
    if not isinstance(found, dict) or not isinstance(found.get("time"), str):
        return None
    fields: dict[str, Any] = {key: _text(found[key]) for key in _TEXTS if key in found}
    fields |= {key: _number(found[key]) for key in _NUMBERS if key in found}
    fields |= {key: _texts(found[key]) for key in _MAPPINGS if key in found}
    return AccessRecord(**fields)


def files(current: Path) -> tuple[Path, ...]:
    """The current file and its rotated ones that exist, newest first."""
    return tuple(path for path in (current, *_rotated(current)) if path.is_file())


def require_request_id(text: str) -> None:
    """Refuse what cannot be the id of a request, nor the time that is told in place of one.

    Raises:
        UsageError: it is too long, or holds other characters.
    """
    if not _REQUEST_ID.fullmatch(text):
        raise UsageError(
            "request-id-malformed",
            "That is not a request id: letters, digits, '-', '_', '.' and ':' only.",
            remedy="Take the value of the response header x-request-id, or the id or time that an "
            "error page tells.",
        )


@dataclass(frozen=True, slots=True)
class Search:
    """What came of looking for one request.

    Attributes:
        line: the newest record of it, as Envoy wrote it; empty when none was found. One whose id
            the client only claimed is found when there is no other.
        whole: whether every record was looked at, or the one was found; not when a file could not
            be read.
        since: when the oldest request began whose record was looked at, as Envoy wrote it; empty
            without any.
    """

    line: bytes = b""
    whole: bool = True
    since: str = ""


def search(current: Path, request_id: str, go_on: Callable[[], bool] = lambda: True) -> Search:
    """Look for `request_id` in all files, newest first, as long as `go_on` says so.

    Raises:
        UsageError: `request_id` cannot be one.
    """
    require_request_id(request_id)
    # With its key, since a short id stands in most lines, and reading a line takes long.
    at = _TIME.fullmatch(request_id)
    key, told = ("time", f"{at[1]}Z") if at else ("request_id", request_id)
    needle = re.compile(rb'"%s"\s*:\s*"%s"' % (key.encode(), re.escape(told.encode("ascii"))))
    oldest, claimed, unread = b"", b"", list[Path]()
    for block in _blocks(current, unread):
        if not go_on():
            return Search(claimed, whole=False, since=_time_of(oldest))
        oldest = block
        if not needle.search(block):
            continue
        for line in reversed(block.split(b"\n")):
            record = parse_record(line) if needle.search(line) else None
            if record is None or not record.is_of(request_id):
                continue
            if not record.id_is_claimed:
                return Search(line, since=record.time)
            claimed = claimed or line
    return Search(claimed, whole=not unread, since=_time_of(oldest))


def find(current: Path, request_id: str) -> AccessRecord:
    """The record of `request_id`, looked for in all files, newest first.

    Raises:
        UsageError: `request_id` cannot be one.
        NotFoundError: no record has it: not logged, not yet written, or rotated away.
        UnreachableError: a file cannot be read, and no other has it.
    """
    found = search(current, request_id)
    record = parse_record(found.line)
    if record is not None:
        return record
    if not found.whole:
        raise UnreachableError(
            "records-unreadable",
            f"Some access records in {current.parent} cannot be read, and request {request_id} "
            "is in none of the others.",
            remedy="Run the command as the user that Seawall runs as.",
        )
    raise NotFoundError(
        "request-not-found",
        f"No access record of request {request_id} is on this node.",
        remedy=MISSING_WORDS,
    )


def recent(current: Path, size_bytes: int) -> tuple[AccessRecord, ...]:
    """The records in the last `size_bytes` of the current file alone, newest first."""
    try:
        with current.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - size_bytes))
            block = file.read(size_bytes)
    except OSError:
        return ()
    _, newline, whole = block.partition(b"\n") if end > size_bytes else (b"", b"\n", block)
    return tuple(_records(whole.rpartition(b"\n")[0])) if newline else ()


def newest(paths: Iterable[Path], size_bytes: int) -> Iterator[AccessRecord]:
    """The newest records of files, each file from its end, until about `size_bytes` are read."""
    left = size_bytes
    for path in paths:
        try:
            with path.open("rb") as file:
                for block in _blocks_of(file):
                    yield from _records(block)
                    left -= len(block)
                    if left <= 0:
                        return
        except OSError:
            continue


@dataclass(frozen=True, slots=True)
class UntrustedForwarding:
    """Requests whose sender claimed, in `x-forwarded-for`, to speak for others without trust.

    Attributes:
        count: such requests among the `sampled` newest records.
        peer: who sent most of them.
    """

    count: int
    sampled: int
    peer: str


def untrusted_forwarding(records: Iterable[AccessRecord]) -> UntrustedForwarding | None:
    """What senders that are not trusted proxies claimed; None when hardly anybody did.

    Envoy always appends one address to the header (the peer, or its own for a peer on loopback),
    so a header that holds more was sent by the peer; and it takes the client's address from it
    only when the peer is trusted, so `client` stays the peer when it is not.
    """
    sampled, peers = 0, dict[str, int]()
    for record in records:
        sampled += 1
        claimed = [part.strip() for part in record.forwarded_for.split(",") if part.strip()]
        if claimed[:-1] and record.peer and record.client == record.peer:
            peers[record.peer] = peers.get(record.peer, 0) + 1
    count = sum(peers.values())
    if not count or count < FORWARDED_SHARE_MIN * sampled:
        return None
    return UntrustedForwarding(count, sampled, max(peers, key=lambda p: peers[p]))


def _rotated(current: Path) -> Iterator[Path]:
    return (current.with_name(f"{current.name}.{n}") for n in range(1, ACCESS_LOG_FILES_MAX))


def _time_of(block: bytes) -> str:
    """When the first request of a block began that can be read; empty without any."""
    parsed = (parse_record(line) for line in block.split(b"\n"))
    return next((record.time for record in parsed if record is not None), "")


def _blocks(current: Path, unread: list[Path] | None = None) -> Iterator[bytes]:
    """Blocks of whole lines over all files, the newest block first, each in order of writing.

    Every name is tried in its turn: a rotation meanwhile moves a file on to the next name. Files
    that are there and cannot be read are added to `unread`.
    """
    for path in (current, *_rotated(current)):
        try:
            with path.open("rb") as file:
                yield from _blocks_of(file)
        except FileNotFoundError:
            continue
        except OSError:
            if unread is not None:
                unread.append(path)


def _blocks_of(file: BinaryIO) -> Iterator[bytes]:
    position = file.seek(0, 2)
    rest: bytes | None = None  # the end of a line, newline included, whose beginning is unread
    while position > 0:
        size = min(ACCESS_READ_SIZE_BYTES, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        if rest is None:  # a last line without its newline is still being written
            block = block[: block.rfind(b"\n") + 1]
        block += rest or b""
        if position == 0:
            yield block
        elif block:
            end = block.find(b"\n") + 1
            rest = block[:end] if end and end <= ACCESS_RECORD_SIZE_BYTES_MAX else b"\n"
            yield block[end:]


def _records(block: bytes) -> Iterator[AccessRecord]:
    """Those of a block of whole lines, the newest first."""
    for line in reversed(block.split(b"\n")):
        record = parse_record(line)
        if record is not None:
            yield record


def time_s(text: str) -> float:
    """Unix seconds of a record's time; long ago when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("-inf")


def shown(text: str) -> str:
    """Untrusted text made safe to print: no control characters, bounded length."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    limit = STORY_VALUE_LENGTH_CHARS_MAX
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def _text(value: object) -> str:
    """As text that every terminal and file can take: JSON may hold halves of characters."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        return int(value[:18])
    return int(value) if isinstance(value, int | float) and abs(value) < 1 << 62 else None


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {_text(key): _text(each) for key, each in value.items() if each is not None}
