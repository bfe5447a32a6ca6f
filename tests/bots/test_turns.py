"""Turns at the bot service: of one network so many at once, and each ends by itself."""

from typing import Any

from lua_machine import machine, module
from seawall.limits import BOT_SERVICE_TURNS_PER_NETWORK_MAX, BOT_SERVICE_VISITS_PER_NETWORK_S_MAX


def turns() -> Any:
    return module(machine(), "turns")


def test_the_bounds_are_those_of_the_limits() -> None:
    lua = turns()
    assert lua.QUESTIONS == BOT_SERVICE_TURNS_PER_NETWORK_MAX
    assert lua.VISITS == BOT_SERVICE_VISITS_PER_NETWORK_S_MAX


def test_a_turn_of_no_time_ends_with_its_second() -> None:
    lua = turns()
    visits = lua.new(2)

    def begins(network: str, now_s: float) -> bool:
        return visits.begin(visits, network, 0, now_s) is not None

    assert [begins("a", 100) for _ in range(3)] == [True, True, False]
    assert begins("b", 100)
    assert [begins("a", 101) for _ in range(3)] == [True, True, False]
    assert begins("a", 30), "the clock was set back"
