"""One sacrificial Envoy: started in a private directory, bounded in every way, never left behind.

It decides how such an Envoy is started, watched and ended, and how its end is read; not what it is
asked. It runs in a process group and session of its own, under resource limits that hold before
its first instruction, without a network where the kernel allows that, and dies with this process.
Its resident memory is watched from outside, because address space says little: Envoy's allocator
reserves regions that it never touches.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.compiler.words import readable
from seawall.gate import confine
from seawall.gate.process import (
    LOADER_FAILED,
    OUT_OF_MEMORY_WORDS,
    READ_SIZE_BYTES,
    spawn,
    write_private,
)
from seawall.gate.rewrite import BOOTSTRAP

DIRECTORY_PREFIX: Final = "taste-"
_PAGE_SIZE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_FLUSH_MS: Final = "5"
_SAYS_NO: Final = ("--component-log-level", "config:warning")
"""A part of its configuration that Envoy does not take while it runs is a warning, not an end."""


class End(StrEnum):
    """How a sacrificial Envoy ended."""

    RUNNING = "running"
    CRASHED = "crashed"
    REFUSED = "did not start"
    """It read its configuration and ended by itself."""
    OUT_OF_TIME = "used too much CPU time"
    OUT_OF_MEMORY = "used too much memory"
    KILLED = "was killed"
    """By somebody else: most often the kernel, when the machine is out of memory."""
    MISSING = "is missing or cannot be run"


MACHINE: Final = frozenset({End.KILLED, End.MISSING})
"""Ends that say nothing about the configuration."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one sacrificial Envoy may use."""

    cpu_s: int = limits.TASTER_CPU_S
    memory_bytes: int = limits.TASTER_MEMORY_BYTES_MAX
    address_space_bytes: int = limits.TASTER_ADDRESS_SPACE_BYTES_MAX
    open_files: int = limits.TASTER_OPEN_FILES_MAX
    file_size_bytes: int = limits.TASTER_FILE_SIZE_BYTES_MAX


class Sacrifice:
    """A running one; see `sacrifice`."""

    def __init__(
        self, process: asyncio.subprocess.Process, directory: Path, bounds: Bounds
    ) -> None:
        self.directory = directory
        self.memory_bytes = 0
        self._process = process
        self._bounds = bounds
        self._greedy = False
        self._output = b""

    @property
    def pid(self) -> int:
        """Of the process, which is also its group."""
        return self._process.pid

    @property
    def end(self) -> End:
        """How it ended, if it has."""
        status = self._process.returncode
        if self._greedy:
            return End.OUT_OF_MEMORY
        if status is None:
            return End.RUNNING
        if status < 0 and OUT_OF_MEMORY_WORDS.search(self.words):
            return End.OUT_OF_MEMORY
        if status == LOADER_FAILED:
            return End.MISSING
        told = {-signal.SIGXCPU: End.OUT_OF_TIME, -signal.SIGKILL: End.KILLED}
        return told.get(status, End.REFUSED if status >= 0 else End.CRASHED)

    @property
    def words(self) -> str:
        """Envoy's own, without any private key, bounded in length."""
        return readable(self._output.decode("utf-8", errors="replace"))

    @property
    def signal_name(self) -> str:
        """What ended it, for example `SIGSEGV`; empty when no signal did."""
        status = self._process.returncode
        if status is None or status >= 0:
            return ""
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
        return f"signal {-status}"

    def cpu_s(self) -> float:
        """Processor time used so far; 0 when it has ended."""
        with contextlib.suppress(OSError):
            # The clock of another process: its id shifted, and CPUCLOCK_SCHED (see posix-timers.h).
            return time.clock_gettime((~self.pid << 3) | 2)
        return 0.0

    async def watch(self) -> None:
        """Read its words and look at its memory until it ends."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._weigh())

    async def _read(self) -> None:
        half = limits.TASTER_OUTPUT_SIZE_BYTES_MAX // 2
        head, tail = b"", b""
        if self._process.stdout is not None:
            while chunk := await self._process.stdout.read(READ_SIZE_BYTES):
                taken = half - len(head)
                head += chunk[:taken]
                tail = (tail + chunk[taken:])[-half:]
                self._output = head + tail
        await self._process.wait()

    async def _weigh(self) -> None:
        while self._process.returncode is None:
            self.memory_bytes = max(self.memory_bytes, _resident_bytes(self.pid))
            if self.memory_bytes > self._bounds.memory_bytes:
                self._greedy = True
                self.kill()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.TASTER_MEMORY_POLL_S):
                    await self._process.wait()

    async def look(self) -> None:
        """Weigh it now, and notice when it has just ended."""
        self.memory_bytes = max(self.memory_bytes, _resident_bytes(self.pid))
        await asyncio.sleep(0)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


@asynccontextmanager
async def sacrifice(
    envoy: Path,
    files: Mapping[str, bytes],
    *,
    work_dir: Path,
    bounds: Bounds,
    follows: bool = False,
) -> AsyncIterator[Sacrifice]:
    """An Envoy that runs inside the `with` block, and nothing of it after that.

    Args:
        envoy: the binary.
        files: content of its private directory.
        work_dir: where that directory is made; must be private.
        bounds: what it may use.
        follows: files will be replaced while it runs; it says when it does not take one.

    Raises:
        OSError: the directory cannot be written, or no process can be started.
    """
    directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=work_dir))
    try:
        for name, content in files.items():
            write_private(directory / name, content)
        process = await _start(envoy, directory, bounds, _SAYS_NO if follows else ())
        started = Sacrifice(process, directory, bounds)
        watching = asyncio.ensure_future(started.watch())
        try:
            yield started
        finally:
            started.kill()
            await process.wait()
            watching.cancel()
            await asyncio.wait((watching,))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def remove_leftovers(work_dir: Path) -> None:
    """Remove what was left behind by a taster that was killed."""
    for leftover in work_dir.glob(f"{DIRECTORY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


async def _start(
    envoy: Path, directory: Path, bounds: Bounds, more: tuple[str, ...]
) -> asyncio.subprocess.Process:
    numbers = (
        bounds.cpu_s,
        bounds.address_space_bytes,
        bounds.open_files,
        bounds.file_size_bytes,
    )
    return await spawn(
        *(sys.executable, "-I", "-S", str(confine.__file__)),
        *(str(os.getpid()), ",".join(map(str, numbers))),
        *(str(envoy), "--config-path", BOOTSTRAP),
        *("--service-node", "taste", "--service-cluster", "taste"),
        *("--concurrency", "1", "--disable-hot-restart"),
        *("--log-level", "error", "--log-format", "%v"),
        *("--file-flush-interval-msec", _FLUSH_MS),
        *more,
        directory=directory,
    )


def _resident_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    except OSError:
        return 0
    fields = text.split()
    return int(fields[1]) * _PAGE_SIZE_BYTES if len(fields) > 1 else 0
