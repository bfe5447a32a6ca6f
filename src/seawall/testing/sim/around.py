"""What a simulated node has around it: its disk, and control at the other end of the network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from seawall.ids import Digest, Generation, NodeName
from seawall.node.state import NodeState
from seawall.rollout.ports import Assignment, NodeReport
from seawall.testing.sim.releases import SimRelease


class Core(Protocol):
    """What a node reaches over the network."""

    def poll(
        self,
        node: NodeName,
        known: Generation,
        answer: Callable[[Assignment | None], None],
    ) -> None:
        """Long poll; `answer` is called when there is something, or time is over."""
        ...

    def take(self, report: NodeReport, answer: Callable[[], None]) -> None:
        """Deliver a report."""
        ...

    def bundle(self, digest: Digest) -> SimRelease | None:
        """A stored release."""
        ...


@dataclass
class Disk:
    """What survives everything but its own loss."""

    memory: NodeState
    bundles: dict[Digest, SimRelease]
    full: bool = False
