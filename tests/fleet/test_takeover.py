"""Two real control processes on a real PostgreSQL: one is killed in the middle of a rollout."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from fleet.crew import ControlProcess, Loop, joined, loop, memory_node, two_controls
from helpers import POLL_S, free_port, wait_until
from postgres_server import PostgresServer
from seawall.errors import SeawallError, UnreachableError
from seawall.rollout.ports import Nack
from seawall.site.sources import SourceFile, SourceSet
from seawall.testing.memory_node import MemoryNode

DEADLINE_S = 90.0


@dataclass
class Crew:
    first: ControlProcess
    second: ControlProcess
    nodes: tuple[MemoryNode, ...]
    url: str
    loop: Loop
    port: int
    asking: list[threading.Thread] = field(default_factory=list)

    def leader(self) -> ControlProcess:
        return next(each for each in (self.first, self.second) if each.leads())

    def other(self, one: ControlProcess) -> ControlProcess:
        return self.second if one is self.first else self.first

    def apply(self, control: ControlProcess, text: str) -> None:
        """Ask for a release; whoever is asked may die meanwhile."""

        def ask() -> None:
            with contextlib.suppress(SeawallError), control.client() as client:
                for _ in client.apply(self.sources(text), message=text, author="ada"):
                    pass

        for asking in self.asking:
            asking.join(DEADLINE_S)  # one release at a time is on its way
        self.asking.append(threading.Thread(target=ask, daemon=True))
        self.asking[-1].start()

    def sources(self, text: str) -> SourceSet:
        content = f"""version: 1
listen: {{http: 127.0.0.1:{self.port}}}
rollout: {{steps: [], waves: [], bake: 6s}}
sites:
  shop:
    hosts: [shop.example.com]
    origin: http://127.0.0.1:9
    routes: [{{name: api, prefix: /{text}}}]
