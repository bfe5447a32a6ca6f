"""One Envoy process: started, adopted after the agent's own death, watched, drained, stopped.

Envoy lives in its own session and holds nothing of the agent's, so it survives the agent; the next
one finds it by what `identity` keeps. Exits are noticed by a pidfd, which works for children and
adopted processes alike.
"""

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.clock import Clock
from seawall.compiler.names import ACCESS_FILE, RUNTIME_NODE_DIRECTORY
from seawall.errors import SeawallError, UnreachableError
from seawall.ids import Digest
from seawall.limits import (
    ENVOY_DRAIN_TIME_S,
    ENVOY_FLUSH_INTERVAL_MS,
    ENVOY_LOG_SIZE_BYTES_MAX,
    ENVOY_LOG_TAIL_BYTES,
    ENVOY_STOP_TERM_S,
    XDS_MESSAGE_SIZE_BYTES_MAX,
)
from seawall.node import identity
from seawall.node.bootstrap import ADMIN_SOCKET
from seawall.node.files import private_directory, read_bounded, write_atomic
from seawall.node.identity import Identity
from seawall.tasks import set_within
from seawall.telemetry.admin import ADMIN_LATE, AdminClient

BOOTSTRAP_FILE: Final = "bootstrap.pb"
"""Envoy reads binary protobuf from a file of this suffix, so the release's bytes stay as signed."""
LOG_FILE: Final = "envoy.log"
_POLL_S: Final = 0.02
_REQUESTS: Final = "downstream_rq_active"
_CONNECTIONS: Final = "downstream_cx_active"


@dataclass(frozen=True)
class Slot:
    """A place for one Envoy: its working directory and its name on this node.

    Attributes:
        directory: DIR/node/NAME; the ADS socket is `../xds.sock` from there.
        access: DIR/access, where the slot's access log really lives.
    """

    name: str
    directory: Path
    access: Path

    @property
    def admin(self) -> AdminClient:
        """Envoy's admin interface, whether or not somebody answers."""
        return AdminClient(self.directory / ADMIN_SOCKET)

    def prepare(self, bootstrap: bytes) -> None:
        """Make the directory ready for a start.

        Raises:
            OSError: it cannot be written.
        """
        private_directory(self.directory)
        private_directory(self.access)
        _write_unless_there(self.directory / BOOTSTRAP_FILE, bootstrap)
        (self.directory / ADMIN_SOCKET).unlink(missing_ok=True)
        # The share of requests that the Envoy before recorded was that of its traffic.
        (self.directory / RUNTIME_NODE_DIRECTORY).unlink(missing_ok=True)
        link = self.directory / ACCESS_FILE
        if not link.is_symlink():
            target = os.path.relpath(self.access / ACCESS_FILE, self.directory)
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def bootstrap(self) -> bytes:
        """What the Envoy here was started with; empty when that cannot be read."""
        try:
            return read_bounded(self.directory / BOOTSTRAP_FILE, XDS_MESSAGE_SIZE_BYTES_MAX)
        except OSError:
            return b""

    def clear(self) -> None:
        """Forget a process that has ended; Envoy leaves the files of Unix listeners behind.

        A disk that became read-only keeps them: whoever looks finds nobody.
        """
        for path in (self.directory / identity.FILE, *self.directory.glob("*.sock")):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    async def bound_log(self) -> None:
        """Begin Envoy's log anew when it has grown too large; one older part is kept."""
        path = self.directory / LOG_FILE
        try:
            if path.stat().st_size <= ENVOY_LOG_SIZE_BYTES_MAX:
                return
            path.replace(path.with_name(f"{LOG_FILE}.1"))
        except FileNotFoundError:
            pass  # renamed before, and Envoy, which was late, writes to the older part still
        except OSError:
            return
        with suppress(SeawallError):
            await self.admin.reopen_logs()

    def log_tail(self, size_bytes: int = ENVOY_LOG_TAIL_BYTES, *, begins_at: int = 0) -> str:
        """The last words of Envoy's log, and nothing before byte `begins_at` unless it is shorter.

        That log was begun anew since: all of it is of this life.
        """
        try:
            with (self.directory / LOG_FILE).open("rb") as file:
                ends_at = file.seek(0, os.SEEK_END)
                file.seek(max(begins_at if begins_at <= ends_at else 0, ends_at - size_bytes))
                return file.read(size_bytes).decode("utf-8", "replace")
        except OSError:
            return ""


