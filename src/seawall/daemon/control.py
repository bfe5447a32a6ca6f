"""The control process: `python -m seawall.daemon.control --config F --data-dir D --parent-fd N`.

It wires store, service and API together and serves until it is told to stop. It is not needed for
traffic: whatever goes wrong here, nodes serve on. One process for each data directory, held by a
lock. It ends when the supervisor's pipe closes, so that it never outlives `seawall up`.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from seawall import __version__
from seawall.api.app import build_app
from seawall.api.server import ApiServer
from seawall.clock import Clock, SystemClock
from seawall.daemon.assembly import Control
from seawall.errors import ConflictError, SeawallError, UsageError
from seawall.heap import give_back, keep_small
from seawall.sockets import listen_private
from seawall.telemetry.logs import configure

SOCKET_NAME: Final = "control.sock"
_THREADS: Final = 3
"""Work that blocks: the store, compiling, looking at files. More only hold memory."""
_EXIT_REFUSED: Final = 1
_LOG: Final = structlog.stdlib.get_logger("seawall.control")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code (1: could not start)."""
    options = _options(argv)
    data_dir = Path(options.data_dir).absolute()
    keep_small()
    try:
        for folder in (data_dir, data_dir / "logs", data_dir / "control"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configure("control", path=data_dir / "logs" / "control.log")
        lock = _lock(data_dir / "control" / "control.lock")
    except OSError as error:
        return _give_up(f"The data directory {data_dir} cannot be used: {error.strerror}.")
    except SeawallError as error:
        return _give_up(str(error))
    try:
        with asyncio.Runner() as runner:
            config = Path(options.config).absolute() if options.config else None
            runner.run(_serve(options, data_dir, config))
    except SeawallError as error:
        return _give_up(str(error))
    except OSError as error:
        return _give_up(f"The control process cannot go on: {error}.")
    finally:
        os.close(lock)
    return 0


async def _serve(options: argparse.Namespace, data_dir: Path, config: Path | None) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="blocking"))
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if options.parent_fd is not None:
        loop.add_reader(options.parent_fd, _parent_gone, options.parent_fd, stop)
    async with running(data_dir, config, SystemClock(), api=options.api) as control:
        _LOG.info("started", version=__version__, pid=os.getpid(), config=str(config))
        control.start()
        await asyncio.to_thread(give_back)
        await stop.wait()
        _LOG.info("stopping")


@contextlib.asynccontextmanager
async def running(
    data_dir: Path, config: Path | None, clock: Clock, *, api: str = ""
) -> AsyncIterator[Control]:
    """The whole of control, serving its API; everything is closed on the way out.

    Args:
        data_dir: must exist.
        config: site file to apply at start and to compare with.
        clock: of the machine.
        api: `HOST:PORT` to listen on with tokens, besides the Unix socket.

    Raises:
        SeawallError: the store, the keys, the socket or the address cannot be used.
    """
    async with Control.opened(data_dir, config, clock, log=_say, log_error=_say_error) as control:
        local = build_app(control.service, needs_token=False, log_error=_say_error)
        listeners = [(ApiServer(local), listen_private(data_dir / SOCKET_NAME))]
        if api:
            remote = build_app(control.service, needs_token=True, log_error=_say_error)
            listeners.append((ApiServer(remote), _listen_tcp(api)))
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(server.run_on(sock)) for server, sock in listeners]
            try:
                yield control
            finally:
                control.close_polls()
                for task in serving:
                    task.cancel()
    with contextlib.suppress(OSError):
        (data_dir / SOCKET_NAME).unlink()


def _say(event: str, text: str) -> None:
    _LOG.info(event, text=text)


def _say_error(where: str, error: BaseException) -> None:
    _LOG.error("unexpected", where=where, exc_info=error)


def _listen_tcp(api: str) -> socket.socket:
    host, colon, port = api.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise UsageError(
            "api-address-invalid",
            f"{api!r} is not HOST:PORT.",
            remedy="For example --api 127.0.0.1:7070.",
        )
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        )
    except (OSError, OverflowError) as error:
        raise UsageError(
            "api-address-unusable",
            f"Cannot listen on {api}: {error}.",
            remedy="Choose another address or port with --api.",
        ) from error


def _parent_gone(parent_fd: int, stop: asyncio.Event) -> None:
    if not os.read(parent_fd, 1):
        asyncio.get_running_loop().remove_reader(parent_fd)
        stop.set()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConflictError(
            "control-already-running",
            f"Another control process works on {path.parent.parent}.",
            remedy="Stop it first, or choose another data directory.",
        ) from error
    return descriptor


def _give_up(words: str) -> int:
    sys.stderr.write(words + "\n")
    return _EXIT_REFUSED


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seawall.daemon.control", description=__doc__)
    parser.add_argument("--config", default="")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--api", default="")
    parser.add_argument("--parent-fd", type=int, default=None)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