"""
        path = "/etc/seawall/seawall.yaml"
        return SourceSet(path, (SourceFile(path, content.encode()),))

    def stages(self) -> dict[str, list[str]]:
        """Stages of the rollouts of each release, as stored."""
        found: dict[str, list[str]] = {}
        with psycopg.connect(self.url) as connection:
            query = "SELECT release, stage FROM rollouts ORDER BY number"
            for release, stage in connection.execute(query):
                found.setdefault(f"r{release}", []).append(stage)
        return found

    def codes(self, release: str) -> list[str]:
        with psycopg.connect(self.url) as connection:
            query = "SELECT code FROM rollout_events WHERE release = %s ORDER BY number"
            return [code for (code,) in connection.execute(query, (int(release[1:]),))]


@pytest.fixture
def crew(tmp_path: Path, postgres: PostgresServer) -> Iterator[Crew]:
    url = postgres.create()
    with two_controls(tmp_path, url) as (first, second), loop() as running:
        ways = [
            joined(first, tmp_path, f"edge-{n}", others=(second.address,), seed=n) for n in (1, 2)
        ]
        nodes = tuple(
            memory_node(way, tmp_path, f"edge-{n}") for n, way in enumerate(ways, start=1)
        )
        for node in nodes:
            running.spawn(node.run())
        for way in ways:
            running.at_end(way.close)
        yield Crew(first, second, nodes, url, running, free_port())


def serving(crew: Crew, release: str) -> bool:
    return all(node.serving == release for node in crew.nodes)


def baked(crew: Crew) -> None:
    """The nodes have baked it, and will say so to the control process they find next."""
    for node in crew.nodes:
        node.baked()
        node.bakes = True


def bake_on(crew: Crew) -> None:
    """From now on a release is good on a node when it has found another control process."""
    for node in crew.nodes:
        node.bakes = False


async def heard(node: MemoryNode) -> None:
    """Report beside the poll, as an agent does, until a control process takes it."""
    while True:
        try:
            await node.say()
        except UnreachableError:
            await asyncio.sleep(POLL_S)
        else:
            return


def test_a_leader_killed_while_a_release_bakes_is_replaced_and_the_rollout_ends_once(
    crew: Crew,
) -> None:
    crew.apply(crew.leader(), "one")
    wait_until(lambda: crew.stages().get("r1") == ["done"], what="r1", deadline_s=DEADLINE_S)
    leader = crew.leader()
    bake_on(crew)
    crew.apply(leader, "two")
    wait_until(lambda: serving(crew, "r2"), what="r2 serves", deadline_s=DEADLINE_S)
    wait_until(lambda: crew.stages()["r2"] == ["baking"], what="r2 bakes", deadline_s=DEADLINE_S)
    baked(crew)
    leader.kill()
    successor = crew.other(leader)
    wait_until(successor.leads, what="the other leads", deadline_s=DEADLINE_S)
    wait_until(lambda: crew.stages()["r2"] == ["done"], what="r2 done", deadline_s=DEADLINE_S)
    codes = crew.codes("r2")
    assert codes.count("done") == 1, codes
    assert "rolled-back" not in codes
    assert serving(crew, "r2")
    for node in crew.nodes:
        assert node.history == ["r1", "r2"]
    # The dead one comes back and does not lead.
    leader.start()
    with leader.client() as client:
        view = client.nodes()
        assert (view.leading, view.leader) == (False, successor.address)
        with pytest.raises(SeawallError, match=f"the one at {successor.address} leads"):
            client.join_token()
        # What it cannot know it does not make up, and no work is done that cannot be stored.
        assert [node.connected for node in view.nodes] == [None, None]
        status = client.status()
        assert (status.state, status.nodes, status.notices) == ("standby", (), ())
        assert f"{successor.address} leads" in status.summary
        with pytest.raises(SeawallError, match="does not lead"):
            next(iter(client.apply(crew.sources("three"))))
        assert client.status().notices == ()


def test_a_leader_killed_with_a_bad_release_is_replaced_and_it_is_rolled_back(crew: Crew) -> None:
    crew.apply(crew.leader(), "one")
    wait_until(lambda: crew.stages().get("r1") == ["done"], what="r1", deadline_s=DEADLINE_S)
    leader = crew.leader()
    crew.nodes[1].refuse = lambda _: (Nack("t", "shop", "site shop", "Envoy refused: bad"),)
    crew.apply(leader, "two")
    wait_until(lambda: crew.stages().get("r2"), what="r2 is under way", deadline_s=DEADLINE_S)
    leader.kill()
    wait_until(
        lambda: crew.stages()["r2"] == ["rolled-back"], what="r2 back", deadline_s=DEADLINE_S
    )
    wait_until(lambda: serving(crew, "r1"), what="r1 serves", deadline_s=DEADLINE_S)
    codes = crew.codes("r2")
    assert codes.count("rolled-back") == 1, codes
    assert "done" not in codes
    for node in crew.nodes:
        assert node.history[-1] == "r1"


def test_a_leader_that_was_stopped_for_a_while_writes_nothing_when_it_wakes(crew: Crew) -> None:
    crew.apply(crew.leader(), "one")
    wait_until(lambda: crew.stages().get("r1") == ["done"], what="r1", deadline_s=DEADLINE_S)
    leader = crew.leader()
    bake_on(crew)
    crew.apply(leader, "two")
    wait_until(lambda: serving(crew, "r2"), what="r2 serves", deadline_s=DEADLINE_S)
    wait_until(lambda: crew.stages()["r2"] == ["baking"], what="r2 bakes", deadline_s=DEADLINE_S)
    baked(crew)
    leader.signal(signal.SIGSTOP)
    for node in crew.nodes:
        crew.loop.spawn(heard(node))
    successor = crew.other(leader)
    wait_until(successor.leads, what="the other leads", deadline_s=DEADLINE_S)
    wait_until(lambda: crew.stages()["r2"] == ["done"], what="r2 done", deadline_s=DEADLINE_S)
    leader.signal(signal.SIGCONT)
    crew.apply(successor, "three")
    wait_until(lambda: crew.stages().get("r3") == ["done"], what="r3", deadline_s=DEADLINE_S)
    assert not leader.leads()
    for release in ("r2", "r3"):
        codes = crew.codes(release)
        assert codes.count("done") == 1, codes
    for node in crew.nodes:
        assert node.history == ["r1", "r2", "r3"]
