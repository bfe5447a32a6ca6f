"""DNS messages as bytes (RFC 1035): as much as a forwarder of address questions needs.

Records are passed on as they came, only their TTLs are changed. That works because compressed names
in them point at the question, which stands at the same place in every message about it, and at
records before. A DNS library would cost every agent six megabytes.
"""

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final, Self

from seawall.limits import DNS_QUERY_SIZE_BYTES_MAX, DNS_TOLD_TTL_S_MAX, DNS_UDP_SIZE_BYTES

A: Final = 1
AAAA: Final = 28
KINDS: Final = {A: "A", AAAA: "AAAA"}
"""What Envoy asks for: addresses of the two families."""
NO_ERROR: Final = 0
FORMAT_ERROR: Final = 1
NO_NAME: Final = 3
NOT_IMPLEMENTED: Final = 4
LENGTH_BYTES: Final = 2
"""Before each message over TCP."""
HEAD: Final = struct.Struct("!HHHHHH")
_FIXED: Final = struct.Struct("!HHIH")
"""Of a record, after its name: type, class, TTL, length of its data."""
_QUESTION: Final = struct.Struct("!HH")
_IN: Final = 1
_OPT: Final = 41
_RESPONSE, _TRUNCATED, _RECURSION, _AVAILABLE = 0x8000, 0x0200, 0x0100, 0x0080
_OPCODE: Final = 0x7800
_RCODE: Final = 0x000F
_POINTER: Final = 0xC0
NAME_SIZE_BYTES_MAX: Final = 255
_UDP_SIZE_BYTES_MIN: Final = 512
_OWN_OPT: Final = b"\0" + _FIXED.pack(_OPT, DNS_UDP_SIZE_BYTES, 0, 0)
_TTL_BYTES: Final = 4
_TTL_SIGN: Final = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Question:
    """A name in lower case, as labels with their lengths, and `A` or `AAAA`."""

    name: bytes
    kind: int

    @property
    def sibling(self) -> "Question":
        """The same name, the other family."""
        return Question(self.name, AAAA if self.kind == A else A)

    @property
    def text(self) -> str:
        """The name as people write it; bytes that are no plain text are escaped."""
        labels, at = [], 0
        while self.name[at]:
            end = at + 1 + self.name[at]
            labels.append(self.name[at + 1 : end].decode("ascii", "backslashreplace"))
            at = end
        return "".join(c if c.isprintable() else "?" for c in ".".join(labels)) or "."


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody asks.

    Attributes:
        asked: the question section as it came, whose capitals an answer must repeat.
        size_bytes_max: of an answer over UDP.
        extended: it speaks EDNS, so the answer has to.
    """

    id: int
    question: Question
    asked: bytes
    size_bytes_max: int
    extended: bool


@dataclass(frozen=True, slots=True)
class Records:
    """An answer section.

    Attributes:
        body: as it came.
        ttl_places: where in it the TTLs stand.
        ttl_s: the smallest of them.
    """

    body: bytes
    ttl_places: tuple[int, ...]
    ttl_s: int

    @classmethod
    def read(cls, wire: bytes, start: int, count: int) -> tuple[Self, int]:
        """`count` records from `start` on, and where they end.

        Raises:
            ValueError: they are cut off or malformed.
        """
        at, places, ttl_s = start, [], None
        for _ in range(count):
            at = _after_name(wire, at)
            if at + _FIXED.size > len(wire):
                raise ValueError("a record is cut off")
            _, _, ttl, length = _FIXED.unpack_from(wire, at)
            seconds = 0 if ttl & _TTL_SIGN else ttl  # RFC 2181 section 8
            ttl_s = seconds if ttl_s is None else min(ttl_s, seconds)
            places.append(at + 4 - start)
            at += _FIXED.size + length
        if at > len(wire):
            raise ValueError("a record is cut off")
        return cls(wire[start:at], tuple(places), ttl_s or 0), at

    @property
    def kinds(self) -> set[int]:
        """Types of the records."""
        return {int.from_bytes(self.body[at - 4 : at - 2], "big") for at in self.ttl_places}

    @property
    def addresses(self) -> tuple[str, ...]:
        """As people write them, sorted."""
        found = (
            self.body[at + 6 : at + 6 + int.from_bytes(self.body[at + 4 : at + 6], "big")]
            for at in self.ttl_places
            if int.from_bytes(self.body[at - 4 : at - 2], "big") in KINDS
        )
        known = [ipaddress.ip_address(data) for data in found if len(data) in {4, 16}]
        return tuple(map(str, sorted(known, key=lambda address: (address.version, int(address)))))

    def aged(self, age_s: int) -> bytes:
        """The section `age_s` seconds later; no TTL falls under a second, or is very long."""
        told = bytearray(self.body)
        for at in self.ttl_places:
            ttl_s = int.from_bytes(told[at : at + _TTL_BYTES], "big")
            left_s = min(max(1, ttl_s - age_s) if age_s else ttl_s, DNS_TOLD_TTL_S_MAX)
            told[at : at + _TTL_BYTES] = left_s.to_bytes(_TTL_BYTES, "big")
        return bytes(told)

    def lasting(self, ttl_s: int) -> bytes:
        """The section with `ttl_s` as every TTL."""
        told = bytearray(self.body)
        for at in self.ttl_places:
            told[at : at + _TTL_BYTES] = ttl_s.to_bytes(_TTL_BYTES, "big")
        return bytes(told)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a resolver said; `truncated` asks to come again over TCP."""

    rcode: int
    truncated: bool
    records: Records


