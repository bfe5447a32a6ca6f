"""What the audit log says of deeds that were refused, and of keys that a wrong clock made."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.test_hands import TurnedClock
from api.world import ANN, World, last, live, until
from seawall import limits
from seawall.api.hand_requests import DeedRequest, KillRequest, RotateRequest
from seawall.api.key_watch import KeyWatch
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.views import Refused
from seawall.clock import SystemClock
from seawall.errors import ConflictError
from seawall.release.release import Kind


async def _told(at: World, action: str) -> list[str]:
    """What was written down of an action, oldest first."""
    entries = (await at.service.audit(limit=50)).entries
    return [entry.outcome for entry in reversed(entries) if entry.what == action]


def test_a_kill_that_is_refused_does_not_stand_as_done(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        hands = at.service.hands
        await hands.freeze(DeedRequest(reason="a weekend"), ANN)
        request = KillRequest("retries", ttl_s=60.0, reason="a storm")
        assert isinstance(await last(await hands.kill(request, ANN)), Refused)
        store = at.service.hands._store

        def newest() -> str:
            return store.audit.entries(count_max=1)[0].detail

        await until(lambda: newest().startswith("refused"), "it is told")
        begun, refused = await _told(at, "kill")
        assert begun == "for 60 s: a storm"
        assert refused.startswith("refused: ")
        assert "frozen" in refused

    live(tmp_path, scenario)


def test_a_rotation_that_does_not_begin_does_not_stand_as_done(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        with pytest.raises(ConflictError, match="no key to rotate"):
            await at.service.hands.rotate_keys(RotateRequest(reason="ann left"), ANN)
        told = await _told(at, "rotate-clearance-keys")
        assert told[0] == "ann left"
        assert told[1].startswith("refused: There is no key to rotate")

    live(tmp_path, scenario)


@dataclass
class _Facts:
    """Of the current release, what a rotation looks at."""

    clearance_keys_s: float
    sources: object = None


class _Releaser:
    """Takes rotations."""

    def __init__(self, made_s: float) -> None:
        self.facts = _Facts(made_s)
        self.orders: list[Order] = []

    async def current_facts(self) -> _Facts:
        return self.facts

    def in_the_way(self, kind: Kind) -> str:  # noqa: ARG002 - as the real one
        return ""

    def unless_frozen(self) -> None:
        return

    def apply(self, order: Order) -> Flow:
        self.orders.append(order)
        return Flow(SystemClock())


@pytest.mark.parametrize(
    ("age_s", "rotated"),
    [
        (limits.CLEARANCE_KEY_AGE_S + 1, True),
        (limits.CLEARANCE_KEY_AGE_S - 1, False),
        (-60.0, False),
        (-400 * 86_400.0, True),
    ],
)
def test_a_key_made_by_a_clock_that_was_ahead_is_rotated(age_s: float, *, rotated: bool) -> None:
    clock = TurnedClock()
    releaser = _Releaser(clock.now_s() - age_s)
    watch = KeyWatch(releaser, clock, log=lambda _event, _text: None)  # type: ignore[arg-type]  # - does what it asks
    asyncio.run(watch.rotate_overdue())
    assert bool(releaser.orders) is rotated
