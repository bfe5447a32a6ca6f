"""The control process, once it has loaded its libraries; see `seawall.daemon.control`.

It wires store, service, API and the nodes' port together and serves until it is told to stop. It
is not needed for traffic: whatever goes wrong here, nodes serve on. One process for each data
directory, held by a lock; of several on one PostgreSQL, one leads, and when that changes everything
is put together anew, as after a restart. It ends when the supervisor's pipe closes, so that it
never outlives `seawall up`.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - this is where the process seeds its randomness
from typing import Final, Protocol

import structlog
from starlette.types import ASGIApp

from seawall import __version__, limits
from seawall.api.app import build_app
from seawall.api.bench_process import BenchProcess
from seawall.api.fleet import Heard, Lead
from seawall.api.server import ApiServer
from seawall.api.strangers import stranger_protocol
from seawall.clock import Clock, SystemClock
from seawall.daemon.assembly import Control
from seawall.daemon.control import Options, Ways
from seawall.errors import SeawallError, UnreachableError
from seawall.fleet import tls
from seawall.fleet.export import keep_exported
from seawall.fleet.leader import Sole, election
from seawall.fleet.port import PortParts, listen_tcp, nodes_port
from seawall.heap import give_back, keep_small, settle
from seawall.ids import NodeName
from seawall.node.process import only_one
from seawall.release.reserve import Reserve
from seawall.release.signing import load_public_key
from seawall.release.store import Store
from seawall.socket_watch import listen_again
from seawall.sockets import inode, listen_private
from seawall.tasks import Background
from seawall.telemetry.logs import configure

SOCKET_NAME: Final = "control.sock"
_THREADS: Final = 3
"""Work that blocks: the store, compiling, looking at files. More only hold memory."""
_EXIT_REFUSED: Final = 1
_LOG: Final = structlog.stdlib.get_logger("seawall.control")


class Leading(Lead, Protocol):
    """Which control process leads, and when that changes."""

    async def changed(self) -> None:
        """Wait until this process begins or ceases to lead."""
        ...


def serve(options: Options, first: BenchProcess | None) -> int:
    """Run until stopped; returns the exit code (1: could not start).

    Args:
        options: of the command.
        first: a workbench that was started already.
    """
    data_dir = options.data_dir
    settle()
    keep_small()
    tls.keep_small()
    tls.bound_handshakes()
    try:
        for folder in (data_dir, data_dir / "logs", data_dir / "control"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configure("control", path=data_dir / "logs" / "control.log")
        words = f"Another control process already uses {data_dir}."
        lock = only_one(data_dir / "control" / "control.lock", "control-already-running", words)
    except OSError as error:
        return _give_up(f"The data directory {data_dir} cannot be used: {error.strerror}.")
    except SeawallError as error:
        return _give_up(str(error))
    try:
        with asyncio.Runner() as runner:
            runner.run(_serve(options, first))
    except SeawallError as error:
        return _give_up(str(error))
    except OSError as error:
        return _give_up(f"The control process cannot continue: {error}.")
    finally:
        os.close(lock)
    return 0


async def _serve(options: Options, first: BenchProcess | None) -> None:
    data_dir, config, ways = options.data_dir, options.config, options.ways
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="blocking"))
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if options.parent_fd is not None:
        loop.add_reader(options.parent_fd, _parent_gone, options.parent_fd, stop)
    clock = SystemClock()
    async with leading(data_dir, options.database, ways.address, clock) as (store, lead):
        _LOG.info("started", version=__version__, pid=os.getpid(), config=str(config))
        while not stop.is_set():
            parts = running(data_dir, config, clock, ways=ways, store=store, lead=lead, first=first)
            async with parts as control:
                first = None
                if lead.leading:
                    control.start(one_of_several=not isinstance(lead, Sole))
                else:
                    control.follow()
                await asyncio.to_thread(give_back)
                await _first(stop.wait(), lead.changed())
        _LOG.info("stopping")


async def _first(*waits: Coroutine[None, None, object]) -> None:
    """Return when one of them has ended."""
    async with Background(_say_error) as background:
        tasks = [background.spawn(wait, name="waiting") for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


@contextlib.asynccontextmanager
async def leading(
    data_dir: Path, database: str, address: str, clock: Clock
) -> AsyncIterator[tuple[Store, Leading]]:
    """The store, and which control process may write to it.

    Args:
        data_dir: holds the store when `database` is empty.
        database: URL of PostgreSQL.
        address: HOST:PORT that others find this process at.
        clock: of the machine.

    Raises:
        SeawallError: the store cannot be used.
    """
    if not database:
        path = data_dir / "control" / "seawall.db"
        reserve = Reserve(path)
        try:
            with await asyncio.to_thread(_own_store, path, reserve, clock) as store:
                reserve.keep()
                async with Background(_say_error) as background:
                    room = partial(_keep, reserve, clock)
                    background.keep(room, clock, name="room for the store")
                    yield store, Sole(address)
        finally:
            reserve.keep()
        return
    with await asyncio.to_thread(Store, database, clock=clock) as store:
        async with election(
            database, store.database, address, clock=clock, log=_say, log_error=_say_error
        ) as taking_part:
            # Whoever starts alone leads from the beginning, and need not be put together twice.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.LEADER_BEAT_S):
                    await taking_part.changed()
            yield store, taking_part


def _own_store(path: Path, reserve: Reserve, clock: Clock) -> Store:
    """The store on this machine's disk; on a full one, with the room that was kept for it."""
    kept = reserve.kept
    try:
        return Store(path, clock=clock)
    except UnreachableError:
        if not kept or reserve.kept:
            raise
        return Store(path, clock=clock)


