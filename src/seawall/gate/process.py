"""One run of `envoy --mode validate`: bounded in time, memory, files and words.

It decides how Envoy is started and how its end is read, not what is validated. The run happens in
a private directory that is removed afterwards, since the configuration holds private keys. The
limits are set from outside right after the start, because code between fork and exec is not safe
in a program with threads. Whoever cancels the run ends the process and waits for it.
"""

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.compiler.words import readable

DIRECTORY_PREFIX: Final = "validate-"
_CONFIG: Final = "snapshot.pb"
READ_SIZE_BYTES: Final = 16 * limits.KIB
LOADER_FAILED: Final = 127
"""The dynamic linker's exit status, for example when a library of the system is missing."""
OUT_OF_MEMORY_WORDS: Final = re.compile(
    r"out of memory|(cannot|unable to) allocate|allocation failed|mmap error|bad_alloc"
    r"|failed to map",
    re.IGNORECASE,
)


class Ending(StrEnum):
    """How a run ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Envoy read the configuration and does not want it."""
    MISSING = "envoy-missing"
    NOT_EXECUTABLE = "envoy-not-executable"
    TIMED_OUT = "envoy-timed-out"
    OUT_OF_TIME = "envoy-out-of-cpu-time"
    OUT_OF_MEMORY = "envoy-out-of-memory"
    KILLED = "envoy-killed"
    """By somebody else: most often the kernel, when the machine is out of memory."""
    CRASHED = "envoy-crashed"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use."""

    timeout_s: float = limits.VALIDATE_TIMEOUT_S
    cpu_s: int = limits.VALIDATE_TIMEOUT_S
    memory_bytes: int = limits.VALIDATE_MEMORY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it; `words` are Envoy's, without any private key, bounded in length."""

    ending: Ending
    words: str


async def run(envoy: Path, bootstrap: bytes, *, work_dir: Path, bounds: Limits) -> Run:
    """Let `envoy` validate a serialized `Bootstrap`.

    Args:
        envoy: the binary.
        bootstrap: the configuration; its relative paths are below a fresh directory.
        work_dir: where that directory is made; must be private.
        bounds: what Envoy may use.

    Raises:
        OSError: `work_dir` cannot be written.
    """
    directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=work_dir))
    try:
        write_private(directory / _CONFIG, bootstrap)
        return await _run(envoy, directory, bounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def remove_leftovers(work_dir: Path) -> None:
    """Remove what runs left behind that were killed together with their parent."""
    for leftover in work_dir.glob(f"{DIRECTORY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


async def _run(envoy: Path, directory: Path, bounds: Limits) -> Run:
    try:
        process = await spawn(
            *(envoy, "--mode", "validate", "--config-path", _CONFIG),
            *("--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "error", "--log-format", "%v"),
            directory=directory,
        )
    except FileNotFoundError:
        return Run(Ending.MISSING, f"There is no Envoy at {envoy}.")
    except OSError as error:
        return Run(Ending.NOT_EXECUTABLE, f"Envoy at {envoy} cannot be run: {error.strerror}.")
    try:
        _limit(process.pid, bounds)
        async with asyncio.timeout(bounds.timeout_s):
            output = await _read_to_end(process)
            status = await process.wait()
        words = readable(output.decode("utf-8", errors="replace"))
        return Run(_ending(status, words), words)
    except TimeoutError:
        return Run(Ending.TIMED_OUT, f"Envoy did not end within {bounds.timeout_s:g} s.")
    finally:
        await _end(process)


async def spawn(*command: str | Path, directory: Path) -> asyncio.subprocess.Process:
    """Start a program in a directory, in a process group of its own; its words come by its output.

    Of one that was cancelled meanwhile nothing is left.

    Raises:
        OSError: it cannot be started.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env={},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:  # asyncio would end the process alone, and not its children
        with contextlib.suppress(OSError):  # it could not be started at all
            await _end(await starting)
        raise


def _limit(pid: int, bounds: Limits) -> None:
    for kind, value in (
        (resource.RLIMIT_CPU, bounds.cpu_s),
        (resource.RLIMIT_DATA, bounds.memory_bytes),
        (resource.RLIMIT_AS, limits.VALIDATE_ADDRESS_SPACE_BYTES_MAX),
        (resource.RLIMIT_NOFILE, limits.VALIDATE_OPEN_FILES_MAX),
        (resource.RLIMIT_FSIZE, limits.VALIDATE_FILE_SIZE_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ProcessLookupError):
            _, hardest = resource.prlimit(pid, kind)
            lowered = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
            # The soft limit of CPU time ends the process with a signal of its own.
            hard = hardest if kind == resource.RLIMIT_CPU else lowered
            resource.prlimit(pid, kind, (lowered, hard))


async def _read_to_end(process: asyncio.subprocess.Process) -> bytes:
    """Start and end of the output; what is between is read and forgotten: Envoy never blocks.

    A reason stands at either end: Envoy prints it before or after the message it is about.
    """
    half = limits.VALIDATE_OUTPUT_SIZE_BYTES_MAX // 2
    head, tail = b"", b""
    if process.stdout is not None:
        while chunk := await process.stdout.read(READ_SIZE_BYTES):
            taken = half - len(head)
            head += chunk[:taken]
            tail = (tail + chunk[taken:])[-half:]
    return head + tail


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the process is left, whether it ended by itself or not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _ending(status: int, words: str) -> Ending:
    told_by_status = {
        0: Ending.ACCEPTED,
        -signal.SIGXCPU: Ending.OUT_OF_TIME,
        -signal.SIGKILL: Ending.KILLED,
    }
    if status in told_by_status:
        return told_by_status[status]
    if (status < 0 or status == LOADER_FAILED) and OUT_OF_MEMORY_WORDS.search(words):
        return Ending.OUT_OF_MEMORY
    if status == LOADER_FAILED:
        return Ending.NOT_EXECUTABLE
    return Ending.REFUSED if status > 0 else Ending.CRASHED
