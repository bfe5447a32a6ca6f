"""Questions to nodes with two real control processes: nodes poll one and report to the other."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from api.world import site_text, sources
from fleet.crew import ControlProcess, Loop, loop, two_controls
from fleet.town import report
from helpers import wait_until
from postgres_server import PostgresServer
from seawall.clock import SystemClock
from seawall.errors import SeawallError, UnreachableError
from seawall.exchange import Address
from seawall.fleet.answerer import Answerer
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_token
from seawall.fleet.remote import FleetControl
from seawall.ids import Generation, NodeName
from seawall.telemetry.rehearsal import NodesAsked

DEADLINE_S = 90.0
POLL_S = 0.2


@dataclass
class Pair:
    leader: ControlProcess
    follower: ControlProcess


def run_node(running: Loop, home: Path, name: str, leader: ControlProcess, *first: str) -> None:
    """A node without Envoy that polls the first address, with one record named after it."""
    with leader.client() as client:
        token = client.join_token().token
    addresses = tuple(
        Address(host, int(port)) for host, _, port in (at.rpartition(":") for at in first)
    )
    identity = Identity(home / name / "identity")
    trusted = home / name / "node" / "trusted.pub"
    asyncio.run(join(identity, trusted, addresses, parse_token(token), name))
    log = home / name / "access.ndjson"
    line = {"time": "2026-11-28T10:00:00.000Z", "request_id": f"of-{name}", "status": 200}
    log.write_text(json.dumps(line) + "\n")
    clock = SystemClock()
    answerer = Answerer(log, clock, lambda *_: None)
    control = FleetControl(identity, clock, Random(1), trusted=trusted, answerer=answerer)

    async def poll() -> None:
        while True:
            with contextlib.suppress(SeawallError):
                await control.assignment(NodeName(name), Generation(0), 20.0)

    async def tell() -> None:
        while True:
            with contextlib.suppress(SeawallError):
                await control.report(report(name, generation=0))
            await asyncio.sleep(POLL_S)

    for work in (poll(), tell(), answerer.run()):
        running.spawn(work)
    running.at_end(control.close)


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer) -> Iterator[Pair]:
    with two_controls(tmp_path, postgres.create()) as (leader, follower), loop() as running:
        run_node(running, tmp_path, "edge-1", leader, leader.address, follower.address)
        run_node(running, tmp_path, "edge-2", leader, follower.address, leader.address)
        yield Pair(leader, follower)


def heard(pair: Pair) -> bool:
    with pair.leader.client() as client:
        return [node.connected for node in client.nodes().nodes] == [True, True]


def test_the_leader_asks_everybody_and_who_stands_by_whoever_polls_it(pair: Pair) -> None:
    wait_until(lambda: heard(pair), what="both nodes report", deadline_s=DEADLINE_S)
    with pair.leader.client() as client:
        assert client.why("of-edge-1").node == "edge-1"
        assert client.why("of-edge-2").node == "edge-2", "it polls elsewhere, and reports here"
    with pair.follower.client() as client:

        def found() -> bool:
            with contextlib.suppress(SeawallError):
                return client.why("of-edge-2").node == "edge-2"
            return False

        wait_until(found, what="the node polls", deadline_s=DEADLINE_S)
        with pytest.raises(UnreachableError) as refused:
            client.why("of-edge-1")
        assert "Searched: edge-2" in refused.value.message
        assert "Not connected here: edge-1" in refused.value.message
        assert f"Ask the leading control process, at {pair.leader.address}" in (
            refused.value.remedy
        )


def test_the_leader_tries_rules_on_what_all_nodes_have_seen(pair: Pair) -> None:
    wait_until(lambda: heard(pair), what="both nodes report", deadline_s=DEADLINE_S)
    rules = "    bots: {mode: enforce, rules: [{name: low, when: score <= 3, do: block}]}\n"
    wanted = sources(site_text(80, extra=rules))

    def asked(of: ControlProcess) -> NodesAsked:
        with of.client() as client:
            view = client.diff(wanted).turned_away
        assert view is not None
        assert view.fleet is not None
        return view.fleet

    assert asked(pair.leader) == NodesAsked(nodes=2, asked=2, answered=2)
    wait_until(
        lambda: asked(pair.follower).missing == {"silent": ("edge-1",)},
        what="the other one polls the leader, and this one here",
        deadline_s=DEADLINE_S,
    )
    assert asked(pair.follower).answered == 1
