"""Which resolvers the system asks: its resolv.conf, read again when it has changed.

Only `nameserver` lines count (resolv.conf(5)). Besides plain addresses `[ADDRESS]:PORT` is
understood, as OpenBSD and c-ares write it. Search domains are Envoy's own business: the forwarder
is asked for whole names.
"""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.limits import DNS_RESOLV_CONF_SIZE_BYTES_MAX, DNS_RESOLVERS_MAX
from seawall.node.files import read_bounded

RESOLV_CONF: Final = Path("/etc/resolv.conf")
_PORT: Final = 53
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Resolver:
    """Where a question goes; `host` may name the interface of a link-local address (`%eth0`)."""

    host: str
    port: int = _PORT

    @property
    def scoped(self) -> bool:
        """Whether its address means something on one interface only."""
        return "%" in self.host


LOCAL: Final[tuple[Resolver, ...]] = (Resolver("127.0.0.1"),)
"""What the C library asks where resolv.conf names none."""


def parse(text: str) -> tuple[Resolver, ...]:
    """The resolvers a resolv.conf names, in its order; `LOCAL` when there are none."""
    found: list[Resolver] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            resolver = _resolver(words[1])
            if resolver is not None and resolver not in found:
                found.append(resolver)
    return tuple(found[:DNS_RESOLVERS_MAX]) or LOCAL


class Resolvers:
    """The resolvers of a resolv.conf as it is now.

    Args:
        path: of the file.

    Attributes:
        problem: why it cannot be read; the ones read last are used then.
    """

    def __init__(self, path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._known = LOCAL
        self._was_there = False
        self.problem = ""

    def now(self) -> tuple[Resolver, ...]:
        """Those to ask, in the order of the file."""
        try:
            state = os.stat(self._path)  # noqa: PTH116 - for every question
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen != self._seen:
                content = read_bounded(self._path, DNS_RESOLV_CONF_SIZE_BYTES_MAX)
                self._known = parse(content.decode("utf-8", "replace"))
                self._seen, self._was_there = seen, True
            self.problem = ""
        except OSError as error:
            self._seen = None
            missing = isinstance(error, FileNotFoundError)  # as on a machine that never had one
            if self._was_there or not missing:
                self.problem = f"{self._path} cannot be read: {error.strerror or error}."
        return self._known


def _resolver(word: str) -> Resolver | None:
    host, port = word, str(_PORT)
    if word.startswith("["):
        host, _, rest = word[1:].partition("]")
        port = rest.removeprefix(":") or port
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _PORT_MAX):
        return None
    return Resolver(host, int(port))
