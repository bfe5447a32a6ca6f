"""Names of origins through an outage of DNS: a real agent, real Envoys, a real DNS server."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from envoy.extensions.clusters.dns.v3 import dns_cluster_pb2  # noqa: F401 - named in `@type` below

from dns_server import Zone, serving
from envoy_harness import Origin, free_port, ok
from seawall.compiler.snapshot import Snapshot
from node.support import (
    Node,
    cluster,
    get,
    listener,
    make_node,
    routes,
    running,
    to_cluster,
    until,
    whole,
)

HOST = "api.shop.test"
NAME = HOST + "."


@dataclass
class World:
    """A machine with its DNS, an origin, and a port for the edge."""

    zone: Zone
    origin: Origin
    port: int
    data_dir: Path
    resolv_conf: Path

    def node(self, **options: Any) -> Node:
        return make_node(self.data_dir, resolv_conf=self.resolv_conf, **options)

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
            assert "its last addresses (127.0.0.1) serve on until" in notice
            assert report.names is not None
            assert report.names.names[0].why == words

    asyncio.run(story())
