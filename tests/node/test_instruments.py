"""What the node's own brake is shown: the time before a commit, for as long as the bake lasts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from judge.windows import site, window
from seawall.ids import Digest, Generation, ReleaseId
from seawall.judge.brake import during_bake
from seawall.judge.verdict import Healthy, Unhealthy
from seawall.limits import TRIAL_SITES_MAX, TRIAL_WINDOWS_MAX, WINDOWS_KEPT_MAX
from seawall.node.instruments import Instruments
from seawall.node.state import Served
from seawall.telemetry.window import Window


class Stable:
    """Instruments whose stable slot closes a window a second."""

    def __init__(self) -> None:
        self._closes: Callable[[Window], None] = lambda _: None
        self.instruments = Instruments(Path(), cast("Any", self._made), lambda _: None)
        self._release, self._at_s = ReleaseId("r0"), 0.0

    def _made(self, _path: Path, _slot: str, closes: Callable[[Window], None], _cpu: object) -> Any:
        self._closes = closes
        return SimpleNamespace(serving=lambda *_: None)

    def serves(self, number: int) -> None:
        release = ReleaseId(f"r{number}")
        served = Served(release, Digest(str(number) * 64), Generation(number))
        self.instruments.serving(served)

    def measures(self, number: int, windows: int, errors: int = 0) -> None:
        for _ in range(windows):
            self._at_s += 1.0
            found = window("stable", self._at_s, 100, errors)
            self._closes(replace(found, release=ReleaseId(f"r{number}")))


@pytest.mark.parametrize("baked_s", [0, WINDOWS_KEPT_MAX, 20 * WINDOWS_KEPT_MAX])
def test_harm_is_found_however_long_the_bake_has_lasted(baked_s: int) -> None:
    stable = Stable()
    stable.serves(1)
    stable.measures(1, 40)
    stable.serves(2)
    stable.measures(1, 1)  # closed by the commit
    stable.measures(2, baked_s)
    before, after = stable.instruments.before_and_after()
    assert {w.release for w in before} == {"r1"}
    assert len(before) == 41
    assert len(after) == min(baked_s, WINDOWS_KEPT_MAX)
    if after:
        assert isinstance(during_bake(before, after), Healthy)
    stable.measures(2, WINDOWS_KEPT_MAX, errors=90)
    assert isinstance(during_bake(*stable.instruments.before_and_after()), Unhealthy)


@pytest.mark.parametrize("sites", [1, 2_000])
def test_a_trial_of_many_busy_sites_fills_no_memory(sites: int) -> None:
    """The agent must stay small: 360 windows of 2,000 sites took it 250 MiB."""
    counts = {f"s{number}": site(1) for number in range(sites)}
    stable = Stable()
    stable.serves(1)
    for at_s in range(TRIAL_WINDOWS_MAX + 10):
        stable._closes(window("stable", float(at_s), 100, sites=counts))
    kept = stable.instruments.of_trial()
    assert len(kept) == min(TRIAL_WINDOWS_MAX, TRIAL_SITES_MAX // sites)
    assert max(kept, key=lambda one: one.start_s) is kept[-1]


def test_the_time_before_is_that_of_the_last_commit() -> None:
    stable = Stable()
    stable.serves(1)
    stable.measures(1, 200)
    stable.serves(1)
    assert stable.instruments.before_and_after()[0] == []
    stable.serves(2)
    stable.measures(2, 200)
    stable.serves(3)
    stable.measures(3, 5)
    before, after = stable.instruments.before_and_after()
    assert {w.release for w in before} == {"r2"}
    assert [w.release for w in after] == ["r3"] * 5
