"""One seed: a fleet, a while of chaos, then peace and the demand that everything comes right.

python -m seawall.testing.sim.run --seeds 1-1000
"""

import argparse
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic  # noqa: TID251 - how long the run itself took
from typing import Final

from seawall.errors import SeawallError
from seawall.ids import Digest, Generation, NodeName
from seawall.rollout.ports import Assignment, NodeReport
from seawall.testing.sim.chaos import Chaos
from seawall.testing.sim.core import SimControl, SimStore
from seawall.testing.sim.network import Network
from seawall.testing.sim.node import SimNode
from seawall.testing.sim.releases import SimRelease
from seawall.testing.sim.rules import Rules
from seawall.testing.sim.world import World

NODES_MAX: Final = 4
CHAOS_S: Final = 120.0
CALM_S: Final = 5.0
"""For the first release, before anything goes wrong."""
STRIKE_S: Final = 4.0
"""Between two faults, in the mean."""
QUIET_S_MAX: Final = 900.0
"""After the last fault: by then every node runs what it shall."""
EVENTS_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed.

    Attributes:
        failure: what broke; empty when nothing did.
        events: what happened, in number.
        ends: how rollouts ended, by stage.
        quiet_s: how long after the last fault everything was right.
    """

    seed: int
    failure: str
    events: int
    ends: Counter[str]
    quiet_s: float


class _Everyone:
    """What a node reaches: whichever control process answers, the leader first."""

    def __init__(self, controls: Sequence[SimControl]) -> None:
        self._controls = controls

    def poll(
        self, node: NodeName, known: Generation, answer: Callable[[Assignment | None], None]
    ) -> None:
        """See `Core.poll`."""
        self._reached().poll(node, known, answer)

    def take(self, report: NodeReport, answer: Callable[[], None]) -> None:
        """See `Core.take`: a follower hands it on to the leader, which is here the same."""
        self._reached().take(report, answer)

    def bundle(self, digest: Digest) -> SimRelease | None:
        """See `Core.bundle`."""
        return self._reached().bundle(digest)

    def _reached(self) -> SimControl:
        leading = [c for c in self._controls if c.alive and c.leads]
        alive = [c for c in self._controls if c.alive]
        return (leading or alive or list(self._controls))[0]


class Simulation:
    """Everything of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.world = World(seed)
        self.network = Network(self.world)
        self.store = SimStore()
        self.controls = [SimControl(name, self.world, self.store) for name in ("one", "two")]
        everyone = _Everyone(self.controls)
        count = self.world.chance.randint(1, NODES_MAX)
        self.nodes = [
            SimNode(
                f"n{number}",
                self.world,
                self.network,
                everyone,
                group="canary" if number == 0 else "",
            )
            for number in range(count)
        ]
        self.rules = Rules(self.world, self.nodes, self.store)
        self.chaos = Chaos(
            self.world,
            network=self.network,
            store=self.store,
            controls=self.controls,
            nodes=self.nodes,
            rules=self.rules,
        )
        self.events = 0

    def run(self) -> float:
        """Chaos, then peace; how long it took to come right.

        Raises:
            SeawallError: an invariant broke.
            AssertionError: the planner made a bad plan, or nothing came right in time.
        """
        for control in self.controls:
            control.start()
        self.controls[0].lead()
        for node in self.nodes:
            node.start_agent()
        self.world.after(1.0, self.chaos.first_release)
        self._until(lambda: self.world.now_s >= CALM_S)
        self._strike()
        self._until(lambda: self.world.now_s >= CHAOS_S)
        self.chaos.heal()
        healed_s = self.world.now_s
        self._answer_regularly()
        self._until(lambda: self.right() or self.world.now_s > healed_s + QUIET_S_MAX)
        if not self.right():
            raise AssertionError(f"8: nothing came right: {self.why_wrong()}")
        return self.world.now_s - healed_s

    def right(self) -> bool:
        """8: no rollout is on its way, and every node runs the target."""
        return not self.why_wrong()

    def why_wrong(self) -> str:
        """What keeps the fleet from being right; empty when nothing does."""
        fleet = self.store.fleet
        running = fleet.running
        if running is not None or fleet.waiting:
            return f"{(running or fleet.waiting[0]).release} is still on its way"
        target = fleet.target.digest if fleet.target else None
        for node in self.nodes:
            if node.candidate is not None:
                return f"{node.name} still tries {node.candidate.release}"
            if target is not None and node.stable.held != target:
                return f"{node.name} does not serve the target"
        return ""

    def _until(self, over: Callable[[], bool]) -> None:
        while not over():
            self.world.step()
            self.rules.look()
            self.events += 1
            if self.events > EVENTS_MAX:
                raise AssertionError("too much happens: something turns in circles")

    def _strike(self) -> None:
        if self.world.now_s < CHAOS_S:
            self.chaos.strike()
            self.world.after(self.world.chance.expovariate(1 / STRIKE_S), self._strike)

    def _answer_regularly(self) -> None:
        self.chaos.unblock()
        self.world.after(5.0, self._answer_regularly)


def run_seed(seed: int) -> Outcome:
    """One history; never raises for what it finds."""
    simulation = Simulation(seed)
    failure, quiet_s = "", 0.0
    try:
        quiet_s = simulation.run()
    except (SeawallError, AssertionError) as error:
        failure = getattr(error, "message", "") or str(error)
    except Exception as error:  # noqa: BLE001 - 10: no input ends a process: this is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"10: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    ends = Counter(rollout.stage.value for rollout in simulation.store.ended)
    return Outcome(seed, failure, simulation.events, ends, quiet_s)


def run_all(seeds: Sequence[int]) -> Iterator[Outcome]:
    """Every seed, on every CPU, in order."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(run_seed, seeds, chunksize=max(1, min(50, len(seeds) // 8)))


def kept_seeds(file: Path) -> list[int]:
    """Seeds that failed once, one a line; they are run first, for ever."""
    if not file.exists():
        return []
    return [int(line.partition("#")[0]) for line in file.read_text().splitlines() if line.strip()]


def main() -> int:
    """Run seeds; print what failed, and keep those seeds."""
    parser = argparse.ArgumentParser(description="Simulate fleets.")
    parser.add_argument("--seeds", default="1-1000", help="for example 7 or 1-1000")
    parser.add_argument("--keep", type=Path, help="file of seeds to run first, and to add to")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    known = kept_seeds(asked.keep) if asked.keep else []
    seeds = [*known, *(s for s in range(int(first), int(last or first) + 1) if s not in known)]
    started_s = monotonic()
    ends: Counter[str] = Counter()
    failed, events, quiet_s = [], 0, 0.0
    for outcome in run_all(seeds):
        ends += outcome.ends
        events += outcome.events
        quiet_s = max(quiet_s, outcome.quiet_s)
        if outcome.failure:
            failed.append(outcome)
            print(f"seed {outcome.seed}: {outcome.failure}", flush=True)  # noqa: T201 - the answer
    if asked.keep and failed:
        with asked.keep.open("a") as file:
            lines = (f"{o.seed}  # {o.failure}\n" for o in failed if o.seed not in known)
            file.writelines(lines)
    took_s = monotonic() - started_s
    print(  # noqa: T201 - the answer
        f"{len(seeds)} seeds, {len(failed)} failed, {events} events in {took_s:.1f} s "
        f"({len(seeds) / took_s * 60:.0f} seeds a minute); right at most {quiet_s:.0f} s after "
        "the last fault; rollouts: "
        + ", ".join(f"{count} {stage}" for stage, count in sorted(ends.items()))
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
