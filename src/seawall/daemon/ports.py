"""Who listens on a port: asked before Envoy is started, because Envoy would not notice.

Envoy opens its listeners with SO_REUSEPORT, so two of them (of two data directories, say) share a
port without an error and each gets a part of the connections. The kernel's table of listening
sockets is read instead of binding a probe: a probe could collide with our own Envoy's start.
"""

import ipaddress
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.daemon.processes import envoys
from seawall.daemon.standin import place_of
from seawall.errors import ConflictError
from seawall.procfs import process_ids
from seawall.site.parse import value_of
from seawall.site.sources import SourceSet
from seawall.site.tree import ListNode, MapNode, Node

_LISTEN_STATE: Final = "0A"
_TABLES: Final = ("tcp", "tcp6")
_FIELDS_MIN: Final = 10
_INODE_FIELD: Final = 9
_SOCKET: Final = "socket:["
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on; `kind` is `http` or `https`."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens where; `pid` is None when that process belongs to somebody else."""

    host: str
    pid: int | None
    name: str

    def __str__(self) -> str:
        if self.pid is None:
            return "a process of another user"
        return f"process {self.pid} ({self.name})"


def addresses(listen: Node) -> list[Address]:
    """The addresses that `listen` of a site file asks for, without what makes no sense there."""
    if not isinstance(listen, MapNode):
        return []
    found = []
    for kind in ("http", "https"):
        for text in _texts(listen.get(kind)):
            host, _, port = text.rpartition(":")
            if port.isdecimal() and int(port) <= _PORT_MAX:
                found.append(Address(kind, host.strip("[]") or "::", int(port)))
    return found


def holder(address: Address, *, ours: Collection[int] = ()) -> Holder | None:
    """Somebody else who listens on `address`; `ours` are the process ids of our own Envoys."""
    own = _sockets(ours)  # most often all of them: who has the others takes a look at everybody
    for host, inode in _listening(address.port):
        if inode in own or not _overlap(address.host, host):
            continue
        pid, name = _owner(inode)
        if pid is None or pid not in ours:
            return Holder(host, pid, name)
    return None


def require_free(sources: SourceSet, data_dir: Path) -> None:
    """Refuse a site file whose listeners another program holds.

    Raises:
        ConflictError: somebody other than this data directory's own Envoy listens there.
    """
    data_dir = place_of(data_dir)
    root = next(file.content for file in sources.files if file.path == sources.root)
    for address in addresses(value_of(sources.root, root, "listen")):
        found = holder(address, ours=_envoys(data_dir))
        if found is not None and found.pid is None:
            # The socket of a candidate that ends just now is listed, and nobody's any more.
            found = holder(address, ours=_envoys(data_dir))
        # Our own node agent may have started its Envoy since it was looked for.
        if found is not None and found.pid not in _envoys(data_dir):
            raise ConflictError(
                "port-taken",
                f"The {address.kind} listener {address} cannot be opened: {found} already "
                f"listens on {found.host} port {address.port}.",
                remedy=f"Stop that program, or choose another port at `listen: {address.kind}:` "
                f"in {Path(sources.root).name}.",
            )


def _envoys(data_dir: Path) -> frozenset[int]:
    return frozenset(envoy.pid for envoy in envoys(data_dir))


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, MapNode):
        yield from _texts(node.get("address"))
    elif isinstance(node, ListNode):
        for item in node:
            yield from _texts(item)


def _listening(port: int) -> Iterator[tuple[str, str]]:
    """Address and inode of each socket that listens on `port` (proc(5), net/tcp)."""
    for table in _TABLES:
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) < _FIELDS_MIN or fields[3] != _LISTEN_STATE:
                continue
            host, _, number = fields[1].partition(":")
            if int(number, 16) == port:
                yield _decode(host), fields[_INODE_FIELD]


def _decode(text: str) -> str:
    # The kernel prints each 32-bit word of the address in the byte order of the machine.
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _overlap(wanted: str, held: str) -> bool:
    try:
        one, other = ipaddress.ip_address(wanted), ipaddress.ip_address(held)
    except ValueError:
        return False
    if one == other:
        return True
    if one.is_unspecified or other.is_unspecified:
        # `::` takes IPv4 too unless it is told not to; better one question too many.
        return one.version == other.version or (one.is_unspecified and other.is_unspecified)
    return False


def _owner(inode: str) -> tuple[int | None, str]:
    wanted = f"{_SOCKET}{inode}]"
    for pid in process_ids():
        process = Path(f"/proc/{pid}")
        try:
            if any(_link(descriptor) == wanted for descriptor in (process / "fd").iterdir()):
                return pid, _name(process)
        except OSError:
            continue
    return None, ""


def _sockets(pids: Iterable[int]) -> frozenset[str]:
    """Inodes of the sockets that processes hold; one that has ended, or is another's, has none."""
    found: set[str] = set()
    for pid in pids:
        with suppress(OSError):
            links = map(_link, Path(f"/proc/{pid}/fd").iterdir())
            found |= {link[len(_SOCKET) : -1] for link in links if link.startswith(_SOCKET)}
    return frozenset(found)


def _link(path: Path) -> str:
    try:
        return os.fspath(path.readlink())
    except OSError:
        return ""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "unknown"
