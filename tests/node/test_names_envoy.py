"""Names of origins through an outage of DNS: a real agent, real Envoys, a real DNS server."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from envoy.extensions.clusters.dns.v3 import dns_cluster_pb2  # noqa: F401 - named in `@type` below

from dns_server import Zone, serving
from envoy_harness import Origin, free_port, ok
from node.support import (
    Node,
    agent_script,
    answer,
    cluster,
    edge,
    get,
    listener,
    make_node,
    routes,
    running,
    to_cluster,
    until,
    whole,
)
from seawall.clock import SystemClock
from seawall.compiler.snapshot import Snapshot
from seawall.daemon.processes import envoys
from seawall.node.dns.names import MEMORY_FILE, Names
from seawall.rollout.ports import Phase
from seawall.telemetry.admin import AdminClient

HOST = "api.shop.test"
NAME = HOST + "."
SCRIPT = Path(__file__).with_name("names_process.py")


@dataclass
class World:
    """A machine with its DNS, an origin, and a port for the edge."""

    zone: Zone
    origin: Origin
    port: int
    data_dir: Path
    resolv_conf: Path

    def node(self, **options: Any) -> Node:
        names = names_of(self.data_dir, self.resolv_conf)
        return make_node(self.data_dir, names=names, **options)

    def edge(self, *more: Any, host: str = HOST) -> Snapshot:
        named = named_cluster("origin", host, self.origin.port)
        return whole(named, listener(self.port), routes([to_cluster("origin")]), *more)

    def asked(self, name: str = NAME) -> int:
        """Questions for the addresses of a name that came to the system's DNS."""
        return sum(asked == name for asked, _ in self.zone.asked)

    async def asked_again(self, times: int = 2) -> None:
        """Wait until the outage was noticed: the name was asked for so often more."""
        before = self.asked()
        await until(lambda: self.asked() >= before + times, what="the name is asked for again")


def names_of(data_dir: Path, resolv_conf: Path) -> Names:
    """What answers for names in an agent."""
    return Names(data_dir / "node", SystemClock(), resolv_conf=resolv_conf)


