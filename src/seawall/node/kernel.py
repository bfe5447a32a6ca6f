"""The few things Seawall asks of the kernel about listening sockets, one call each, no decisions.

A program is attached to a group of sockets through any socket of the group. `borrow` gets one of a
running Envoy's (`pidfd_getfd`: as root, or of one's own child). `anchor` needs no such right: it is
a socket of our own that joins the group, for as long as the attaching takes. It must listen to be
in the group, so it drops every packet it might be given in that moment (`IP_MINTTL`, because a
socket filter takes a right that an ordinary user lacks): a client that met it asks again after a
second and finds Envoy.

Refusals become a `RefusedError` that names the call; what is merely gone is an `OSError`. Tests
inject a `Kernel` that refuses.
"""

import ctypes
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.errors import RefusedError
from seawall.node.steering import Program, encode

_IP_MINTTL: Final = 21
_IPV6_MINHOPCOUNT: Final = 73
_HOPS_OF_NOBODY: Final = 255
"""Packets that made a hop or were sent with a usual limit of hops (64, 128) are dropped."""
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_SO_DETACH_REUSEPORT_BPF: Final = 68
_PIDFD_GETFD: Final = 438
"""The number of the system call on every architecture."""
_FORBIDDEN: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOPROTOOPT, errno.EINVAL, errno.EOPNOTSUPP}
)
_LISTENING: Final = b"0A"
_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


@dataclass(frozen=True, slots=True)
class Place:
    """An address and port that Envoys listen on together.

    Attributes:
        address: as `ipaddress` writes it.
        dual: `::` that takes IPv4 too.
    """

    address: str
    port: int
    dual: bool = False

    @property
    def ipv6(self) -> bool:
        """Whether its sockets are of the IPv6 family."""
        return ":" in self.address

    @property
    def reachable(self) -> str:
        """An address of this machine by which it is reached."""
        address = ipaddress.ip_address(self.address)
        if not address.is_unspecified:
            return self.address
        return "::1" if self.ipv6 else "127.0.0.1"

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.ipv6 else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """One listening socket; `queued` connections wait in it to be accepted."""

    address: str
    port: int
    inode: int
    queued: int


