"""The agent's part that answers its Envoys' questions for names: port, memory on disk, words.

The port is chosen once and kept in DIR/node/names.port, so that a restarted agent answers where the
running Envoys ask. Without the port, or without the agent, Envoy asks the resolvers of the system:
nothing but the memory is lost.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from seawall.clock import Clock
from seawall.limits import (
    DNS_FILE_SIZE_BYTES_MAX,
    DNS_PORT_RETRY_S,
    DNS_SAVE_AGE_S,
    DNS_SAVE_INTERVAL_S,
    DNS_TOLD_NAMES_MAX,
)
from seawall.node.dns import book, words
from seawall.node.dns.forwarder import Forwarder
from seawall.node.dns.listening import Listening, bind, hosts_and_port
from seawall.node.dns.memory import Memory
from seawall.node.dns.resolvers import RESOLV_CONF, Resolver, Resolvers
from seawall.node.dns.upstream import Upstream
from seawall.node.files import Writer, read_bounded, write_atomic
from seawall.tasks import Background
from seawall.telemetry.origin_names import NamesReport, StaleName

PORT_FILE: Final = "names.port"
MEMORY_FILE: Final = "names.json"
_PORT_SIZE_BYTES_MAX: Final = 16
_PORT_MAX: Final = 65_535


class Asker(Protocol):
    """An Envoy that asks for names; a `Keeper` is one."""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    @property
    def names_port(self) -> int:
        """Where it asks; 0 for the resolvers of the system."""
        ...


class Names:
    """Answers while `run` runs; nothing here ever raises for what a machine may do.

    Args:
        home: DIR/node.
        clock: for ages.
        resolv_conf: names the resolvers of the system.
        write: replaces files durably.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        resolv_conf: Path = RESOLV_CONF,
        write: Writer = write_atomic,
    ) -> None:
        self._home, self._clock, self._write = home, clock, write
        self._resolvers = Resolvers(resolv_conf)
        self._memory = Memory()
        self._background = Background(self._failed)
        self._own: set[Resolver] = set()
        upstream = Upstream(self._resolvers, self._own)
        self._forwarder = Forwarder(self._memory, upstream, clock, self._background)
        self._listening = Listening(self._forwarder, self._background)
        self._saved_changes, self._saved_s = 0, clock.monotonic_s()
        self._saving = Lock()
        self._defect = self._no_port = self._unread = self._unsaved = self._unkept = ""
        self.port = 0

    # --- Life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Remember what is on disk, and listen."""
        self._load()
        await self._listen()

    async def run(self) -> None:
        """Keep the memory on disk, and try again for a port, until cancelled."""
        interval_s = min(DNS_SAVE_INTERVAL_S, DNS_PORT_RETRY_S)
        while True:
            await self._clock.sleep(interval_s)
            if not self.port:
                await self._listen()
            elif self._unkept:
                self._keep_port(self.port)
            if self._due():
                changes, content = self._content()
                await asyncio.to_thread(self._save, changes, content)

    async def stop(self) -> None:
        """Write the memory and close the port."""
        await self._listening.close()
        await self._background.close()
        if self._saved_changes != self._memory.changes:
            self._save(*self._content())

    # --- What the agent reads ------------------------------------------------------------------

    def resolvers(self) -> tuple[Resolver, ...]:
        """Whom an Envoy that starts now shall ask, in this order; none: as the system does."""
        if not self.port:
            return ()
        system = (r for r in self._resolvers.now() if not r.scoped and r not in self._own)
        return (*self._places(self.port), *system)

    def notices(self, envoys: Iterable[Asker]) -> tuple[str, ...]:
        """Standing warnings."""
        problems = (
            *(self._defect, self._no_port, self._unkept, self._unread, self._unsaved),
            self._resolvers.problem,
            *(self._elsewhere(envoy) for envoy in envoys if envoy.running),
        )
        stale = tuple(self._memory.stale(self._clock.monotonic_s()))
        told = words.notices(stale, self._clock.now_s())
        return (*told, *(problem for problem in problems if problem))

    def report(self) -> NamesReport:
        """What is known now, in numbers."""
        stale = tuple(self._memory.stale(self._clock.monotonic_s()))
        counts, now_s = self._forwarder.counts, self._clock.now_s()
        return NamesReport(
            port=self.port,
            remembered=len(self._memory),
            questions=counts.questions,
            forwarded=counts.forwarded,
            from_memory=counts.stale,
            stale=len(stale),
            names=tuple(
                StaleName(
                    item.question.text,
                    item.why.value,
                    item.addresses,
                    round(now_s - item.for_s),
                    round(now_s + item.left_s),
                )
                for item in stale[:DNS_TOLD_NAMES_MAX]
            ),
        )

    # --- Port ----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        before = self._kept_port()
        try:
            try:
                sockets = bind(before)
            except OSError:  # another program has taken it meanwhile: a new one for new Envoys
                sockets = bind(0)
            port = int(sockets[0].getsockname()[1])
            self._own.update(self._places(port))
            await self._listening.start(sockets)
        except OSError as error:
            self._no_port = (
                f"The agent's DNS port could not be opened: {error.strerror or error}. An Envoy "
                "that starts now asks the system's resolvers directly, so an empty DNS answer "
                "would remove the addresses of an origin."
            )
            return
        self.port, self._no_port = port, ""
        if port != before:
            self._keep_port(port)

    @staticmethod
    def _places(port: int) -> tuple[Resolver, ...]:
        return tuple(Resolver(*place) for place in hosts_and_port(port))

    def _kept_port(self) -> int:
        try:
            content = read_bounded(self._home / PORT_FILE, _PORT_SIZE_BYTES_MAX)
            port = int(content)
        except (OSError, ValueError):
            return 0
        return port if 0 < port <= _PORT_MAX else 0

    def _keep_port(self, port: int) -> None:
        try:
            self._write(self._home / PORT_FILE, f"{port}\n".encode())
        except OSError as error:
            self._unkept = (
                f"The agent's DNS port cannot be saved: {error.strerror or error}. A restarted "
                "agent would use another one, and an Envoy that runs would not find it."
            )
        else:
            self._unkept = ""

    def _elsewhere(self, envoy: Asker) -> str:
        """Why an Envoy that runs is not protected; empty when it is."""
        if envoy.names_port == self.port:
            return ""
        until = "To end this, restart Envoy with `seawall down` and `seawall up`."
        if envoy.names_port:
            return (
                f"Envoy (process {envoy.pid}) resolves origin names at port {envoy.names_port} "
                f"of this machine first, but another program has taken that port. {until} Do it "
                "soon: that program can give any answer."
            )
        return (
            f"Envoy (process {envoy.pid}) asks the system's resolvers directly, because it was "
            "started without this agent's DNS port. An empty DNS answer would remove the "
            f"addresses of an origin. {until}"
        )

    # --- Memory on disk ------------------------------------------------------------------------

    def _load(self) -> None:
        path = self._home / MEMORY_FILE
        now_s, wall_s = self._clock.monotonic_s(), self._clock.now_s()
        try:
            for kept in book.read(read_bounded(path, DNS_FILE_SIZE_BYTES_MAX)):
                self._memory.load(kept, now_s, wall_s)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self._unread = (
                f"The last known addresses of origins cannot be read from {path}: {error}. They "
                "will be resolved again; there is nothing to do."
            )
        self._saved_changes = self._memory.changes

    def _due(self) -> bool:
        old = self._clock.monotonic_s() - self._saved_s >= DNS_SAVE_AGE_S
        return self._saved_changes != self._memory.changes or (old and len(self._memory) > 0)

    def _content(self) -> tuple[int, bytes]:
        kept = self._memory.kept(self._clock.monotonic_s(), self._clock.now_s())
        return self._memory.changes, book.written(kept)

    def _save(self, changes: int, content: bytes) -> None:
        with self._saving:  # whoever stops does not wait for the thread that `run` left behind
            try:
                self._write(self._home / MEMORY_FILE, content)
            except OSError as error:
                self._unsaved = _not_saved(error)
                return
            self._saved_changes, self._saved_s = changes, self._clock.monotonic_s()
            self._unsaved = self._unread = ""

    def _failed(self, name: str, error: BaseException) -> None:
        self._defect = (
            f"Resolving an origin name failed ({name}: {error!r}). This is a defect of "
            "Seawall: please report it."
        )


def _not_saved(error: OSError) -> str:
    return (
        f"The last known addresses of origins cannot be saved: {error.strerror or error}. After "
        "a restart the agent would not know them."
    )
