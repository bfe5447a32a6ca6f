"""What `diff` says of draining, held against a real Envoy that takes its listeners from a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.service.discovery.v3 import discovery_pb2

from compiler.build import certificate, edge, route, site
from envoy_harness import (
    EnvoyProcess,
    RawClient,
    TlsAuthority,
    free_port,
    running_envoy,
    wait_until,
)
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.compiler.static import static_bootstrap
from seawall.model import AccessLogPolicy, Edge, FixedResponse


def _edge(authority: TlsAuthority, port: int) -> Edge:
    return edge(
        *(
            site(n, route(f"{n}/a", action=FixedResponse(200, n)), certificate=n)
            for n in ("a", "b")
        ),
        http=(),
        https=(port,),
        origins=(),
        certificates=tuple(
            certificate(n, *authority.issue(f"{n}.test"), f"{n}.test") for n in ("a", "b")
        ),
    )


def _static(whole: Edge) -> Any:
    return bootstrap_pb2.Bootstrap.FromString(
        static_bootstrap(compile_edge(whole), admin_path=None)
    )


def _listen(path: Path, whole: Edge) -> None:
    """Put the listeners of `whole` where Envoy reads them; a rename is what it watches for."""
    response = discovery_pb2.DiscoveryResponse(version_info="any")
    for listener in _static(whole).static_resources.listeners:
        response.resources.add().Pack(listener)
    fresh = path.with_suffix(".fresh.pb")
    fresh.write_bytes(response.SerializeToString())
    fresh.rename(path)


def _status(client: RawClient, host: bytes) -> int:
    client.send(b"GET / HTTP/1.1\r\nhost: %s\r\n\r\n" % host)
    return client.response().status


def test_a_new_certificate_drains_nobody_and_a_changed_chain_drains(tmp_path: Path) -> None:
    authority = TlsAuthority()
    both = _edge(authority, free_port())
    first = replace(both, sites=(both.sites[0], replace(both.sites[1], certificate=None)))
    extra = replace(both, access_log=AccessLogPolicy(1.0, ("referer",)))
    path = tmp_path / "listeners.pb"
    _listen(path, first)
    bootstrap = _static(both)
    bootstrap.node.id = bootstrap.node.cluster = "test"
    del bootstrap.static_resources.listeners[:]
    bootstrap.dynamic_resources.lds_config.path_config_source.path = str(path)
    context, port = authority.client(), both.listen.https[0].port
    with running_envoy(bootstrap, arguments=("--drain-strategy", "immediate")) as envoy:

        def updated(times: int) -> bool:
            stats = envoy.stats("^listener_manager")
            done = stats["listener_manager.lds.update_success"] >= times
            return done and not stats["listener_manager.total_listeners_warming"]

        with RawClient(port, tls=context, sni="a.test") as old:
            assert _status(old, b"a.test") == 200
            assert not any(c.drains for c in diff(compile_edge(first), compile_edge(both)))
            _listen(path, both)
            wait_until(lambda: updated(2), what="the second certificate is there")
            with RawClient(port, tls=context, sni="b.test") as new:
                assert _status(new, b"b.test") == 200
            assert _status(old, b"a.test") == 200
            assert any(c.drains for c in diff(compile_edge(both), compile_edge(extra)))
            _listen(path, extra)
            wait_until(lambda: updated(3), what="the chains changed")
            wait_until(lambda: _draining(envoy), what="the old chain drains")
            old.send(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
            assert old.response().header("connection") == "close"


def _draining(envoy: EnvoyProcess) -> bool:
    return bool(
        envoy.stats("total_filter_chains_draining")["listener_manager.total_filter_chains_draining"]
    )