class Kernel:
    """The calls; every one blocks for microseconds to milliseconds."""

    def listening(self) -> tuple[Listening, ...]:
        """Every listening TCP socket of this network namespace.

        Raises:
            OSError: /proc cannot be read.
        """
        found = []
        for table in _TABLES:
            with suppress(FileNotFoundError):  # tcp6 is missing on a machine without IPv6
                for fields in _rows(table, listening=True):
                    address, port = _endpoint(fields[1])
                    queued = int(fields[4].partition(b":")[2], 16)
                    found.append(Listening(address, port, int(fields[9]), queued))
        return tuple(found)

    def sockets(self, pid: int) -> dict[int, int]:
        """Inode to descriptor number of every socket of a process.

        Raises:
            RefusedError: the process may not be looked at.
            OSError: it is gone.
        """
        found = {}
        directory = f"/proc/{pid}/fd"
        try:
            for name in os.listdir(directory):  # noqa: PTH208 - thousands of names, twice as fast
                with suppress(FileNotFoundError):
                    target = os.readlink(f"{directory}/{name}")  # noqa: PTH115 - the same
                    if target.startswith("socket:["):
                        found[int(target[8:-1])] = int(name)
        except OSError as error:
            raise _forbidden("reading /proc/PID/fd", error) from error
        return found

    def borrow(self, pid: int, descriptor: int) -> socket.socket:
        """A duplicate of another process's socket; close it soon: it keeps the socket alive.

        Raises:
            RefusedError: the kernel forbids it.
            OSError: the process or the descriptor is gone.
        """
        pidfd = os.pidfd_open(pid)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            number = libc.syscall(_PIDFD_GETFD, pidfd, descriptor, 0)
            if number < 0:
                code = ctypes.get_errno()
                raise _forbidden("pidfd_getfd", OSError(code, os.strerror(code)))
        finally:
            os.close(pidfd)
        return socket.socket(fileno=number)

    def anchor(self, place: Place) -> socket.socket:
        """A socket of our own in the group of `place`; close it at once after use.

        Raises:
            RefusedError: the address cannot be bound by this user, or the kernel forbids it.
            OSError: the address is not of this machine any more.
        """
        family = socket.AF_INET6 if place.ipv6 else socket.AF_INET
        own = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if place.ipv6:
                own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not place.dual)
                own.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, _HOPS_OF_NOBODY)
            own.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, _HOPS_OF_NOBODY)
            own.bind((place.address, place.port))
            own.listen(0)
        except OSError as error:
            own.close()
            if error.errno == errno.EADDRINUSE:  # a group of another user, or without reuse
                raise _refused("joining the group of sockets", error) from error
            raise _forbidden("joining the group of sockets", error) from error
        return own

    def attach(self, member: socket.socket, program: Program) -> None:
        """Make `program` choose the socket of each new connection to the group of `member`.

        Raises:
            RefusedError: the kernel forbids it.
        """
        try:
            _set_program(member, _SO_ATTACH_REUSEPORT_CBPF, program)
        except OSError as error:
            raise _refused("SO_ATTACH_REUSEPORT_CBPF", error) from error

    def detach(self, member: socket.socket) -> None:
        """Give the choice back to the kernel's hash.

        Raises:
            RefusedError: the kernel forbids it; no program at all is fine.
        """
        try:
            member.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 1)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise _refused("SO_DETACH_REUSEPORT_BPF", error) from error

    def accepted(self, address: str, ports: Collection[int]) -> dict[int, int]:
        """Peer port to inode of every accepted connection from one of `ports` of `address`.

        A client of another address may have the same port: on a busy edge some always have.

        Args:
            address: of this machine, bound together with each of the ports by the caller.
            ports: of the other ends.

        Raises:
            OSError: /proc cannot be read.
        """
        wanted = {_row_of(address, port): port for port in ports}
        found = {}
        for table in _TABLES:
            with suppress(FileNotFoundError):
                for fields in _rows(table, listening=False):
                    port = wanted.get(fields[2])
                    if port is not None and fields[9] != b"0":
                        found[port] = int(fields[9])
        return found


def _rows(table: Path, *, listening: bool) -> Iterator[list[bytes]]:
    """Rows of the kernel's table; the listening ones stand first, so that few are read for them."""
    with table.open("rb") as file:
        next(file, None)
        for row in file:
            fields = row.split()
            if (fields[3] == _LISTENING) is listening:
                yield fields
            elif listening:
                return


def _endpoint(text: bytes) -> tuple[str, int]:
    digits, _, port = text.partition(b":")
    packed = bytes.fromhex(digits.decode())
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    address = ipaddress.ip_address(struct.pack(f">{len(words)}I", *words))
    return str(address), int(port, 16)


def _row_of(address: str, port: int) -> bytes:
    """What `_endpoint` reads."""
    packed = ipaddress.ip_address(address).packed
    words = struct.unpack(f">{len(packed) // 4}I", packed)
    digits = struct.pack(f"={len(words)}I", *words).hex().upper()
    return f"{digits}:{port:04X}".encode()


def _set_program(target: socket.socket, option: int, program: Program) -> None:
    code = encode(program)
    held = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(program), ctypes.addressof(held))
    target.setsockopt(socket.SOL_SOCKET, option, head)


def _forbidden(call: str, error: OSError) -> Exception:
    """A refusal when the kernel means one; else the error itself."""
    return _refused(call, error) if error.errno in _FORBIDDEN else error


def _refused(call: str, error: OSError) -> RefusedError:
    name = errno.errorcode.get(error.errno or 0, "error")
    return RefusedError(
        "kernel-forbids",
        f"The kernel or the container forbids {call} ({name}).",
        remedy="See docs/canary.md for what steering needs.",
    )
