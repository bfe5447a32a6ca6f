"""A list release verifies a bot by its address, in a real Envoy behind a trusted proxy."""

import time

import pytest

from edge.bot_records import faults, verdict
from edge.serving import Serving, serving
from seawall.ids import ListName
from seawall.limits import VERIFY_RANGES_STALE_S
from seawall.model import IpList, TrustedProxies

NETWORKS = ("20.15.240.64/28", "2603:1030::/48")
GPTBOT = b"user-agent: Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"
INSIDE, OUTSIDE = "20.15.240.70", "198.51.100.7"


def _proof(edge: Serving, address: str, agent: bytes = GPTBOT) -> str:
    answer = edge.get(b"/", agent, b"x-forwarded-for: " + address.encode())
    assert answer.status == 200
    seen = verdict(edge, answer.header("x-request-id"))
    return f"{seen.proof}:{seen.bot}" if seen.proof else ""


@pytest.mark.parametrize(
    ("age_s", "outside"),
    [
        (3_600, "impostor:gptbot"),
        (VERIFY_RANGES_STALE_S + 3_600, "unknown:gptbot"),
        (-VERIFY_RANGES_STALE_S, "unknown:gptbot"),
        (None, "unknown:gptbot"),
    ],
)
def test_a_list_verifies_whatever_its_age_and_excludes_only_while_fresh(
    age_s: int | None, outside: str
) -> None:
    fetched_s = None if age_s is None else int(time.time()) - age_s
    ranges = IpList(ListName("gptbot"), NETWORKS, fetched_s)
    proxies = TrustedProxies(cidrs=("127.0.0.0/8",))
    with serving(lists=(ranges,), trusted_proxies=proxies) as edge:
        assert _proof(edge, INSIDE) == "verified:gptbot"
        assert _proof(edge, "2603:1030::5") == "verified:gptbot"
        assert _proof(edge, OUTSIDE) == outside
        assert _proof(edge, "not-an-address") != "verified:gptbot"
        assert _proof(edge, INSIDE, b"user-agent: curl/8.5.0") == ""
        assert faults(edge) == 0
        edge.assert_serves()


def test_a_list_that_holds_nothing_yet_says_nothing() -> None:
    proxies = TrustedProxies(cidrs=("127.0.0.0/8",))
    with serving(lists=(IpList(ListName("gptbot")),), trusted_proxies=proxies) as edge:
        assert _proof(edge, INSIDE) == _proof(edge, OUTSIDE) == "unknown:gptbot"
        assert faults(edge) == 0


def test_nearly_as_many_networks_as_the_filter_holds() -> None:
    now_s = int(time.time())
    lists = tuple(
        IpList(
            ListName(name),
            tuple(f"{first}.{n >> 7}.{n << 1 & 255}.0/24" for n in range(4_500)),
            now_s,
        )
        for first, name in ((20, "gptbot"), (21, "applebot"), (22, "bingbot"), (23, "stripe"))
    )
    with serving(lists=lists, trusted_proxies=TrustedProxies(cidrs=("127.0.0.0/8",))) as edge:
        assert _proof(edge, "20.1.2.9") == "verified:gptbot"
        assert _proof(edge, "20.1.3.9") == "impostor:gptbot"
        assert _proof(edge, "21.1.2.9") == "impostor:gptbot"
        assert faults(edge) == 0
