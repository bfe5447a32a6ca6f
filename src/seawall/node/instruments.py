"""The collectors of a node: one for the stable slot for ever, one for each arm of a trial.

In a trial all of them close short windows that carry the generation of the step, so that no window
spans two steps. It also keeps the recent windows that the node's own brake looks at. It decides
nothing.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from pathlib import Path

from seawall.ids import Generation, ReleaseId
from seawall.limits import (
    NOTICES_MAX,
    TRIAL_SITES_MAX,
    TRIAL_WINDOWS_MAX,
    WINDOWS_KEPT_MAX,
    WINDOWS_SITES_KEPT_MAX,
)
from seawall.node.report import Collector, CollectorMaker
from seawall.node.slots import STABLE
from seawall.node.state import Served
from seawall.node.steering import Arm
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window, drop_oldest

CpuOf = Callable[[Arm], float | None]


class Instruments:
    """Measures every Envoy that takes connections.

    Args:
        home: DIR/node.
        make: makes a collector.
        cpu_of: processor seconds of an arm's Envoy.

    Attributes:
        noticed: called with each closed window; set by whoever judges.
    """

    def __init__(self, home: Path, make: CollectorMaker, cpu_of: CpuOf) -> None:
        self._make, self._cpu_of = make, cpu_of
        self.noticed: Callable[[Window], None] = _nothing
        self._serving: Served | None = None
        self._recent: deque[Window] = deque(maxlen=WINDOWS_KEPT_MAX)
        # A bake may outlast the recent windows, which are short in it: what was before stays known.
        self._before: deque[Window] = deque(maxlen=WINDOWS_KEPT_MAX)
        self._trial: deque[Window] = deque(maxlen=TRIAL_WINDOWS_MAX)
        self._stable = self._collector(home / STABLE, Arm.STABLE)
        self._arms: dict[Arm, Collector] = {}
        self._ended: list[Window] = []
        self._hurries: set[str] = set()

    async def run(self) -> None:
        """Measure the stable slot until cancelled."""
        await self._stable.run()

    # --- What serves ---------------------------------------------------------------------------

    def serving(self, served: Served) -> None:
        """From now on the stable slot serves this."""
        if self._serving is not None and self._serving.release != served.release:
            self._before.clear()
            self._before.extend(w for w in self._recent if w.release != served.release)
        self._serving = served
        self._stable.serving(served.release, served.generation)

    def hurry(self, why: str, *, on: bool) -> None:
        """Look often while any reason to is on."""
        (self._hurries.add if on else self._hurries.discard)(why)
        self._stable.hurry(on=bool(self._hurries))

    def before_and_after(self) -> tuple[list[Window], list[Window]]:
        """Windows of the stable slot from just before it served what it serves, and recent ones."""
        release = self._serving.release if self._serving else None
        return [*self._before], [window for window in self._recent if window.release == release]

    # --- A trial -------------------------------------------------------------------------------

    async def measure(self, directories: Mapping[Arm, Path]) -> None:
        """Measure the arms of a trial until cancelled."""
        self._trial.clear()
        self._trial.extend(self._recent)
        drop_oldest(self._trial, TRIAL_SITES_MAX)
        self._arms = {arm: self._collector(path, arm) for arm, path in directories.items()}
        for collector in self._arms.values():
            collector.hurry(on=True)
        self.hurry("trial", on=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                for collector in self._arms.values():
                    tasks.create_task(collector.run())
        finally:
            self.hurry("trial", on=False)
            self._keep(window for arm in self._arms.values() for window in arm.windows())
            self._arms = {}
            if self._serving is not None:
                self._stable.serving(self._serving.release, self._serving.generation)

    def step(self, candidate: Served, generation: Generation) -> None:
        """Every window from now on is of this step."""
        if self._serving is None:
            return
        releases: dict[Arm, ReleaseId] = {
            Arm.CANDIDATE: candidate.release,
            Arm.BASELINE: self._serving.release,
        }
        self._stable.serving(self._serving.release, generation)
        for arm, collector in self._arms.items():
            collector.serving(releases[arm], generation)

    def of_trial(self) -> tuple[Window, ...]:
        """Windows of all arms in this trial, and of the stable slot shortly before; bounded."""
        return tuple(self._trial)

    # --- For the reporter ----------------------------------------------------------------------

    def windows(self) -> tuple[Window, ...]:
        """Windows that were not delivered yet, oldest first: as many as a report may hold.

        Each Envoy of a trial may have left as many; the others go with the reports after it.
        """
        found = [*self._ended, *self._stable.windows()]
        found += [window for arm in self._arms.values() for window in arm.windows()]
        found.sort(key=lambda window: window.start_s)
        sites = accumulate(len(window.sites) for window in found)
        count = bisect_right([*sites], WINDOWS_SITES_KEPT_MAX)
        return tuple(found[: max(1, count)])

    def accepted(self, windows: tuple[Window, ...]) -> None:
        """Control has taken these."""
        done = {id(window) for window in windows}
        self._ended = [window for window in self._ended if id(window) not in done]
        for collector in (self._stable, *self._arms.values()):
            collector.accepted(windows)

    def notices(self) -> tuple[str, ...]:
        """Standing warnings, of the candidate too: an origin that only it cannot reach."""
        found = [*self._stable.notices()]
        candidate = self._arms.get(Arm.CANDIDATE)
        if candidate is not None:
            found += [f"Candidate: {notice}" for notice in candidate.notices()]
        return tuple(found[:NOTICES_MAX])

    def bots(self) -> BotSample | None:
        """What the newest access records say of bots; None where that is not known."""
        return self._stable.bots()

    def _collector(self, directory: Path, arm: Arm) -> Collector:
        return self._make(directory, arm.value, self._saw, lambda: self._cpu_of(arm))

    def _saw(self, window: Window) -> None:
        if window.slot == STABLE:
            self._recent.append(window)
            if self._serving is not None and window.release != self._serving.release:
                self._before.append(window)  # closed by the commit
        self._trial.append(window)
        drop_oldest(self._trial, TRIAL_SITES_MAX)
        self.noticed(window)

    def _keep(self, windows: Iterable[Window]) -> None:
        self._ended = [*self._ended, *windows][-WINDOWS_KEPT_MAX:]


def _nothing(_: Window) -> None:
    """Nobody judges."""
