"""What browsers of one network ask of the bot service is bounded, and of others is not."""

from typing import Any

import pytest

from lua_machine import machine, module
from seawall.limits import (
    BOT_SERVICE_BROWSER_REQUESTS_PER_NETWORK_MAX,
    BOT_SERVICE_BROWSER_SPAN_S,
)

NOW_S = 1_800_000_000


@pytest.fixture
def visits() -> Any:
    return module(machine(), "visits").new()


def _answered(visits: Any, network: str, count: int, now_s: int = NOW_S) -> int:
    return sum(visits.may(visits, network, now_s) for _ in range(count))


def test_one_network_is_bounded_in_each_span_and_leaves_the_others_alone(visits: Any) -> None:
    most = BOT_SERVICE_BROWSER_REQUESTS_PER_NETWORK_MAX
    assert _answered(visits, "192.0.2.0/24", most + 5) == most
    assert _answered(visits, "198.51.100.0/24", 5) == 5
    assert _answered(visits, "192.0.2.0/24", 5, NOW_S + BOT_SERVICE_BROWSER_SPAN_S - 1) == 0
    assert _answered(visits, "192.0.2.0/24", 5, NOW_S + BOT_SERVICE_BROWSER_SPAN_S) == 5


def test_a_clock_that_is_set_back_begins_anew(visits: Any) -> None:
    most = BOT_SERVICE_BROWSER_REQUESTS_PER_NETWORK_MAX
    assert _answered(visits, "192.0.2.0/24", most + 1) == most
    assert _answered(visits, "192.0.2.0/24", 1, NOW_S - 3_600) == 1


def test_networks_fill_no_memory(visits: Any) -> None:
    for number in range(20_000):
        assert visits.may(visits, str(number), NOW_S)
    assert visits.count == 16_384
