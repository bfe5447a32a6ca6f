"""A node that measures and judges, a crowd of clients, and trials of releases: for real Envoys."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.support import (
    Connection,
    Node,
    answer,
    cluster,
    listener,
    make_node,
    routes,
    to_cluster,
    whole,
)
from seawall.clock import SystemClock
from seawall.compiler.snapshot import Resource, Snapshot
from seawall.daemon.node import collectors
from seawall.ids import Digest, NodeName, ReleaseId
from seawall.rollout.ports import NodeReport, Phase, Trial, TrialPhase
from seawall.testing.control import MemoryControl

PAUSE_S = 0.01


def measuring(data_dir: Path, control: MemoryControl | None = None, **options: Any) -> Node:
    """A node with the collectors that a real one has."""
    made = collectors(data_dir, SystemClock(), NodeName("local"))
    return make_node(data_dir, control, collectors=made, **options)


def site(
    port: int, upstream: int, *more: Resource, first: dict[str, Any] | None = None
) -> Snapshot:
    """Everything goes to the origin; `first` is a route before that."""
    rules = [first] if first else []
    return whole(
        cluster("origin", upstream), listener(port), routes([*rules, to_cluster("origin")]), *more
    )


def failing(port: int, upstream: int) -> Snapshot:
    """`/` is as before, which is all that is tasted; every other path answers 503."""
    broken = answer("broken")
    broken["direct_response"]["status"] = 503
    home = {**to_cluster("origin"), "match": {"path": "/"}}
    return whole(cluster("origin", upstream), listener(port), routes([home, broken]))


@dataclass
class Story:
    """One node and the releases given to it.

    Attributes:
        stable: what the stable slot shall serve.
    """

    node: Node
    stable: tuple[ReleaseId, Digest] | None = None
    tried: tuple[ReleaseId, Digest] | None = None
    envelopes: dict[Digest, bytes] = field(default_factory=dict)

    async def serve(self, snapshot: Snapshot) -> None:
        """A first release, without a trial."""
        release, digest, envelope = self.node.releaser.release(snapshot)
        self.envelopes[digest] = envelope
        self.stable = (release, digest)
        await self.assign()
        await self.node.reported(lambda r: r.release == release and r.phase is Phase.GOOD)

    async def try_out(self, snapshot: Snapshot, **options: Any) -> ReleaseId:
        """Assign a trial of a new release, at first the taste."""
        release, digest, envelope = self.node.releaser.release(snapshot)
        self.envelopes[digest] = envelope
        self.node.control.hold(digest, envelope)
        self.tried = (release, digest)
        await self.assign(0, **options)
        return release

    async def assign(self, share: int | None = None, **options: Any) -> None:
        """Assign what is stable, with the trial at this share."""
        assert self.stable is not None
        release, digest = self.stable
        trial = None
        if share is not None:
            assert self.tried is not None
            trial = Trial(*self.tried, share, **options)
        await self.node.control.assign(release, digest, self.envelopes[digest], trial=trial)

    async def tasted(self) -> NodeReport:
        """Wait for the end of the taste."""
        return await self.reaches(TrialPhase.TASTED)

    async def steered(self, share: int, **options: Any) -> NodeReport:
        """Assign this share, and wait until it is in effect."""
        await self.assign(share, **options)
        return await self.reaches(TrialPhase.STEERED, share=share)

    async def reaches(self, phase: TrialPhase, *, share: int | None = None) -> NodeReport:
        """Wait until the newest trial is in this phase; a failure that nobody waits for is one."""
        tried = self.tried

        def there(report: NodeReport) -> bool:
            trial = report.trial
            if trial is None or (trial.release, trial.digest) != tried:
                return False
            failed = trial.phase is TrialPhase.FAILED
            assert not failed or phase is TrialPhase.FAILED, trial.message
            return trial.phase is phase and (share is None or trial.share_permille == share)

        return await self.node.reported(there, f"trial {phase}")

    async def commit(self) -> NodeReport:
        """The tried release becomes the assigned one."""
        self.stable, tried = self.tried, self.tried
        assert tried is not None
        await self.assign()
        return await self.node.reported(
            lambda r: r.digest == tried[1] and r.phase is Phase.GOOD and r.trial is None
        )


@dataclass
class Crowd:
    """Clients that come one after another, each with a connection of its own."""

    port: int
    path: str = "/page"
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> dict[str, int]:
        """What was not a 200."""
        return {what: count for what, count in self.statuses.items() if what != "200"}

    async def come(self, done: asyncio.Event) -> None:
        """One client after another until `done`."""
        while not done.is_set():
            self.statuses[await self._visit()] += 1
            await SystemClock().sleep(PAUSE_S)

    async def _visit(self) -> str:
        try:
            async with asyncio.timeout(10):
                client = await Connection.open(self.port)
                try:
                    status, headers = await client.ask(self.path)
                    await client.reader.readexactly(int(headers["content-length"]))
                finally:
                    await client.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            return type(error).__name__
        return str(status)


@asynccontextmanager
async def crowd(port: int, *, clients: int = 1, path: str = "/page") -> AsyncIterator[Crowd]:
    """Traffic while the block runs: about 80 requests a second for each client."""
    found, done = Crowd(port, path), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(found.come(done))
        try:
            yield found
        finally:
            done.set()