def named_cluster(name: str, host: str, port: int) -> Any:
    """An origin by name, asked for every second, as the compiler makes one of a short TTL."""
    dns = {
        "@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster",
        "dns_refresh_rate": "1s",
        "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "1s"},
        "respect_dns_ttl": True,
        "dns_lookup_family": "V4_PREFERRED",
    }
    endpoint = {"address": {"socket_address": {"address": host, "port_value": port}}}
    return cluster(
        name,
        port,
        type=None,
        cluster_type={"name": "envoy.clusters.dns", "typed_config": dns},
        load_assignment={
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
    )


@asynccontextmanager
async def a_world(tmp_path: Path) -> AsyncIterator[World]:
    zone = Zone()
    zone.add(NAME, "A", "127.0.0.1", ttl=1)
    async with serving(zone):
        conf = tmp_path / "resolv.conf"
        conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
        with Origin(lambda _request: ok(b"origin")) as origin:
            yield World(zone, origin, free_port(), tmp_path / "data", conf)


async def addresses(node: Node) -> list[str]:
    return await addresses_of(node.agent.keeper.slot.admin)


async def addresses_of(admin: AdminClient) -> list[str]:
    """Where the origin is, as Envoy knows it."""
    clusters = json.loads(await admin.get("/clusters", {"format": "json"}))["cluster_statuses"]
    [origin] = [found for found in clusters if found["name"] == "origin"]
    hosts = origin.get("host_statuses", ())
    return [host["address"]["socket_address"]["address"] for host in hosts]


@asynccontextmanager
async def agent_process(world: World) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent in a process of its own; its Envoy is ended with it at the end."""
    places = (world.data_dir, world.port, world.origin.port, world.resolv_conf)
    try:
        async with agent_script(SCRIPT, *places) as process:
            yield process
    finally:
        for envoy in envoys(world.data_dir):
            envoy.send(signal.SIGKILL)


async def members(node: Node) -> int:
    text = await node.agent.keeper.slot.admin.stats_text(
        stats_filter=r"^cluster\.origin\.membership_total$"
    )
    return int(text.rpartition(b":")[2])


def _gone(zone: Zone) -> None:
    zone.records.pop((NAME, "A"))


def _empty(zone: Zone) -> None:
    zone.records.pop((NAME, "A"))
    zone.add(NAME, "TXT", '"still here"')


def _failing(zone: Zone) -> None:
    zone.errors[NAME] = "SERVFAIL"


def _silent(zone: Zone) -> None:
    zone.errors[NAME] = "silence"


def _garbled(zone: Zone) -> None:
    zone.errors[NAME] = "noise"


OUTAGES = {
    "no such name": _gone,
    "no address": _empty,
    "no answer": _failing,
    "silence": _silent,
    "noise": _garbled,
}


@pytest.mark.parametrize("how", OUTAGES)
def test_requests_pass_while_dns_does_not_answer(tmp_path: Path, how: str) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            await node.serve(world.edge())
            assert await get(world.port) == b"origin"
            OUTAGES[how](world.zone)
            report = await node.reported(lambda r: r.names and r.names.stale, "the name is stale")
            assert await members(node) == 1
            assert await get(world.port) == b"origin"
            words = how if how in {"no such name", "no address"} else "no answer"
            notice = next(text for text in report.notices if HOST in text)
            assert f"Origin name {HOST}: {words} since" in notice
            assert "its last known addresses (127.0.0.1) stay in use until" in notice
            assert report.names is not None
            assert report.names.names[0].why == words

    asyncio.run(story())


def test_an_envoy_that_starts_in_the_outage_serves_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            await node.serve(world.edge())
            _failing(world.zone)
            await node.reported(lambda r: r.names and r.names.stale, "the name is stale")
            keeper = node.agent.keeper
            os.kill(keeper.pid, signal.SIGKILL)
            await until(lambda: keeper.restarts == 1, what="the restart")
            await until(lambda: keeper.link.session.settled, what="Envoy has all of it")
            assert await get(world.port) == b"origin"

    asyncio.run(story())


def test_agent_and_envoy_that_start_in_the_outage_serve_from_the_memory_on_disk(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world:
            async with running(world.node()) as node:
                await node.serve(world.edge())
            _gone(world.zone)
            async with running(world.node()) as node:
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert await get(world.port) == b"origin"

    asyncio.run(story())


def test_a_damaged_memory_is_told_and_learned_anew(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world:
            async with running(world.node()) as node:
                await node.serve(world.edge())
            memory = world.data_dir / "node" / MEMORY_FILE
            memory.write_bytes(memory.read_bytes().replace(b"127.0.0.1", b"127.0.0.9"))
            async with running(world.node()) as node:
                await node.reported(
                    lambda r: any("cannot be read from" in text for text in r.notices), "the notice"
                )
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert await get(world.port) == b"origin"
                _gone(world.zone)
                await node.reported(lambda r: r.names and r.names.stale, "it is learned anew")

    asyncio.run(story())


def test_a_changed_route_is_served_in_the_outage(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            await node.serve(world.edge())
            _gone(world.zone)
            await node.reported(lambda r: r.names and r.names.stale, "the name is stale")
            new = {**answer("changed"), "match": {"prefix": "/new"}}
            changed = whole(
                named_cluster("origin", HOST, world.origin.port),
                listener(world.port),
                routes([new, to_cluster("origin")]),
            )
            release = await node.give(changed)
            await node.reported(lambda r: r.release == release and r.phase is Phase.GOOD)
            assert await get(world.port, "/new") == b"changed"
            assert await get(world.port) == b"origin"

    asyncio.run(story())


def test_a_slow_resolver_does_not_turn_envoy_away_from_the_agent(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            world.zone.slow_s = 0.4
            await node.serve(world.edge())
            assert await get(world.port) == b"origin"
            await world.asked_again(2)
            report = node.agent.names.report()
            assert len(world.zone.asked) <= report.forwarded, "nobody asked but the agent"
            assert report.from_memory, "Envoy did not have to wait for it"

    asyncio.run(story())


def test_a_slow_unknown_name_does_not_turn_envoy_away_either(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            await node.serve(world.edge())
            await world.asked_again(5)
            world.zone.slow_s = 0.4
            world.zone.add("new.test.", "A", "127.0.0.1", ttl=1)
            await node.give(world.edge(named_cluster("new", "new.test", 9)))
            await until(lambda: world.asked("new.test.") > 2, what="the new name is asked for")
            assert len(world.zone.asked) <= node.agent.names.report().forwarded

    asyncio.run(story())


def test_many_addresses_come_whole(tmp_path: Path) -> None:
    many = [f"127.0.1.{number}" for number in range(1, 61)]

    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            world.zone.add(NAME, "A", *many, ttl=1)
            await node.serve(world.edge())
            assert await members(node) == len(many)
            _gone(world.zone)
            await node.reported(lambda r: r.names and r.names.stale, "the name is stale")
            assert await members(node) == len(many)

    asyncio.run(story())


def test_a_host_that_moves_to_ipv6_is_followed(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, running(world.node()) as node:
            await node.serve(world.edge())
            world.zone.records.pop((NAME, "A"))
            world.zone.add(NAME, "AAAA", "::1", ttl=1)
            found: list[str] = []

            async def moved() -> bool:
                found[:] = await addresses(node)
                return found == ["::1"]

            async with asyncio.timeout(20):
                while not await moved():
                    await world.asked_again(1)
            assert not node.agent.names.report().stale

    asyncio.run(story())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_agent_names_are_still_looked_up(tmp_path: Path, how: signal.Signals) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world, agent_process(world) as process:
            admin = AdminClient(world.data_dir / "node" / "stable" / "admin.sock")
            process.send_signal(how)
            world.zone.add(NAME, "A", "127.0.0.3", ttl=1)
            async with asyncio.timeout(30):
                while await addresses_of(admin) != ["127.0.0.3"]:
                    await world.asked_again(1)

    asyncio.run(story())


def test_an_adopted_envoy_comes_back_to_the_agent(tmp_path: Path) -> None:
    names = [f"shop{number}.test" for number in range(20)]

    async def story() -> None:
        async with a_world(tmp_path) as world:
            for name in names:
                world.zone.add(name + ".", "A", "127.0.0.1", ttl=1)
            more = [named_cluster(name, name, 9) for name in names]
            async with running(world.node(), keep_envoy=True) as node:
                await node.serve(world.edge(*more))
                port = node.agent.names.port
            await world.asked_again(2)
            async with running(world.node()) as node:
                assert await until(lambda: node.agent.names.port, what="the port") == port
                await node.reported(lambda r: r.names and r.names.questions, "Envoy asks again")
                assert not any("asks" in text for text in node.agent.notices())

    asyncio.run(story())


def test_a_port_that_was_taken_is_told_until_envoy_starts_anew(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world:
            async with running(world.node(), keep_envoy=True) as node:
                await node.serve(world.edge())
                port = node.agent.names.port
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
                thief.bind(("127.0.0.1", port))
                async with running(world.node()) as node:
                    told = f"at port {port} of this machine first, but another program has taken"
                    await node.reported(lambda r: any(told in text for text in r.notices), "notice")
                    assert node.agent.names.port not in {0, port}
                    os.kill(node.agent.keeper.pid, signal.SIGKILL)
                    await node.reported(
                        lambda r: not any(told in text for text in r.notices), "no notice"
                    )
                    await node.reported(lambda r: r.names and r.names.questions, "Envoy asks")
                    assert await get(world.port) == b"origin"

    asyncio.run(story())


def test_an_envoy_of_an_older_agent_is_adopted_and_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_world(tmp_path) as world:
            older = world.node()
            older.agent.keeper._resolvers = tuple
            async with running(older, keep_envoy=True) as node:
                await node.serve(edge(world.port, "served", named_cluster("more", HOST, 9)))
                pid = node.agent.keeper.pid
            async with running(world.node()) as node:
                await node.reported(
                    lambda r: any("asks the system's resolvers directly" in t for t in r.notices),
                    "the notice",
                )
                assert node.agent.keeper.pid == pid
                assert await get(world.port) == b"served"

    asyncio.run(story())
