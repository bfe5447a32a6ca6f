"""Small edges as protobuf, signed releases of them, and a running agent: for tests of the node."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration

# Imported for their descriptors: the JSON below names them in `@type`.
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - see above
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401 - see above
    http_connection_manager_pb2,
)
from google.protobuf import json_format

from node.unmeasured import no_collector
from raw_http import fetch
from seawall.clock import SystemClock
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.ids import Digest, ReleaseId
from seawall.node.agent import Agent
from seawall.release.bundle import Bundle, digest_of, encode
from seawall.release.envelope import seal
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.signing import SigningKey, load_or_create_key
from seawall.rollout.ports import NodeReport, Phase
from seawall.site.sources import SourceFile, SourceSet
from seawall.testing.control import MemoryControl

TYPE = "type.googleapis.com/"
DEADLINE_S = 60.0


def cluster(name: str, port: int, **extra: Any) -> Resource:
    """A static cluster of one endpoint on this machine."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    body = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        **extra,
    }
    return _resource(TypeUrl.CLUSTER, name, body, Cluster(), f"origin {name}")


def bad_cluster() -> Resource:
    """Envoy refuses it late: validation passes, building the load balancer does not."""
    return cluster("bad", 1, lb_policy="MAGLEV", maglev_lb_config={"table_size": 6})


