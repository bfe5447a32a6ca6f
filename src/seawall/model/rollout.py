"""How carefully a release is brought out, and the requests that prove a site works."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall import limits
from seawall.ids import SiteName


class WithoutTraffic(StrEnum):
    """What happens when a step cannot gather evidence because too few requests come."""

    PROBES = "probes"
    """Golden requests decide, and the history says so."""
    HOLD = "hold"
    """Nothing advances until a person says so, or requests come."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the canary.

    Attributes:
        share_permille: of new connections that meet the candidate, 1 to 1000.
        soak_s: how long the step lasts at least, however good the evidence, when there is traffic.
        deadline_s: how long to wait for evidence before `WithoutTraffic` decides.
    """

    share_permille: int
    soak_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Wave:
    """Nodes that take a release together, cumulative: `share` of all nodes, or one node group.

    Attributes:
        group: name of a node group; empty when `share` counts.
        share: 0 to 1 of all nodes, at least one node.
    """

    group: str = ""
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """The steps of a release from the gate to last known good.

    Attributes:
        steps: of the canary on each node, growing; empty commits after the taste.
        waves: of nodes, growing; every plan ends with all nodes, whether or not that is written.
        taste_deadline_s: for the start of a candidate and its golden requests.
        bake_s: how long the release must run well after commit to become last known good.
        without_traffic: see `WithoutTraffic`.
        baseline: run a control slot of the current release beside the candidate.
    """

    steps: tuple[Step, ...]
    waves: tuple[Wave, ...]
    taste_deadline_s: float
    bake_s: float
    without_traffic: WithoutTraffic
    baseline: bool

    @property
    def longest_s(self) -> float:
        """From the start to the last commit, when every step of every wave waits to its end."""
        each_s = self.taste_deadline_s + sum(step.deadline_s for step in self.steps)
        return (len(self.waves) + 1) * (each_s + limits.ROLLOUT_COMMIT_PATIENCE_S)

    @property
    def wave_count(self) -> int:
        """Of all waves: the last one holds all nodes, written or not."""
        last = self.waves[-1] if self.waves else None
        written = last is not None and not last.group and last.share >= 1
        return len(self.waves) + (not written)


DEFAULT_POLICY: Final = RolloutPolicy(
    steps=tuple(
        Step(share, limits.STEP_SOAK_S, limits.STEP_DEADLINE_S) for share in (10, 100, 500)
    ),
    waves=(Wave(group="canary"), Wave(share=0.1), Wave(share=1.0)),
    taste_deadline_s=limits.TASTE_DEADLINE_S,
    bake_s=limits.BAKE_S,
    without_traffic=WithoutTraffic.PROBES,
    baseline=True,
)
"""What a site file without `rollout` says: 1 %, 10 %, 50 % of connections, then all."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A request whose answer proves that a site works. Safe methods only, no credentials.

    Attributes:
        status: what the answer's status may be; empty: whatever the stable release answers.
        contains: text that the first bytes of the body must hold; empty for any body.
    """

    site: SiteName
    host: str
    path: str
    method: str = "GET"
    https: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[int, ...] = ()
    contains: str = ""
