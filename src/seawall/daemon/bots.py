"""The bot service of a node: shows challenges, grants clearances, and verifies bots.

One process on DIR/node/bots.sock, which Envoy alone reaches. It is never needed to serve: without
it the fail mode of each site decides. It ends when the agent that started it ends.
"""

import argparse
import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seawall import limits
from seawall.api.server import ApiServer
from seawall.challenge.app import challenge_routes
from seawall.challenge.desk import Tools
from seawall.challenge.policy import ChallengePolicy
from seawall.challenge.pool import Allowance, KernelPool
from seawall.challenge.puzzle import make_kernel
from seawall.challenge.reply import Outcome
from seawall.challenge.spent import SpentSet
from seawall.clock import Clock, SystemClock
from seawall.compiler.bot_service import Challenged
from seawall.daemon.bot_counts import Tally
from seawall.daemon.bot_names import SystemResolver
from seawall.errors import SeawallError
from seawall.heap import keep_small, settle
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.node import bot_settings
from seawall.node.bot_settings import Settings
from seawall.node.dns.resolvers import RESOLV_CONF, Resolvers
from seawall.secret import Secret
from seawall.socket_watch import listen_again
from seawall.sockets import inode, listen_private
from seawall.tasks import Background
from seawall.telemetry.logs import configure
from seawall.verify.app import verify_routes
from seawall.verify.catalogue import catalogue
from seawall.verify.claims import ClaimsBoard
from seawall.verify.directory import Directories
from seawall.verify.dns import Lookups
from seawall.verify.fetch import Fetcher
from seawall.verify.service import Verifier
from seawall.verify.verdicts import VerdictTable

_LOG: Final = structlog.stdlib.get_logger("seawall.bots")
_EXIT_DONE: Final = 0
_EXIT_REFUSED: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to end, or until the agent ends."""
    parser = argparse.ArgumentParser(prog="seawall.daemon.bots")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--parent-fd", type=int, required=True)
    parser.add_argument("--resolv-conf", type=Path, default=RESOLV_CONF)
    options = parser.parse_args(argv)
    data_dir = Path(options.data_dir)
    settle()
    keep_small()
    try:
        configure("bots", path=data_dir / "logs" / "bots.log")
        asyncio.run(_run(data_dir, options.parent_fd, Resolvers(options.resolv_conf)))
    except (SeawallError, OSError) as error:
        sys.stderr.write(f"The bot service cannot continue: {error}\n")
        return _EXIT_REFUSED
    return _EXIT_DONE


class Policies:
    """The challenge policy of each host, as the agent's settings say.

    Settings that cannot be read leave what was there; keys that make no sense leave out their
    site, which then grants nothing.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._read: tuple[Challenged, ...] | None = None
        self._settings = Settings.of(())
        self.refresh()

    def of_host(self, host: str) -> ChallengePolicy | None:
        """The policy of a host; None when it is not challenged here."""
        site = self._settings.of_host(host)
        return None if site is None else policy_of(site)

    def refresh(self) -> None:
        """Read the settings again."""
        sites = bot_settings.read(self._path)
        if sites is not None and sites != self._read:
            self._read = sites
            self._settings = Settings.of(sites)
            _LOG.info("settings", sites=len(sites))

    async def run(self) -> None:
        """Follow the file, until cancelled."""
        while True:
            await self._clock.sleep(limits.BOT_KEEPER_TICK_S)
            self.refresh()


def policy_of(site: Challenged) -> ChallengePolicy | None:
    """The policy of one site; None when its keys make no sense."""
    epoch, _, pairs = site.keys.partition(" ")
    try:
        keys = [
            ClearanceKey(kid, Secret(bytes.fromhex(value)))
            for kid, _, value in (pair.partition(":") for pair in pairs.split())
        ]
        previous = keys[1] if len(keys) > 1 else None
        return ChallengePolicy(
            ClearanceKeys(keys[0], previous),
            int(epoch),
            lifetime_s=site.clearance_s,
            contact=site.contact,
        )
    except (ValueError, IndexError, SeawallError) as error:
        _LOG.warning("clearance-keys-unusable", hosts=site.hosts, error=type(error).__name__)
        return None


async def _run(data_dir: Path, parent_fd: int, resolvers: Resolvers) -> None:
    clock = SystemClock()
    home = data_dir / "node"
    policies = Policies(home / bot_settings.FILE, clock)
    pool = KernelPool(lambda: make_kernel(os.urandom))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(parent_fd, stop.set)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    path = home / "bots.sock"
    listener = listen_private(path)
    pool.start()
    try:
        async with Background(_failed) as background:
            lookups = Lookups(SystemResolver(resolvers), clock)
            verifier = _verifier(home, clock, background, lookups)
            tally = Tally(verifier.counts, clock)

            def observer(outcome: Outcome) -> None:
                _told(outcome)
                tally.add(outcome)

            tools = Tools(
                clock=clock,
                random_bytes=os.urandom,
                policy_of=policies.of_host,
                kernels=pool,
                spent=SpentSet(),
                allowance=Allowance(clock),
                observer=observer,
            )
            routes = [*challenge_routes(tools), *verify_routes(verifier), *tally.routes()]
            background.keep(policies.run, clock, name="settings")
            background.keep(verifier.run, clock, name="verifier")
            background.keep(tally.run, clock, name="counts")
            background.spawn(_server(routes).run_on(listener), name="server")

            async def serve_anew() -> None:
                background.spawn(_server(routes).run_on(listen_private(path)), name="server")
                _LOG.warning("socket-made-again", path=os.fspath(path))

            kept = listen_again(path, inode(path), serve_anew, clock)
            background.spawn(kept, name="socket")
            await stop.wait()
    finally:
        loop.remove_reader(parent_fd)
        pool.stop()


def _server(routes: Sequence[Route]) -> ApiServer:
    # Only Envoy asks here: no deadline for a slow request head is needed.
    return ApiServer(
        Starlette(routes=routes),
        protocol=HttpToolsProtocol,
        connections_max=limits.BOT_SERVICE_SERVED_CONNECTIONS_MAX,
    )


def _verifier(home: Path, clock: Clock, background: Background, lookups: Lookups) -> Verifier:
    known = catalogue()
    return Verifier(
        known,
        table=VerdictTable(home / "verified.map", seed=int.from_bytes(os.urandom(4))),
        board=ClaimsBoard(home / "claims.map"),
        lookups=lookups,
        directories=Directories(
            known.by_directory,
            Fetcher(lookups.addresses, ssl.create_default_context()),
            background,
            clock,
        ),
        clock=clock,
    )


def _told(outcome: Outcome) -> None:
    _LOG.info(
        "challenge",
        outcome=outcome.event.value,
        host=outcome.host,
        reference=outcome.reference,
        why=outcome.why,
        level=outcome.level,
    )


def _failed(name: str, error: BaseException) -> None:
    _LOG.error("task-failed", task=name, error=str(error), kind=type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
