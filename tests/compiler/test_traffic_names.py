"""Origins by name: where Envoy goes when DNS says something else."""

import asyncio
from dataclasses import replace

from compiler.build import edge, origin, site
from dns_server import Zone, serving
from envoy_harness import EnvoyProcess, Origin, free_port, running_envoy, wait_until
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.model import Endpoint, HealthCheck
from seawall.node.bootstrap import resolvers_part
from seawall.node.dns.resolvers import Resolver

NAME = "moving.test"
CHECK = HealthCheck("/", NAME, 0.05, 0.5, 1, 1, 200, 299)


def test_a_name_is_followed_within_its_refresh_although_the_old_address_is_healthy() -> None:
    async def moved() -> None:
        zone = Zone()
        zone.add(f"{NAME}.", "A", "127.0.0.1", ttl=3_600)
        async with serving(zone):
            await asyncio.to_thread(_follow, zone)

    asyncio.run(moved())


def _follow(zone: Zone) -> None:
    with Origin() as app:
        named = origin("app", endpoints=(Endpoint(NAME, app.port),), health_check=CHECK)
        named = replace(named, dns_refresh_s=1.0)
        snapshot = compile_edge(edge(site("shop"), http=(free_port(),), origins=(named,)))
        resolvers = resolvers_part((Resolver("127.0.0.1", zone.port),))
        with running_envoy(static_bootstrap(snapshot, admin_path=None) + resolvers) as envoy:
            old, new = f"127.0.0.1:{app.port}", f"127.0.0.3:{app.port}"
            wait_until(lambda: _flags(envoy).get(old) == "healthy", what="a healthy address")
            zone.add(f"{NAME}.", "A", "127.0.0.3", ttl=3_600)
            wait_until(lambda: set(_flags(envoy)) == {new}, what="only the new address")


def _flags(envoy: EnvoyProcess) -> dict[str, str]:
    """Health by address."""
    lines = envoy.admin("/clusters").decode().splitlines()
    found = [line.split("::") for line in lines if line.startswith("app::")]
    return {parts[1]: parts[3] for parts in found if parts[2:3] == ["health_flags"]}
