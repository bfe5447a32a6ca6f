"""Runs one drill in one arm: fleet, crowd, fault, account."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from seawall.clock import Clock
from seawall.drill.account import Account, account
from seawall.drill.address import address_of, free_port
from seawall.drill.crowd import Crowd
from seawall.drill.guarded import GuardedFleet
from seawall.drill.naive import NaiveFleet
from seawall.drill.nameserver import running_nameserver
from seawall.drill.operator import Operator
from seawall.drill.result import Guarded
from seawall.drill.scene import POLICY, Change, Drill, Protection, Scene
from seawall.drill.website import running_origin
from seawall.limits import DRILL_POLL_S, DRILL_TIMEOUT_S

_SILENT: Final = (Protection.LAST_KNOWN_GOOD, Protection.LAST_ADDRESSES)
"""Protections that hold without a refusal: that no request failed is all there is to see."""


async def run_naive(drill: Drill, home: Path, clock: Clock) -> Account:
    """The fault on a fleet that is pushed the naive way, with an operator."""
    port = free_port()
    async with running_origin() as origin_port, running_nameserver() as names:
        crowd = crowd_of(drill, port, clock)
        fleet = NaiveFleet(home, clock, drill, drill.nodes, names)
        scene = Scene(fleet, clock, port, origin_port, drill.sites, names, drill.origin, home=home)
        operator = Operator(crowd.samples, fleet.undo, clock)
        async with (
            fleet.running(Change(scene.text(), drill.flaw.data, harmful=False)),
            visited(crowd),
            beside(operator.run),
        ):
            injected_s = await play(drill, scene, busy=lambda: operator.busy)
        return account(
            crowd.samples,
            nodes=drill.nodes,
            injected_s=injected_s,
            bad=frozenset(fleet.harmful),
            detected_s=operator.alarmed_s,
            human_actions=operator.actions,
            forgiven=fleet.forgiven,
        )


async def run_guarded(
    drill: Drill, home: Path, clock: Clock, *, off: frozenset[Protection] = frozenset()
) -> Guarded:
    """The fault on a fleet guarded by Seawall, without any operator.

    Args:
        drill: which fault.
        home: an empty directory.
        clock: of the machine.
        off: protections to switch off.
    """
    port = free_port()
    async with running_origin() as origin_port, running_nameserver() as names:
        crowd = crowd_of(drill, port, clock)
        fleet = GuardedFleet(home, clock, drill, drill.nodes, names, off=off)
        scene = Scene(
            fleet, clock, port, origin_port, drill.sites, names, drill.origin, POLICY, home=home
        )
        first = Change(scene.text(), drill.flaw.data, harmful=False)
        async with fleet.running(first):
            async with visited(crowd):
                injected_s = await play(drill, scene, busy=lambda: fleet.busy)
            stable_failed = await fleet.stable_failed()
        found = account(
            crowd.samples,
            nodes=drill.nodes,
            injected_s=injected_s,
            bad=frozenset(fleet.harmful),
            detected_s=fleet.detected_s,
            human_actions=0,
            forgiven=fleet.forgiven,
        )
    held_by = fleet.held_by
    if not held_by and not found.failed:
        held_by = next((own.value for own in drill.protections if own in _SILENT), "")
    scores = {s.score for s in crowd.samples if not s.failed} if drill.model is not None else set()
    return Guarded(
        found,
        stable_failed,
        held_by,
        fleet.words,
        scores=tuple(sorted(scores)),
        alarms_s=tuple(fleet.alarms_s),
        notes=tuple(scene.notes),
        in_force=tuple(fleet.in_force),
        got_past=drill.got_past(held_by, off),
    )


def crowd_of(drill: Drill, port: int, clock: Clock) -> Crowd:
    """The clients of a drill."""
    addresses = [(address_of(number), port) for number in range(drill.nodes)]
    return Crowd(addresses, drill.visits, clock, rate_per_s=drill.rate_per_s)


async def play(drill: Drill, scene: Scene, *, busy: Callable[[], bool]) -> float:
    """Warm up, inject, and watch until the fleet is quiet; when the fault came.

    Args:
        drill: what to do.
        scene: on what.
        busy: whether somebody is still mending; waited for, for a bounded time.
    """
    clock = scene.clock
    if drill.prepare is not None:
        await drill.prepare(scene)
    await clock.sleep(drill.warm_up_s)
    injected_s = clock.monotonic_s()
    await drill.deed(scene)
    quiet_s = clock.monotonic_s()
    while clock.monotonic_s() - quiet_s < drill.after_s:
        if busy() and clock.monotonic_s() - injected_s < DRILL_TIMEOUT_S:
            quiet_s = clock.monotonic_s()
        await clock.sleep(DRILL_POLL_S)
    return injected_s


@asynccontextmanager
async def visited(crowd: Crowd) -> AsyncIterator[None]:
    """The crowd comes while inside the block."""
    leaving = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.run(leaving.is_set))
        try:
            yield
        finally:
            leaving.set()


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """`work` runs while inside the block."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(work())
        try:
            yield
        finally:
            running.cancel()
