"""What a simulated node has around it: its disk, and control at the other end of the network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from seawall.ids import Digest, Generation, NodeName
from seawall.node import candidacy
from seawall.node.course import Course
from seawall.node.state import NodeState
from seawall.rollout.ports import LEVEL_TRIALS, Assignment, NodeReport, Steering
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


def report_of(name: NodeName, group: str, course: Course) -> NodeReport:
    """As the agent's reporter makes it."""
    serving = course.serving
    return NodeReport(
        node=name,
        generation=course.memory.generation,
        release=serving.release if serving else None,
        digest=serving.digest if serving else None,
        phase=course.phase,
        message=course.memory.message,
        nacks=course.nacks,
        last_known_good=tuple(good.release for good in course.memory.good),
        trial=candidacy.report(course.trial),
        steering=Steering.KERNEL,
        groups=(group,) if group else (),
        level=LEVEL_TRIALS,
        good_digests=tuple(good.digest for good in course.memory.good),
    )
