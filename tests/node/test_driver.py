"""What the driver tells the machine of the course, without any Envoy."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest

from seawall.node import moves
from seawall.node.course import Course
from seawall.node.driver import Driver, Parts


@dataclass
class Kept:
    """As much of a keeper as is counted."""

    restarts: int = 0
    ending: str = "It was killed by SIGSEGV."


def never(_: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Nothing is begun here."""
    raise AssertionError


def test_a_death_of_what_serves_since_a_swap_is_told_although_the_one_before_died_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = Kept(), Kept()
    slots = SimpleNamespace(active=one)
    parts = SimpleNamespace(serving=SimpleNamespace(slots=slots), instruments=SimpleNamespace())
    driver = Driver(cast("Parts", parts), never, lambda: None)
    driver.course = Course(booted=True)
    told: list[moves.Event] = []
    monkeypatch.setattr(driver, "tell", told.append)
    for _ in range(3):
        one.restarts += 1
        driver.keeper_changed()
    assert len(told) == 3
    slots.active = two
    for _ in range(2):
        two.restarts += 1
        driver.keeper_changed()
        driver.keeper_changed()
    assert told == [moves.Died("stable", two.ending)] * 5
