"""Whose requests a clearance goes with: pages of other sites cannot spend those of visitors."""

from collections.abc import Iterator

import pytest

from compiler import build
from edge.bot_records import faults, verdict
from edge.serving import CLEARANCE_KEYS, Serving, clearance, request, serving
from seawall.model import BotMode, BotPolicy

SHOP, SIBLING, OTHER = "http://shop.test:8080", "https://eu.shop.test", "https://eu.other.test"
LOOKED_AT = {
    "a form of another site": ("cross-site", "navigate"),
    "a script of a sibling": ("same-site", "cors"),
    "a script of the site": ("same-origin", "cors"),
    "a typed address": ("none", "navigate"),
    "a browser that tells nothing": (None, None),
}
SOCKETS = {SHOP: 2, SIBLING: 2, OTHER: 0, "https://test": 0, "null": 0, "nonsense": 0}
SOCKETS["https://" + "a" * 30_000 + ".shop.test"] = 0
"""Where pages stand that open a WebSocket, of which Chromium tells no more."""
LEFT = {
    "an image in another site": ("cross-site", "no-cors"),
    "a script of another site": ("cross-site", "cors"),
    "a socket of another site": ("cross-site", "websocket"),
    "half a word": ("cross-site", None),
}


@pytest.fixture(scope="module")
def edge() -> Iterator[Serving]:
    enforced = BotPolicy(mode=BotMode.ENFORCE, rules=())
    shop = build.site("shop", build.route("shop/all"), bots=enforced)
    with serving(shop, clearance_keys=CLEARANCE_KEYS) as running:
        yield running
        assert faults(running) == 0


def _level(
    edge: Serving, site: str | None, mode: str | None, origin: str = "", method: bytes = b"GET"
) -> int:
    told = {
        "cookie": f"seawall={clearance()}",
        "sec-fetch-site": site,
        "sec-fetch-mode": mode,
        "origin": origin,
    }
    lines = [f"{name}: {value}".encode() for name, value in told.items() if value]
    lines += [b"content-length: 0"] if method == b"POST" else []
    answer = edge.send(request(b"/", *lines, method=method))
    return verdict(edge, answer.header("x-request-id")).level


@pytest.mark.parametrize(("site", "mode"), LOOKED_AT.values(), ids=LOOKED_AT)
def test_a_clearance_goes_with_what_its_visitor_does(
    edge: Serving, site: str | None, mode: str | None
) -> None:
    assert _level(edge, site, mode) == 2


@pytest.mark.parametrize(("site", "mode"), LEFT.values(), ids=LEFT)
def test_a_clearance_does_not_go_with_what_a_page_of_another_site_asks_for(
    edge: Serving, site: str | None, mode: str | None
) -> None:
    assert _level(edge, site, mode) == 0


@pytest.mark.parametrize(("origin", "level"), SOCKETS.items(), ids=range(len(SOCKETS)))
def test_a_socket_is_told_by_its_origin(edge: Serving, origin: str, level: int) -> None:
    assert _level(edge, None, None, origin) == level


def test_a_form_of_another_site_brings_it_where_a_browser_tells_its_origin_only(
    edge: Serving,
) -> None:
    assert _level(edge, None, None, OTHER, b"POST") == 2
