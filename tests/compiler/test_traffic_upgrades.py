"""Real traffic on a route that lets WebSockets through: what holds for its other requests."""

from collections.abc import Iterator

import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, free_port, ok
from seawall import limits
from seawall.model import PathPrefix, Site

USUAL = limits.USUAL_BODY_SIZE_BYTES_MAX


def _live(name: str, *others: int) -> Site:
    """A site with WebSocket routes of three bounds, and ordinary routes of `others`."""
    routes = [
        route(
            f"{name}/{size}",
            PathPrefix(f"/{size}"),
            forward(websocket=True, body_size_bytes_max=size),
        )
        for size in (10, USUAL, 0)
    ]
    routes += [
        route(f"{name}/other{size}", action=forward(body_size_bytes_max=size)) for size in others
    ]
    return site(name, *routes)


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    """Sites whose usual bound is that of the edge, another one, and none."""
    sites = (_live("shop", USUAL), _live("small", 10), _live("alone"))
    with (
        Origin(lambda _: ok()) as app,
        served(edge(*sites, http=(free_port(),), origins=(origin("app", app.port),))) as one,
    ):
        yield one


@pytest.mark.parametrize("host", ["shop.test", "small.test", "alone.test"])
@pytest.mark.parametrize("more", [(), ("upgrade: websocket",), ("connection: close",)])
def test_a_body_is_bounded_where_no_websocket_is_asked_for(
    running: Served, host: str, more: tuple[str, ...]
) -> None:
    def send(target: str, length: int, body: bytes = b"") -> int:
        headers = (f"content-length: {length}", *more)
        return running.get(target, host, method="POST", headers=headers, body=body).status

    assert send("/10", 10, b"x" * 10) == 200
    assert send("/10", 11) == 413
    assert send(f"/{USUAL}", 11, b"x" * 11) == 200
    assert send(f"/{USUAL}", USUAL + 1) == 413
    assert send("/0", 11, b"x" * 11) == 200
