"""Who is known at a control process that did not admit them."""

import asyncio
from typing import cast

import pytest

from seawall import limits
from seawall.errors import RefusedError
from seawall.fleet.members import Members
from seawall.fleet.peer import Peer
from seawall.ids import NodeName
from seawall.release.registry import FleetNode, Registry

KEY = "ab" * 32


class Shared:
    """The registry of the fleet, which another control process writes."""

    def __init__(self) -> None:
        self.names = ["edge-1"]
        self.reads = 0

    def nodes(self) -> tuple[FleetNode, ...]:
        self.reads += 1
        return tuple(FleetNode(NodeName(name), (), KEY, 0.0, 1e12) for name in self.names)


class Hasty:
    """Time that passes only for who waits for it."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, duration_s: float) -> None:
        due_s = self.time_s + duration_s
        await asyncio.sleep(0)
        self.time_s = max(self.time_s, due_s)


def peer(name: str) -> Peer:
    return Peer(NodeName(name), KEY, 1e12)


def test_who_joined_elsewhere_since_the_last_look_was_not_removed() -> None:
    async def story() -> None:
        shared, clock = Shared(), Hasty()
        members = Members(cast("Registry", shared), clock)
        await members.refresh()
        shared.names.append("edge-2")
        assert (await members.require(peer("edge-2"))).name == "edge-2"
        assert clock.time_s == pytest.approx(100.0 + limits.FOLLOWER_REFRESH_S)

    asyncio.run(story())


def test_however_many_are_unknown_the_registry_is_read_as_rarely() -> None:
    async def story() -> None:
        shared, clock = Shared(), Hasty()
        members = Members(cast("Registry", shared), clock)
        asked = [members.require(peer(f"gone-{n}")) for n in range(100)]
        for found in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(found, RefusedError), found
            assert found.code == "node-removed"
        span_s = clock.time_s - 100.0
        assert shared.reads <= 1 + span_s / limits.FOLLOWER_REFRESH_S
        assert span_s <= 2 * limits.FOLLOWER_REFRESH_S

    asyncio.run(story())
