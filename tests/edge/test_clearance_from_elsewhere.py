"""Whose requests a clearance goes with: pages of other sites cannot spend those of visitors."""

import time
from collections.abc import Iterator

import pytest

from compiler import build
from edge.bot_records import faults, verdict
from edge.serving import Serving, serving
from seawall.challenge.binding import Bound
from seawall.challenge.token import mint
from seawall.limits import CLEARANCE_EPOCH
from seawall.model import BotMode, BotPolicy
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret

KEYS = ClearanceKeys(ClearanceKey("k1", Secret(b"1" * 32)))
LOOKED_AT = {
    "a form of another site": ("cross-site", "navigate"),
    "a script of a sibling": ("same-site", "cors"),
    "a script of the site": ("same-origin", "cors"),
    "a typed address": ("none", "navigate"),
    "a browser that tells nothing": (None, None),
}
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
    with serving(shop, clearance_keys=KEYS) as running:
        yield running
        assert faults(running) == 0


def _level(edge: Serving, site: str | None, mode: str | None) -> int:
    token = mint(
        KEYS,
        Bound("shop.test", "127.0.0.0/24", "-"),
        level=2,
        epoch=CLEARANCE_EPOCH,
        now_s=time.time(),
        lifetime_s=600,
        nonce="n" * 16,
        probes=0,
    )
    told = {"cookie": f"seawall={token}", "sec-fetch-site": site, "sec-fetch-mode": mode}
    lines = [f"{name}: {value}".encode() for name, value in told.items() if value]
    answer = edge.get(b"/", *lines)
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