def listener(port: int, *, name: str = "http") -> Resource:
    """Plain HTTP on 127.0.0.1 with routes from RDS `http`."""
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3."
        "HttpConnectionManager",
        "stat_prefix": "http",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "rds": {
            "route_config_name": "http",
            "config_source": {"ads": {}, "resource_api_version": "V3"},
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    body = {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return _resource(TypeUrl.LISTENER, name, body, Listener(), f"listener http 127.0.0.1:{port}")


def routes(rules: Iterable[dict[str, Any]]) -> Resource:
    """The route table `http` with one virtual host for everything."""
    body = {
        "name": "http",
        "virtual_hosts": [{"name": "demo", "domains": ["*"], "routes": list(rules)}],
    }
    return _resource(TypeUrl.ROUTES, "http", body, RouteConfiguration(), "site demo")


def answer(text: str) -> dict[str, Any]:
    """A route that answers `text` itself."""
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": text}},
    }


def to_cluster(name: str) -> dict[str, Any]:
    """A route to a cluster, without a timeout, for streams too."""
    return {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}


def whole(*parts: Resource) -> Snapshot:
    """A snapshot of these, with an empty bootstrap if they hold none."""
    if all(part.type_url is not TypeUrl.BOOTSTRAP for part in parts):
        parts = (Resource(TypeUrl.BOOTSTRAP, "bootstrap", b"", "edge"), *parts)
    return Snapshot.of(parts)


def edge(port: int, text: str, *more: Resource) -> Snapshot:
    """A whole edge that answers `text` on `port`."""
    return whole(cluster("origin", 1), listener(port), routes([answer(text)]), *more)


def _resource(type_url: TypeUrl, name: str, body: Any, message: Any, owner: str) -> Resource:
    parsed = json_format.ParseDict(body, message)
    return Resource(type_url, name, parsed.SerializeToString(deterministic=True), owner)


@dataclass
class Releaser:
    """Makes signed releases of snapshots, as the control process does."""

    key: SigningKey
    count: int = 0

    def release(self, snapshot: Snapshot) -> tuple[ReleaseId, Digest, bytes]:
        """Id, digest and envelope of a new release."""
        self.count += 1
        source = SourceFile("/seawall.yaml", b"version: 1\n")
        bundle = Bundle(Kind.SITE, SourceSet(source.path, (source,)), (), snapshot, "0", "1.40.0")
        content = encode(bundle)
        record = ReleaseRecord(
            id=ReleaseId(f"r{self.count}"),
            digest=digest_of(content),
            kind=Kind.SITE,
            parent=None,
            author="test",
            message="",
            created_s=1.0,
            signature=b"",
        )
        signed = self.key.sign(record)
        return signed.id, signed.digest, seal(signed, content)


@dataclass
class Node:
    """A running agent with its control, in this event loop."""

    agent: Agent
    control: MemoryControl
    releaser: Releaser
    data_dir: Path
    served: list[ReleaseId] = field(default_factory=list)

    async def give(
        self, snapshot: Snapshot, *, bake_s: float = 0.0, generation: int | None = None
    ) -> ReleaseId:
        """Release and assign a snapshot."""
        release, digest, envelope = self.releaser.release(snapshot)
        await self.control.assign(release, digest, envelope, bake_s=bake_s, generation=generation)
        return release

    async def serve(self, snapshot: Snapshot) -> ReleaseId:
        """Release, assign, and wait until it is good."""
        release = await self.give(snapshot)
        await self.reported(lambda r: r.release == release and r.phase is Phase.GOOD)
        return release

    async def reported(
        self, condition: Callable[[NodeReport], object], what: str = "a report"
    ) -> NodeReport:
        """Wait until the newest report satisfies `condition`."""
        seen = len(self.control.reports)

        def found() -> NodeReport | None:
            newest = self.control.reports[max(0, seen - 1) :]
            return next((report for report in reversed(newest) if condition(report)), None)

        try:
            return await until(found, what=what)
        except TimeoutError as error:
            newest = replace(self.control.reports[-1], windows=())
            raise AssertionError(f"waited in vain for {what}; newest: {newest}") from error


async def get(port: int, path: str = "/") -> bytes:
    """The body of a GET on a connection of its own; an answer other than 200 is a failure."""
    request = f"GET {path} HTTP/1.1\r\nhost: demo.test\r\n\r\n".encode()
    response = await asyncio.to_thread(fetch, port, request)
    assert response.status == 200, response
    return response.body


class Connection:
    """One HTTP/1.1 connection in this event loop, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str = "/") -> bytes:
        """The body of a GET on this connection."""
        status, headers = await self.ask(path)
        assert status == 200, (status, headers)
        return await self.reader.readexactly(int(headers["content-length"]))

    async def ask(self, path: str, **extra: str) -> tuple[int, dict[str, str]]:
        """Send a GET and read the head of the answer."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: demo.test\r\n{fields}\r\n".encode())
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        return int(head[0].split(" ")[1]), {n.lower(): v.strip() for n, _, v in pairs}

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def until(condition: Callable[[], Any], *, what: str) -> Any:
    """Poll until `condition()` is true and return its value."""
    async with asyncio.timeout(DEADLINE_S):
        while not (value := condition()):  # noqa: ASYNC110 - processes outside have no event
            await asyncio.sleep(0.005)
    return value


def make_node(data_dir: Path, control: MemoryControl | None = None, **options: Any) -> Node:
    """An agent that is not running yet, with a pinned key."""
    home = data_dir / "node"
    home.mkdir(parents=True, exist_ok=True)
    key = load_or_create_key(data_dir / "signing.key", home / "trusted.pub")
    control = control or MemoryControl()
    options.setdefault("concurrency", 1)
    options.setdefault("collectors", no_collector)
    agent = Agent(data_dir, control, SystemClock(), random.Random(1), **options)
    return Node(agent, control, Releaser(key), data_dir)


@asynccontextmanager
async def running(node: Node, *, keep_envoy: bool = False) -> AsyncIterator[Node]:
    """Run the agent; at the end Envoy is stopped too unless the test adopts it later."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(node.agent.run())
        try:
            yield node
        finally:
            node.agent.stop(stop_envoy=not keep_envoy)
            await asyncio.wait((task,))


@asynccontextmanager
async def agent_script(
    script: Path, *arguments: object, ready_s: float = DEADLINE_S
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent in a process of its own that has said `ready`; killed at the end if it still runs.

    Args:
        script: a program beside the tests.
        arguments: of it.
        ready_s: how long it may take.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(ready_s):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
