"""An edge as operators get it: compiled, run by a real Envoy, in front of a real origin."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from compiler import build
from envoy_harness import (
    EnvoyProcess,
    Origin,
    RawClient,
    Response,
    TlsAuthority,
    free_port,
    running_envoy,
    wait_until,
)
from seawall.challenge.binding import Bound
from seawall.challenge.token import mint
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.limits import CLEARANCE_EPOCH
from seawall.model import (
    Edge,
    EdgeLimits,
    FixedResponse,
    PathExact,
    PathPrefix,
    Redirect,
    Site,
)
from seawall.model import Origin as OriginModel
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret

HOST = b"shop.test"
CLEARANCE_KEYS = ClearanceKeys(ClearanceKey("k1", Secret(b"1" * 32)))


@dataclass
class Serving:
    """A running edge with the site `shop.test` before `origin`."""

    origin: Origin
    envoy: EnvoyProcess
    port: int
    tls_port: int
    authority: TlsAuthority

    def send(self, data: bytes, *, tls: bool = False) -> Response:
        """Send raw bytes on a connection of their own and read the first response."""
        with self.client(tls=tls) as client:
            client.send(data)
            return client.response()

    def client(self, *, tls: bool = False, sni: str = "shop.test") -> RawClient:
        """A connection, plain or TLS."""
        if tls:
            return RawClient(self.tls_port, tls=self.authority.client(), sni=sni)
        return RawClient(self.port)

    def get(
        self, path: bytes = b"/", *lines: bytes, host: bytes = HOST, tls: bool = False
    ) -> Response:
        """An ordinary GET with extra header lines."""
        return self.send(request(path, *lines, host=host), tls=tls)

    def forget(self) -> None:
        """Drop what the origin has recorded."""
        for record in (self.origin.requests, self.origin.malformed, self.origin.aborted):
            record.clear()

    def assert_origin_untouched(self) -> None:
        """No request, whole or broken, reached the origin since `forget`."""
        assert self.origin.requests == []
        assert self.origin.malformed == []

    def assert_serves(self) -> None:
        """An ordinary client is answered, and the origin saw exactly its well-formed request."""
        before = len(self.origin.requests)
        answer = self.get(b"/after", b"x-probe: after")
        assert (answer.status, answer.body) == (200, b"ok")
        assert [r.target for r in self.origin.requests[before:]] == [b"/after"]
        assert self.origin.malformed == []
        assert self.envoy.alive


def request(
    path: bytes = b"/", *lines: bytes, host: bytes = HOST, method: bytes = b"GET", body: bytes = b""
) -> bytes:
    """An HTTP/1.1 request with `Connection: close`."""
    head = [method + b" " + path + b" HTTP/1.1", b"host: " + host, b"connection: close", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def clearance(*, probes: int | None = 0) -> str:
    """A clearance of shop.test for a client on this machine, signed with `CLEARANCE_KEYS`."""
    return mint(
        CLEARANCE_KEYS,
        Bound("shop.test", "127.0.0.0/24", "-"),
        level=2,
        epoch=CLEARANCE_EPOCH,
        now_s=time.time(),
        lifetime_s=600,
        nonce="n" * 16,
        probes=probes,
    )


def standard_sites() -> tuple[Site, ...]:
    """`shop.test` with some redirects and fixed answers, and the wildcard `*.wild.test`."""
    shop = build.site(
        "shop",
        build.route("shop/moved", PathExact("/moved"), Redirect(status=301, host="other.test")),
        build.route("shop/under", PathPrefix("/under"), Redirect(status=301, prefix="/over")),
        build.route("shop/private", PathPrefix("/private"), FixedResponse(403, "private\n")),
        build.route("shop/all"),
        certificate="shop",
    )
    wild = build.site("wild", build.route("wild/all"), hosts=("*.wild.test",), certificate="shop")
    return shop, wild


@contextlib.contextmanager
def serving(
    *sites: Site,
    limits: EdgeLimits | None = None,
    more_origins: tuple[OriginModel, ...] = (),
    **changes: Any,
) -> Iterator[Serving]:
    """Run an edge; `limits` and `changes` replace fields of the ordinary one."""
    authority = TlsAuthority()
    chain, key = authority.issue("shop.test", "*.wild.test")
    port, tls_port = free_port(), free_port()
    with Origin() as origin:
        edge: Edge = replace(
            build.edge(
                *(sites or standard_sites()),
                origins=(build.origin("app", origin.port), *more_origins),
                http=(port,),
                https=(tls_port,),
                certificates=(build.certificate("shop", chain, key, "shop.test"),),
                limits=limits or build.LIMITS,
            ),
            **changes,
        )
        bootstrap = static_bootstrap(compile_edge(edge), admin_path="admin.sock")
        with running_envoy(bootstrap) as envoy:
            yield Serving(origin, envoy, port, tls_port, authority)


__all__ = ["HOST", "Serving", "request", "serving", "standard_sites", "wait_until"]
