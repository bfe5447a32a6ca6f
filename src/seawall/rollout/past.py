"""What nodes measured before they took a release, known for as long as it bakes.

Windows are kept for minutes, and in a large fleet for less, but a bake may last for days: without
the time before the commit nothing could be compared any more. It decides nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seawall.judge.pooling import STABLE
from seawall.rollout.state import Fleet, Stage
from seawall.telemetry.window import Window

if TYPE_CHECKING:
    from seawall.ids import NodeName


class Past:
    """Of the rollout that runs; empty after a start of control, like all that was measured."""

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[NodeName, list[Window]] = {}

    def recalled(self, fleet: Fleet, windows: Sequence[Window]) -> Sequence[Window]:
        """The windows that are kept; in the bake also those of each node from before its commit.

        Args:
            fleet: as stored.
            windows: of all nodes and slots, as many as are kept.
        """
        rollout = fleet.running
        if rollout is None or rollout.number != self._number:
            self._number = 0 if rollout is None else rollout.number
            self._before = {}
        if rollout is None or rollout.before is None or not rollout.committed:
            return windows
        told, release = {*rollout.committed}, rollout.before.release
        found: dict[NodeName, list[Window]] = {}
        others: list[Window] = []
        for window in windows:
            was = window.slot == STABLE and window.release == release and window.node in told
            (found.setdefault(window.node, []) if was else others).append(window)
        for name, own in found.items():
            if len(own) >= len(self._before.get(name, ())):
                self._before[name] = own
        if rollout.stage is not Stage.BAKING:
            return windows
        return [*others, *(window for own in self._before.values() for window in own)]