class EnvoyProcess:
    """A running Envoy; make one by `start` or `adopt`.

    Attributes:
        ending: how it ended, in words; empty while it runs.
    """

    def __init__(
        self, slot: Slot, identity: Identity, clock: Clock, child: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.slot = slot
        self.identity = identity
        self.adopted = child is None
        self._clock = clock
        self._child = child
        self.ending = ""
        self._gone = asyncio.Event()
        self._pidfd = os.pidfd_open(identity.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._notice)

    @property
    def alive(self) -> bool:
        """Whether the process has not been seen to exit."""
        return not self._gone.is_set()

    async def exited(self) -> None:
        """Wait for the exit."""
        await self._gone.wait()

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until Envoy serves.

        Raises:
            UnreachableError: it died or did not become ready in time.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while self.alive and self._clock.monotonic_s() < deadline_s:
            with suppress(SeawallError):
                if await self.slot.admin.ready():
                    return
            await set_within(self._gone, _POLL_S)
        raise UnreachableError(
            "envoy-not-ready",
            "Envoy died while it started." if not self.alive else "Envoy did not become ready.",
            remedy=f"See {self.slot.directory / LOG_FILE}.",
            detail=self.slot.log_tail(),
        )

    async def say_goodbye(self) -> None:
        """Ask each client to go elsewhere with its next answer; new ones are still served."""
        with suppress(SeawallError):
            await self.slot.admin.fail_health_checks()

    async def stop_accepting(self) -> None:
        """Close the listening sockets; connections go on, each until its next answer."""
        await self.say_goodbye()
        with suppress(SeawallError):
            await self.slot.admin.drain_listeners()

    async def stop(self, *, drain_s: float, patient: bool = False) -> None:
        """Stop accepting, let requests finish for at most `drain_s` seconds, then end it.

        Args:
            drain_s: bounds the wait; 0 ends it at once.
            patient: wait for idle connections too: a client may be about to use one.
        """
        deadline_s = self._clock.monotonic_s() + drain_s
        if self.alive and drain_s > 0:
            await self.stop_accepting()
            await self._drained(deadline_s, _CONNECTIONS if patient else _REQUESTS)
        await self._end()

    async def kill(self) -> None:
        """End it at once, also when it is stopped or hangs."""
        self._signal(signal.SIGKILL)
        await self._gone.wait()
        self.slot.clear()

    async def _end(self) -> None:
        for number, patience_s in ((signal.SIGTERM, ENVOY_STOP_TERM_S), (signal.SIGKILL, None)):
            self._signal(number)
            if await set_within(self._gone, patience_s):
                break
        self.slot.clear()

    def release(self) -> None:
        """Forget the process and leave it running."""
        if self.alive:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            if self._child is not None:
                self._child.returncode = 0  # it outlives us on purpose: no "still running" warning

    async def _drained(self, deadline_s: float, gauge: str) -> None:
        while self.alive and self._clock.monotonic_s() < deadline_s:
            try:
                if not await self.slot.admin.http_gauge(gauge):
                    return
            except SeawallError as error:
                if error.code != ADMIN_LATE:  # late, on a busy machine, is not idle
                    return
            await set_within(self._gone, _POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _notice(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ending = "It ended. Its exit status is unknown, because an earlier agent started it."
        if self._child is not None:
            self.ending = _ending(self._child.wait())
        self._gone.set()


def _ending(status: int) -> str:
    if status >= 0:
        return f"It exited with status {status}."
    try:
        return f"It was killed by {signal.Signals(-status).name}."
    except ValueError:
        return f"It was killed by signal {-status}."


def start(
    slot: Slot,
    binary: Path,
    *,
    bootstrap: bytes,
    bootstrap_digest: Digest,
    version: str,
    concurrency: int,
    clock: Clock,
) -> EnvoyProcess:
    """Start Envoy in `slot`. It is not ready yet when this returns.

    Raises:
        UnreachableError: it cannot be started here.
    """
    try:
        slot.prepare(bootstrap)
        told = json.dumps({"version": version, "bootstrap_digest": bootstrap_digest})
        child = _spawn(slot, binary, concurrency, told)
        try:
            ticks = identity.start_ticks(child.pid)
            who = Identity(child.pid, ticks, version, bootstrap_digest)
            process = EnvoyProcess(slot, who, clock, child)
        except OSError:  # as without a free descriptor: nobody would know of it, and the next
            child.kill()  # start would put another one beside it
            child.wait()
            raise
    except OSError as error:
        raise UnreachableError(
            "envoy-start-failed",
            f"Envoy cannot be started in {slot.directory}: {error.strerror or error}.",
            remedy="Check that the disk is not full and that the directory is writable.",
        ) from error
    with suppress(OSError):  # a later agent looks for the process then
        who.write(slot.directory)
    return process


def adopt(slot: Slot, binary: Path, clock: Clock) -> EnvoyProcess | None:
    """The Envoy that an earlier agent left running in `slot`; None when there is none.

    Raises:
        UnreachableError: that cannot be seen.
    """
    try:
        found = identity.find(slot.directory, binary)
        if found is None:
            return None
        process = EnvoyProcess(slot, found, clock, None)
    except (OSError, ValueError) as error:
        identity.require_seen(error)
        return None
    if not found.is_ours(slot.directory, binary):  # its id was reused before the pidfd opened
        process.release()
        return None
    return process


def _write_unless_there(path: Path, content: bytes) -> None:
    """Replace a file; on a full disk, in the room of the one before, which nobody needs then."""
    with suppress(OSError):
        if read_bounded(path, len(content)) == content:
            return
    try:
        write_atomic(path, content)
    except OSError:
        path.unlink(missing_ok=True)
        write_atomic(path, content)


def _spawn(slot: Slot, binary: Path, concurrency: int, told: str) -> "subprocess.Popen[bytes]":
    arguments = (
        *(os.fspath(binary), "-c", BOOTSTRAP_FILE, "--log-path", LOG_FILE),
        *("--disable-hot-restart", "--skip-deprecated-logs"),
        # It writes a line for each body that is too large, with the whole query of the request,
        # which carries tokens; over HTTP/2 20 bytes of a client make a line of 4 KiB.
        *("--component-log-level", "http:critical"),
        *("--concurrency", str(concurrency)),
        *("--drain-strategy", "immediate", "--drain-time-s", str(ENVOY_DRAIN_TIME_S)),
        *("--file-flush-interval-msec", str(ENVOY_FLUSH_INTERVAL_MS)),
    )
    descriptor = os.open(
        slot.directory / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    try:
        return subprocess.Popen(
            arguments,
            cwd=slot.directory,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            umask=0o077,
            env={"PATH": "/usr/bin:/bin", "LANG": "C", identity.TOLD: told},
        )
    finally:
        os.close(descriptor)