async def _keep(reserve: Reserve, clock: Clock) -> None:
    while True:
        await clock.sleep(limits.STORE_RESERVE_INTERVAL_S)
        await asyncio.to_thread(reserve.keep_of_plenty)


_LOCAL: Final = Ways()


@contextlib.asynccontextmanager
async def running(
    data_dir: Path,
    config: Path | None,
    clock: Clock,
    *,
    ways: Ways = _LOCAL,
    store: Store | None = None,
    lead: Leading | None = None,
    first: BenchProcess | None = None,
) -> AsyncIterator[Control]:
    """The whole of control, serving its API; everything is closed on the way out.

    Args:
        data_dir: must exist.
        config: site file to apply at start and to compare with.
        clock: of the machine.
        ways: besides the Unix socket.
        store: open already; otherwise the one in `data_dir`.
        lead: who may write; otherwise this process.
        first: a workbench that was started already.

    Raises:
        SeawallError: the store, the keys, the socket or the address cannot be used.
    """
    opened = Control.opened(
        data_dir, config, clock, log=_say, log_error=_say_error, shared=store, first=first
    )
    async with contextlib.AsyncExitStack() as stack:
        control = await stack.enter_async_context(opened)
        lead = lead or Sole(ways.address)
        if ways.listen_nodes:
            parts = _nodes_parts(control, data_dir, clock, ways, lead)
            desk = await stack.enter_async_context(nodes_port(parts))
            control.service.fleet, control.workshop.sampler = desk, desk.records.sample
        if ways.mirror_dir:
            await stack.enter_async_context(_exporting(control, Path(ways.mirror_dir), clock))
        local = build_app(control.service, needs_token=False, log_error=_say_error)
        path = data_dir / SOCKET_NAME
        listeners = [(_server(local), listen_private(path))]
        bound = inode(path)
        if ways.api:
            remote = build_app(control.service, needs_token=True, log_error=_say_error)
            listeners.append((_server_for_tokens(remote), listen_tcp(ways.api, "api")))
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(server.run_on(sock)) for server, sock in listeners]

            async def serve_anew() -> None:
                anew = listen_private(path)
                _say("socket-made-again", f"{path} was missing and has been recreated.")
                serving.append(tasks.create_task(_server(local).run_on(anew)))

            serving.append(tasks.create_task(listen_again(path, bound, serve_anew, clock)))
            try:
                yield control
            finally:
                control.close_polls()
                for task in serving:
                    task.cancel()
    with contextlib.suppress(OSError):
        path.unlink()


def _server(app: ASGIApp) -> ApiServer:
    return ApiServer(app, orders_max=limits.API_ORDERS_MAX)


def _server_for_tokens(app: ASGIApp) -> ApiServer:
    protocol = stranger_protocol()
    return ApiServer(
        app,
        protocol=protocol,
        orders_max=limits.API_ORDERS_MAX,
        counted=lambda: len(protocol.known),
    )


@contextlib.asynccontextmanager
async def _exporting(control: Control, mirror_dir: Path, clock: Clock) -> AsyncIterator[None]:
    async with Background(_say_error) as background:
        work = partial(keep_exported, control.service.store, mirror_dir, clock, _say)
        background.keep(work, clock, name="bundles for mirrors")
        yield


def _nodes_parts(
    control: Control, data_dir: Path, clock: Clock, ways: Ways, lead: Leading
) -> PortParts:
    def heard(name: NodeName) -> Heard | None:
        for seen in control.board.nodes():
            if seen.report.node == name:
                return Heard(seen.report, control.board.connected(seen))
        return None

    return PortParts(
        home=data_dir / "control",
        listen=ways.listen_nodes,
        advertise=ways.advertise,
        store=control.service.store,
        control=control.service,
        signing_key=load_public_key(data_dir / "control" / "signing.pub"),
        heard=heard,
        lead=lead,
        age_s=lambda: control.executor.age_s,
        forget=control.service.forget,
        reachable=control.board.reachable,
        nudge=control.board.nudge,
        clock=clock,
        rng=Random(os.urandom(16)),  # noqa: S311 - jitter, not a secret
        log=_say,
        log_error=_say_error,
    )


def _say(event: str, text: str) -> None:
    _LOG.info(event, text=text)


def _say_error(where: str, error: BaseException) -> None:
    _LOG.error("unexpected", where=where, exc_info=error)


def _parent_gone(parent_fd: int, stop: asyncio.Event) -> None:
    if not os.read(parent_fd, 1):
        asyncio.get_running_loop().remove_reader(parent_fd)
        stop.set()


def _give_up(words: str) -> int:
    sys.stderr.write(words + "\n")
    return _EXIT_REFUSED
