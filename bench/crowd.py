"""A thousand nodes without Envoy: real certificates, sockets and TLS, in one event loop.

Each does with control what an agent does: polls, fetches and checks bundles, reports, answers what
is asked about requests (of which it has no record). The machines share one key (their certificates
name them), so that making them takes no minute.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from seawall.clock import SystemClock
from seawall.errors import SeawallError
from seawall.fleet.answerer import Answerer
from seawall.fleet.ca import load_or_create_authority, new_key, private_pem, request_for
from seawall.fleet.identity import Identity
from seawall.fleet.remote import FleetControl
from seawall.fleet.tls import keep_small
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.node.process import raise_file_limit
from seawall.release.envelope import open_bytes
from seawall.release.registry import FleetNode
from seawall.release.signing import load_public_key
from seawall.release.store import Store
from seawall.release.tables import FLEET_NODES
from seawall.rollout.ports import Assignment, EnvoyState, NodeReport, Phase

REPORT_INTERVAL_S = 3.0


@dataclass
class SimulatedNode:
    """One machine.

    Attributes:
        got_s: when each generation came, by its number (monotonic).
        fetched_s: when the bundle of each was there and checked.
        failures: questions that control did not answer.
    """

    name: NodeName
    control: FleetControl
    key: Path
    answerer: Answerer
    generation: Generation = Generation(0)  # noqa: RUF009 - an immutable number
    release: ReleaseId | None = None
    digest: Digest | None = None
    got_s: dict[int, float] = field(default_factory=dict)
    fetched_s: dict[int, float] = field(default_factory=dict)
    failures: int = 0
    reports: int = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._tell())
            tasks.create_task(self.answerer.run())

    async def _follow(self) -> None:
        while True:
            try:
                found = await self.control.assignment(self.name, self.generation, 20.0)
                if isinstance(found, Assignment):
                    await self._take(found)
            except SeawallError:
                self.failures += 1

    async def _take(self, found: Assignment) -> None:
        self.got_s[found.generation] = time.monotonic()
        envelope = await self.control.bundle(found.digest)
        record, _ = open_bytes(envelope, load_public_key(self.key))
        if record.digest != found.digest:
            raise ValueError("another bundle than the assigned one")
        self.fetched_s[found.generation] = time.monotonic()
        self.generation, self.release, self.digest = found.generation, found.release, found.digest
        await self._report()

    async def _tell(self) -> None:
        await asyncio.sleep(Random(self.name).uniform(0, REPORT_INTERVAL_S))
        while True:
            await self._report()
            await asyncio.sleep(REPORT_INTERVAL_S)

    async def _report(self) -> None:
        report = NodeReport(
            node=self.name,
            generation=self.generation,
            release=self.release,
            digest=self.digest,
            phase=Phase.GOOD,
            envoy=EnvoyState(1, "1.40.0", 1.0, 0, live=True, memory_bytes=1),
        )
        try:
            await self.control.report(report)
            self.reports += 1
        except SeawallError as error:
            if error.code != "report-waits":
                self.failures += 1


class Crowd:
    """`count` machines that belong to the fleet of the control process in `home`."""

    def __init__(self, home: Path, here: Path, address: tuple[str, int], count: int) -> None:
        keep_small()
        raise_file_limit()
        self.nodes = tuple(_machines(home, here, address, count))
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for node in self.nodes:
            node.control.close()

    async def until(self, generation: int, *, deadline_s: float) -> None:
        """Wait until every node has fetched an assignment of at least `generation`."""
        async with asyncio.timeout(deadline_s):
            while any(node.generation < generation for node in self.nodes):  # noqa: ASYNC110 - of a thousand
                await asyncio.sleep(0.02)

    async def until_heard(self, *, deadline_s: float) -> None:
        """Wait until control has taken a report of every node since `forget_reports`."""
        async with asyncio.timeout(deadline_s):
            while any(node.reports < 1 for node in self.nodes):  # noqa: ASYNC110 - of a thousand
                await asyncio.sleep(0.02)

    def forget_reports(self) -> None:
        """Count reports anew."""
        for node in self.nodes:
            node.reports = 0

    @property
    def failures(self) -> int:
        """Questions of all nodes that control did not answer."""
        return sum(node.failures for node in self.nodes)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for node in self.nodes:
                tasks.create_task(node.run())


def _machines(
    home: Path, here: Path, address: tuple[str, int], count: int
) -> Iterator[SimulatedNode]:
    """Certificates as `seawall node --join` would have got them, and their rows in the store."""
    clock = SystemClock()
    now_s = clock.now_s()
    authority = load_or_create_authority(home / "control", now_s)
    key = new_key()
    request, key_pem = request_for(key), private_pem(key)
    rows = []
    for number in range(count):
        name = NodeName(f"sim-{number}")
        issued = authority.sign_node(request, name, now_s)
        node = FleetNode(name, (), issued.key_sha256, now_s, issued.ends_s)
        rows.append(
            {
                "name": node.name,
                "groups": "",
                "key_sha256": node.key_sha256,
                "joined_s": now_s,
                "certificate_ends_s": node.certificate_ends_s,
            }
        )
        directory = here / name
        directory.mkdir(parents=True)
        (directory / "node.key").write_bytes(key_pem)
        (directory / "node.pem").write_bytes(issued.pem)
        (directory / "ca.pem").write_bytes(authority.pem)
        fleet = {"node": name, "controls": [list(address)]}
        (directory / "fleet.json").write_text(json.dumps(fleet))
        trusted = home / "control" / "signing.pub"
        answerer = Answerer(directory / "access.ndjson", clock, lambda *_: None)
        control = FleetControl(
            Identity(directory), clock, Random(number), trusted=trusted, answerer=answerer
        )
        yield SimulatedNode(name, control, trusted, answerer)
    store = Store(home / "control" / "seawall.db", clock=clock)
    with store, store.database.write() as connection:
        connection.execute(FLEET_NODES.insert(), rows)
