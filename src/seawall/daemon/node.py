"""Entry of the node agent's process: the agent, its way to control, and its measurements.

Two ways to end: SIGTERM drains and stops Envoy (a second one does not wait for the drain); the
death of the supervisor, seen as end of file on a pipe, leaves Envoy serving for the next agent.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - this is where the process seeds its randomness
from typing import Final

import structlog

from seawall.clock import Clock, SystemClock
from seawall.compiler.names import ACCESS_FILE
from seawall.daemon.bot_keeper import BotKeeper
from seawall.daemon.control_http import HttpControl
from seawall.daemon.processes import envoys
from seawall.errors import SeawallError
from seawall.heap import keep_small, settle
from seawall.ids import Digest, Generation, NodeName
from seawall.node.agent import STABLE, Agent
from seawall.node.dns.names import Names
from seawall.node.dns.resolvers import RESOLV_CONF
from seawall.node.lastgood import Opener, trusting
from seawall.node.open_files import files_used_up
from seawall.node.report import CollectorMaker
from seawall.release.bundle import Bundle
from seawall.release.signing import load_public_key, pin_public_key
from seawall.rollout.ports import Assignment, Coming, ControlPort, NodeReport, TrialReport
from seawall.tasks import Background
from seawall.telemetry.admin import AdminClient
from seawall.telemetry.collector import Collector
from seawall.telemetry.logs import configure
from seawall.telemetry.recording import Recording
from seawall.telemetry.window import Window

_LOG: Final = structlog.stdlib.get_logger("seawall.node")
_LOCAL: Final = NodeName("local")
_EXIT_DONE: Final = 0
_EXIT_REFUSED: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until it is told to end."""
    parser = argparse.ArgumentParser(prog="seawall node")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--parent-fd", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--resolv-conf", type=Path, default=RESOLV_CONF)
    parser.add_argument("--fleet", action="store_true")
    parser.add_argument("--mirror", action="append", default=[])
    options = parser.parse_args(argv)
    data_dir = Path(options.data_dir)
    settle()
    keep_small()
    try:
        (data_dir / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        configure("node", path=data_dir / "logs" / "node.log")
        asyncio.run(_run(data_dir, options))
    except (SeawallError, OSError) as error:
        return _give_up(error)
    except ExceptionGroup as group:  # of the tasks of an agent that runs
        known, unknown = group.split((SeawallError, OSError))
        if known is None or unknown is not None:
            raise
        return _give_up(known)
    return _EXIT_DONE


def _give_up(error: Exception) -> int:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    sys.stderr.write(f"The node agent cannot continue: {error}\n")
    return _EXIT_REFUSED


class Telling:
    """A `ControlPort` that writes what changed in the node's reports to the log."""

    def __init__(self, control: ControlPort) -> None:
        self._control = control
        self._told: tuple[object, ...] = ()

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """See `ControlPort.assignment`."""
        return await self._control.assignment(node, known, wait_s)

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`."""
        return await self._control.bundle(digest)

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        envoy = report.envoy.pid if report.envoy else None
        trial = report.trial
        tried = (trial.release, trial.phase, trial.share_permille, trial.message) if trial else ()
        told = (report.release, report.phase, report.message, report.notices, envoy, tried)
        if told != self._told:
            self._told = told
            _LOG.info(
                "state",
                release=report.release,
                generation=report.generation,
                phase=report.phase.value,
                message=report.message,
                notices=report.notices,
                envoy_pid=envoy,
                **_trial_words(report.trial),
            )
        await self._control.report(report)


def _trial_words(trial: TrialReport | None) -> dict[str, object]:
    if trial is None:
        return {}
    return {
        "trial": trial.release,
        "trial_phase": trial.phase.value,
        "trial_share_permille": trial.share_permille,
        "trial_message": trial.message,
    }


def pinning(data_dir: Path) -> Opener:
    """Opens what is signed by the key that this machine's control showed first.

    The key is taken over when the first envelope comes, because control, which starts beside the
    node, has made it by then; afterwards only that key is believed.
    """
    trusted = data_dir / "node" / "trusted.pub"
    open_trusted = trusting(trusted)

    def opener(envelope: bytes) -> tuple[Digest, Bundle]:
        if not trusted.exists():
            pin_public_key(trusted, load_public_key(data_dir / "control" / "signing.pub"))
        return open_trusted(envelope)

    return opener


async def _run(data_dir: Path, options: argparse.Namespace) -> None:
    clock = SystemClock()
    rng = Random(os.urandom(16))  # noqa: S311 - jitter, not a secret
    async with contextlib.AsyncExitStack() as stack:
        node, opener, renamed = _LOCAL, pinning(data_dir), asyncio.Event()
        control: ControlPort = HttpControl(data_dir / "control.sock")
        if options.fleet:
            # Here, because the node of a single machine needs none of it.
            from seawall.daemon.way import fleet_way  # noqa: PLC0415 - see above

            way = await stack.enter_async_context(fleet_way(data_dir, clock, rng, options.mirror))
            node, control, opener, renamed = way.node, way.control, way.opener, way.renamed
        agent = Agent(
            data_dir,
            Telling(control),
            clock,
            rng,
            node=node,
            concurrency=options.concurrency or None,
            collectors=collectors(data_dir, clock, node),
            opener=opener,
            names=Names(data_dir / "node", clock, resolv_conf=options.resolv_conf),
        )
        _end_on_signals(agent, data_dir)
        _end_with_parent(agent, options.parent_fd)
        async with Background(_keeper_failed) as background:
            keeper = BotKeeper(data_dir, agent, clock, resolv_conf=options.resolv_conf)
            background.keep(keeper.run, clock, name="bot keeper")
            background.keep(keeper.watch, clock, name="bot watch")
            background.spawn(_end_when(renamed, agent), name="end when renamed")
            await agent.run()


def _keeper_failed(name: str, error: BaseException) -> None:
    _LOG.error("task-failed", task=name, error=str(error), kind=type(error).__name__)


def collectors(data_dir: Path, clock: Clock, node: NodeName) -> CollectorMaker:
    """Makes the collectors of a node's slots; they share one file of access records."""

    def make(
        directory: Path,
        slot: str,
        seen: Callable[[Window], None],
        cpu_s: Callable[[], float | None],
    ) -> Collector:
        stable = slot == STABLE
        return Collector(
            AdminClient(directory / "admin.sock"),
            data_dir / "access" / ACCESS_FILE,
            clock,
            node,
            slot=slot,
            recording=Recording(directory) if stable else None,
            records=stable,
            seen=seen,
            cpu_s=cpu_s,
            files_used_up=lambda: files_used_up(directory),
        )

    return make


async def _end_when(renamed: asyncio.Event, agent: Agent) -> None:
    """The next agent, which the parent starts, takes over Envoy under the new name."""
    await renamed.wait()
    agent.stop(stop_envoy=False)


def _end_on_signals(agent: Agent, data_dir: Path) -> None:
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked:
            for envoy in envoys(data_dir):
                envoy.send(signal.SIGTERM)
        asked = True
        agent.stop(stop_envoy=True)

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, on_signal)


def _end_with_parent(agent: Agent, parent_fd: int) -> None:
    loop = asyncio.get_running_loop()

    def on_end() -> None:
        loop.remove_reader(parent_fd)
        agent.stop(stop_envoy=False)

    loop.add_reader(parent_fd, on_end)


if __name__ == "__main__":
    sys.exit(main())
