"""Keeps the node's bot service running while a release on this node needs it.

The service is a child of the agent: it ends with the agent, and a fresh agent starts a fresh one.
Nothing serves worse without it but challenges and proofs of bots. It runs only where a site may
challenge, so an edge that only observes does not pay for it.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import structlog

from seawall import limits
from seawall.clock import Clock
from seawall.compiler.snapshot import Snapshot
from seawall.daemon.children import Child
from seawall.node import bot_settings
from seawall.node.dns.resolvers import RESOLV_CONF
from seawall.node.files import write_atomic
from seawall.sockets import short_path

_SIGN_OF_LIFE: Final = b"GET /internal/alive HTTP/1.1\r\nhost: seawall\r\nconnection: close\r\n\r\n"
"""Whatever is answered: who answers at all does not hang."""
_LOG = structlog.stdlib.get_logger("seawall.node")


class Holder(Protocol):
    """Whose Envoys are served."""

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What they hold."""
        ...


class BotKeeper:
    """Writes the service's settings and minds its process; use `run` and `watch` as tasks.

    Args:
        holder: the agent.
        resolv_conf: the service asks the resolvers of this file, as the agent does.
    """

    def __init__(
        self, data_dir: Path, holder: Holder, clock: Clock, *, resolv_conf: Path = RESOLV_CONF
    ) -> None:
        self._data_dir = data_dir
        self._holder = holder
        self._clock = clock
        self._arguments = ["--resolv-conf", os.fspath(resolv_conf)]
        self._seen: tuple[Snapshot, ...] | None = None
        self._wanted = False
        self._trouble = ""
        self._child: Child | None = None
        self._pipe: tuple[int, int] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._tick()
                await self._clock.sleep(limits.BOT_KEEPER_TICK_S)
        finally:
            self._stop()

    async def watch(self) -> None:
        """End a service that answers nothing, so that `run` starts another; until cancelled.

        Each visitor to be challenged would wait for it, and be let pass or refused only then.
        """
        looked_at, silent = None, 0
        while True:
            await self._clock.sleep(limits.BOT_SERVICE_LOOK_S)
            pid = self._pid
            if pid != looked_at:
                looked_at, silent = pid, 0
            if pid is None or await answers(self._data_dir / "node" / "bots.sock"):
                silent = 0
                continue
            silent += 1
            if silent >= limits.BOT_SERVICE_SILENT_LOOKS_MAX and self._pid == pid:
                _LOG.warning("bot-service-hangs", pid=pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                silent = 0

    @property
    def _pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def _tick(self) -> None:
        snapshots = self._holder.snapshots
        if snapshots != self._seen:
            self._seen = snapshots
            self._settle(snapshots)
        if self._wanted and self._child is None:
            self._start()
        elif not self._wanted and self._child is not None:
            self._stop()
        elif self._child is not None and (happened := self._child.tick(_monotonic_s())):
            _LOG.warning("bot-service-ended", message=happened)

    def _settle(self, snapshots: tuple[Snapshot, ...]) -> None:
        sites = bot_settings.sites_in(snapshots)
        self._wanted = bool(sites)
        if not sites:
            return
        try:
            content = bot_settings.written(sites)
            write_atomic(self._data_dir / "node" / bot_settings.FILE, content)
        except OSError as error:
            if str(error) != self._trouble:
                _LOG.warning("bot-settings-not-written", error=str(error))
            self._trouble = str(error)
            self._seen = None
        else:
            self._trouble = ""

    def _start(self) -> None:
        self._pipe = os.pipe2(os.O_CLOEXEC)
        child = Child("bots", self._data_dir, self._pipe[0], self._arguments)
        try:
            child.start(_monotonic_s())
        except OSError as error:
            _LOG.warning("bot-service-not-started", error=str(error))
            self._close()
            return
        self._child = child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(OSError):
                (self._data_dir / "node" / "bots.sock").unlink()
        self._close()

    def _close(self) -> None:
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)


async def answers(socket: Path) -> bool:
    """False when somebody listens there and says nothing."""
    writer = None
    try:
        async with asyncio.timeout(limits.BOT_SERVICE_LOOK_TIMEOUT_S):
            with short_path(socket) as address:
                reader, writer = await asyncio.open_unix_connection(address)
            writer.write(_SIGN_OF_LIFE)
            return bool(await reader.read(1))
    except (FileNotFoundError, ConnectionError):
        return True  # nobody listens: it is about to start, or has ended
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.transport.abort()


_monotonic_s = time.monotonic  # noqa: TID251 - `Child` counts in the machine's own seconds
