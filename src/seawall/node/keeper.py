"""Keeps one Envoy running: starts or adopts it, starts it again when it dies, tells a crash loop.

It decides only *that* Envoy runs and how soon again. What a release is, and which one to step back
to, is the agent's. An Envoy on trial is kept otherwise: its death is an answer, so it is told and
not mended.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from seawall.clock import Clock
from seawall.compiler.snapshot import Snapshot
from seawall.errors import UnreachableError
from seawall.ids import Digest, NodeName
from seawall.limits import CRASH_LOOP_EXITS, CRASH_LOOP_WINDOW_S, RESTART_BACKOFF_S_MAX
from seawall.node import envoy
from seawall.node.ads import Link
from seawall.node.bootstrap import bootstrap, names_port, released_digest, resolvers_part
from seawall.node.dns.resolvers import Resolver
from seawall.node.envoy import EnvoyProcess, Slot
from seawall.node.restraint import release, restrain

_BACKOFF_S_FIRST: Final = 0.1


class CrashLoop:
    """Counts exits: pure, with the time handed in."""

    def __init__(self) -> None:
        self._exits: deque[float] = deque(maxlen=16)

    def exited(self, now_s: float) -> None:
        """Envoy died at `now_s` without being asked to."""
        self._exits.append(now_s)
        while self._exits[0] < now_s - CRASH_LOOP_WINDOW_S:
            self._exits.popleft()

    def forget(self) -> None:
        """Another release or process begins with a clean record."""
        self._exits.clear()

    @property
    def looping(self) -> bool:
        """Whether it died too often to blame chance."""
        return len(self._exits) >= CRASH_LOOP_EXITS

    @property
    def backoff_s(self) -> float:
        """How long to wait before the next start: nothing after the first exit."""
        if len(self._exits) <= 1:
            return 0.0
        return min(RESTART_BACKOFF_S_MAX, _BACKOFF_S_FIRST * 2.0 ** (len(self._exits) - 2))


class Keeper:
    """One slot with its Envoy and its xDS session.

    Args:
        slot: where it runs.
        link: its session.
        binary: the Envoy executable.
        version: of that executable.
        concurrency: worker threads.
        looping: called, and awaited, when Envoy dies again and again; may change the release.
        changed: called when the process came or went.
        resolvers: whom an Envoy that starts now shall ask for names; none: as the system does.

    Attributes:
        on_trial: a death is not mended.
        on_exit: called at each death that nobody asked for, before a new start.
        ending: the last such death, in words.
        unstarted: starts that failed, as on a disk that takes no files.
        loads: its Envoy is being given a release, and has not taken it yet.
        log_begins_at: bytes of Envoy's log that are of earlier lives.
        names_port: where its Envoy asks for names of origins; 0 for the system's resolvers.
    """

    def __init__(
        self,
        slot: Slot,
        link: Link,
        *,
        node: NodeName,
        binary: Path,
        version: str,
        concurrency: int,
        clock: Clock,
        looping: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        resolvers: Callable[[], tuple[Resolver, ...]] = tuple,
    ) -> None:
        self.slot = slot
        self.link = link
        self.process: EnvoyProcess | None = None
        self.restarts = 0
        self.crashes = CrashLoop()
        self.unstarted = CrashLoop()
        self.loads = False
        self.log_begins_at = 0
        self.trouble = ""
        self.ending = ""
        self.on_trial = False
        self.on_exit: Callable[[Keeper], None] = _nothing
        self._node = node
        self._binary = binary
        self._version = version
        self._concurrency = concurrency
        self._workers = concurrency
        self._clock = clock
        self._looping = looping
        self._changed = changed
        self._resolvers = resolvers
        self.names_port = 0
        self._bootstrap = b""
        self._bootstrap_digest = Digest("")
        self._wanted = asyncio.Event()
        self._stopping = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Inside the `with` block it is being given a release."""
        self.loads = True
        try:
            yield
        finally:
            self.loads = False

    @property
    def workers(self) -> int:
        """Worker threads it was last started with."""
        return self._workers

    @property
    def running(self) -> bool:
        """Whether there is a process that has not been seen to exit."""
        return self.process is not None and self.process.alive

    @property
    def pid(self) -> int:
        """Of the process; 0 when there is none."""
        return self.process.identity.pid if self.process is not None else 0

    def want(self, snapshot: Snapshot) -> None:
        """The next start takes the bootstrap of `snapshot`."""
        self._bootstrap = bootstrap(snapshot, self._node, self.slot.name)
        self._bootstrap_digest = released_digest(snapshot)

    def needs_new_process(self, snapshot: Snapshot) -> bool:
        """Whether the running Envoy was started with another bootstrap than `snapshot` asks for."""
        if self.process is None:
            return False
        return self.process.identity.bootstrap_digest != released_digest(snapshot)

    @property
    def outdated(self) -> str:
        """The version of the running Envoy, when an update has brought another; else empty."""
        if self.process is None or self.process.identity.version == self._version:
            return ""
        return self.process.identity.version

    def adopt(self) -> bool:
        """Take over the Envoy that an earlier agent left in the slot, if there is one.

        Raises:
            UnreachableError: that cannot be seen.
        """
        self.log_begins_at = self._log_size()
        self.process = envoy.adopt(self.slot, self._binary, self._clock)
        if self.process is None:
            return False
        self.names_port = names_port(self.slot.bootstrap())
        self._keep()
        return True

    def launch(self, *, on_trial: bool = False, concurrency: int = 0) -> None:
        """Start an Envoy with what `want` said; `run` then keeps it.

        Args:
            on_trial: it is restrained, and its death is not mended.
            concurrency: worker threads; 0 for as many as stable has.
        """
        self.on_trial = on_trial
        self.ending = ""
        self.restarts = 0 if on_trial else self.restarts
        self._workers = concurrency or self._concurrency
        self._start()
        if on_trial and self.process is not None:
            restrain(self.process.identity.pid)
        self._keep()

    def try_out(self, snapshot: Snapshot, concurrency: int) -> None:
        """Start an Envoy on trial with the bootstrap of `snapshot` and a clean record."""
        self.want(snapshot)
        self.crashes.forget()
        self.launch(on_trial=True, concurrency=concurrency)

    def become_stable(self) -> None:
        """What was on trial serves from now on: it is kept running and no longer restrained."""
        self.on_trial = False
        self.crashes.forget()
        if self.process is not None:
            release(self.process.identity.pid)

    def _keep(self) -> None:
        self._stopping = False
        self._wanted.set()
        self._changed()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._wanted.wait()
            process = self.process
            if process is not None:
                await process.exited()
            if self._stopping:
                self._wanted.clear()
                continue
            if process is not None:
                self.ending = process.ending
                self.restarts += 1
                if self.process is process:  # whoever heard of the exit first may have launched
                    self.process = None
            self.on_exit(self)
            if self.on_trial or not self._bootstrap:  # one that was found, and nothing to give it
                self._stopping = True
                self.link.restart()
                self._changed()
                continue
            # What cannot be started did not die: the machine is at fault, no older release helps.
            deaths = self.crashes if process is not None else self.unstarted
            deaths.exited(self._clock.monotonic_s())
            self.link.session.new_process()
            self._changed()
            if deaths is self.crashes and deaths.looping:
                await self._looping()
            await self._clock.sleep(deaths.backoff_s)
            if not self.running and not self._stopping:  # a commit may have started it meanwhile
                self._start()
                self._changed()

    async def stop(self, *, drain_s: float, patient: bool = False) -> None:
        """End Envoy on purpose; `launch` may start it again."""
        self._stopping = True
        if self.process is not None:
            await self.process.stop(drain_s=drain_s, patient=patient)
            self.process = None
        self.link.restart()

    async def kill(self) -> None:
        """End Envoy on purpose and at once, also when it hangs."""
        self._stopping = True
        if self.process is not None:
            await self.process.kill()
            self.process = None
        self.link.restart()

    def leave(self) -> None:
        """The agent ends and Envoy goes on."""
        self._stopping = True
        if self.process is not None:
            self.process.release()
            self.process = None

    def _start(self) -> None:
        content = self._bootstrap + resolvers_part(self._resolvers())
        self.names_port = names_port(content)
        self.log_begins_at = self._log_size()
        try:
            self.process = envoy.start(
                self.slot,
                self._binary,
                bootstrap=content,
                bootstrap_digest=self._bootstrap_digest,
                version=self._version,
                concurrency=self._workers,
                clock=self._clock,
            )
            self.trouble = ""
        except UnreachableError as error:
            self.process = None
            self.trouble = error.message

    def _log_size(self) -> int:
        try:
            return (self.slot.directory / envoy.LOG_FILE).stat().st_size
        except OSError:
            return 0


def _nothing(_: Keeper) -> None:
    """Nobody wants to know."""