def read_query(wire: bytes) -> Query:
    """Read what somebody asks.

    Raises:
        ValueError: it is no question that may be answered at all.
        NotImplementedError: a question for something else than addresses.
    """
    if not HEAD.size < len(wire) <= DNS_QUERY_SIZE_BYTES_MAX:
        raise ValueError("a question of an impossible size")
    number, flags, questions, answers, authorities, more = HEAD.unpack_from(wire)
    if flags & _RESPONSE or questions != 1 or answers or authorities:
        raise ValueError("no question")
    question, end, kind_class = _read_question(wire)
    if flags & _OPCODE or kind_class != _IN or question.kind not in KINDS:
        raise NotImplementedError
    size_bytes_max, extended = _UDP_SIZE_BYTES_MIN, False
    if more:
        at = _after_name(wire, end)
        if at + _FIXED.size > len(wire):
            raise ValueError("a record is cut off")
        kind, size, _, _ = _FIXED.unpack_from(wire, at)
        extended = kind == _OPT
        if extended:
            size_bytes_max = min(max(size, _UDP_SIZE_BYTES_MIN), DNS_UDP_SIZE_BYTES)
    return Query(number, question, wire[HEAD.size : end], size_bytes_max, extended)


def reply(query: Query, rcode: int, body: bytes = b"", count: int = 0) -> bytes:
    """The message that answers `query`."""
    flags = _RESPONSE | _RECURSION | _AVAILABLE | rcode
    head = HEAD.pack(query.id, flags, 1, count, 0, int(query.extended))
    return head + query.asked + body + (_OWN_OPT if query.extended else b"")


def truncated(query: Query) -> bytes:
    """The message that asks to come again over TCP."""
    head = HEAD.pack(query.id, _RESPONSE | _TRUNCATED | _RECURSION | _AVAILABLE, 1, 0, 0, 0)
    return head + query.asked


def refusal(wire: bytes, rcode: int) -> bytes:
    """The message that refuses what could not be read as a question; it repeats nothing of it."""
    return HEAD.pack(int.from_bytes(wire[:2], "big"), _RESPONSE | rcode, 0, 0, 0, 0)


def ask(question: Question, number: int) -> bytes:
    """The message that asks a resolver."""
    head = HEAD.pack(number, _RECURSION, 1, 0, 0, 1)
    return head + question.name + _QUESTION.pack(question.kind, _IN) + _OWN_OPT


def over_tcp(message: bytes) -> bytes:
    """The message as it is sent over TCP."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def read_answer(wire: bytes, question: Question, number: int) -> Answer:
    """Read what a resolver said.

    Raises:
        ValueError: it is malformed, or no answer to `question` as it was asked.
    """
    if len(wire) <= HEAD.size:
        raise ValueError("too short")
    found, flags, questions, answers, _, _ = HEAD.unpack_from(wire)
    if found != number or not flags & _RESPONSE or questions != 1:
        raise ValueError("the answer to another question")
    asked, end, kind_class = _read_question(wire)
    if asked != question or kind_class != _IN:
        raise ValueError("the answer to another question")
    if flags & _TRUNCATED:
        return Answer(flags & _RCODE, truncated=True, records=Records(b"", (), 0))
    records, _ = Records.read(wire, end, answers)
    return Answer(flags & _RCODE, truncated=False, records=records)


def _read_question(wire: bytes) -> tuple[Question, int, int]:
    """The question, where it ends, and its class; its name may not be compressed."""
    at = HEAD.size
    while at < len(wire) and wire[at]:
        if wire[at] & _POINTER:
            raise ValueError("a compressed question")
        at += 1 + wire[at]
    at += 1
    name = wire[HEAD.size : at]
    if at + _QUESTION.size > len(wire) or len(name) > NAME_SIZE_BYTES_MAX:
        raise ValueError("a question that is cut off")
    kind, kind_class = _QUESTION.unpack_from(wire, at)
    return Question(name.lower(), kind), at + _QUESTION.size, kind_class


def _after_name(wire: bytes, at: int) -> int:
    while at < len(wire):
        length = wire[at]
        if length & _POINTER == _POINTER:
            return at + 2
        at += 1 + length
        if not length:
            return at
    raise ValueError("a name is cut off")
