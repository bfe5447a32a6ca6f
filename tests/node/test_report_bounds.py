"""What grows beside the agent stays bounded: windows of a report, and the logs of all Envoys."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.support import until
from node.unmeasured import NoCollector
from seawall import limits
from seawall.api.codec import to_json
from seawall.ids import Digest, Generation, NodeName, ReleaseId, SiteName
from seawall.node.envoy import Slot
from seawall.node.instruments import Instruments
from seawall.node.reporter import Reporter
from seawall.node.slots import SLOT_NAMES
from seawall.node.state import Served
from seawall.node.steering import Arm
from seawall.telemetry.window import SiteCounts, Window

SITES_MAX = 2_000
KEPT = limits.WINDOWS_SITES_KEPT_MAX // SITES_MAX
COUNTS = SiteCounts(1234, 1200, 10, 20, 4, 1, 0.0123456789, 0.123456789, (123,) * 19)
SITES = {
    SiteName(f"site-{number:04}-of-a-customer-with-a-long-name"): COUNTS
    for number in range(SITES_MAX)
}


class Collector(NoCollector):
    """Measured what a busy edge does while control was away."""

    def __init__(self, slot: str) -> None:
        self.runs = False
        self._kept = [
            Window(
                NodeName("edge-1"), slot, ReleaseId("r1"), Generation(1), 1.7e9 + second, 1.0, SITES
            )
            for second in range(KEPT)
        ]

    async def run(self) -> None:
        self.runs = True
        await asyncio.Event().wait()

    def windows(self) -> tuple[Window, ...]:
        return tuple(self._kept)

    def accepted(self, windows: tuple[Window, ...]) -> None:
        self._kept = [window for window in self._kept if not any(window is one for one in windows)]


class Makes:
    """A `CollectorMaker` that knows what it made."""

    def __init__(self) -> None:
        self.made: list[Collector] = []

    @property
    def running(self) -> int:
        return sum(one.runs for one in self.made)

    def __call__(
        self,
        directory: Path,
        slot: str,
        seen: Callable[[Window], None],
        cpu_s: Callable[[], float | None],
    ) -> Collector:
        del directory, seen, cpu_s
        self.made.append(Collector(slot))
        return self.made[-1]


def test_a_trial_without_control_leaves_windows_that_control_takes(tmp_path: Path) -> None:
    makes = Makes()
    instruments = Instruments(tmp_path, makes, lambda _: None)
    instruments.serving(Served(ReleaseId("r1"), Digest("1" * 64), Generation(1)))

    async def story() -> None:
        arms = dict.fromkeys((Arm.CANDIDATE, Arm.BASELINE), tmp_path)
        measuring = asyncio.ensure_future(instruments.measure(arms))
        await until(lambda: makes.running == len(arms), what="the arms are measured")
        measuring.cancel()
        await asyncio.wait((measuring,))

    asyncio.run(story())
    told: list[Window] = []
    while windows := instruments.windows():
        size_bytes = len(json.dumps([to_json(window) for window in windows]))
        assert size_bytes < limits.NODE_REPORT_SIZE_BYTES_MAX / 2
        told += windows
        instruments.accepted(windows)
    assert len(told) == 3 * KEPT
    assert told == sorted(told, key=lambda window: window.start_s)


def test_a_window_is_told_however_many_sites_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.instruments.WINDOWS_SITES_KEPT_MAX", SITES_MAX - 1)
    instruments = Instruments(tmp_path, Makes(), lambda _: None)
    assert len(instruments.windows()) == 1


def test_logs_of_all_envoys_are_begun_anew_when_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.envoy.ENVOY_LOG_SIZE_BYTES_MAX", 10)
    keepers = []
    for name in SLOT_NAMES:
        slot = Slot(name, tmp_path / name, tmp_path)
        slot.directory.mkdir()
        (slot.directory / "envoy.log").write_bytes(bytes(11))
        keepers.append(SimpleNamespace(slot=slot, process=None))
    agent = SimpleNamespace(keeper=keepers[0], keepers=tuple(keepers))

    async def story() -> None:
        looking = asyncio.ensure_future(Reporter(cast("Any", agent), cast("Any", None)).look())
        olds = [keeper.slot.directory / "envoy.log.1" for keeper in keepers]
        await until(lambda: all(old.exists() for old in olds), what="older parts of all logs")
        looking.cancel()
        await asyncio.wait((looking,))

    asyncio.run(story())
