"""How long an apply takes with the default policy, by traffic: the real planner and the real judge.

PYTHONPATH=src:tests python -m rollout.test_apply_times     the table of docs/rollout.md
"""

import random
import statistics
from dataclasses import replace

import pytest

from judge.windows import window
from rollout.model import Model, ModelNode
from seawall.ids import NodeName, ReleaseId
from seawall.model.rollout import DEFAULT_POLICY
from seawall.rollout.assess import assess
from seawall.rollout.state import Basis, Findings, Rollout, Stage
from seawall.telemetry.window import Window

NODE = NodeName("a")
WINDOWS_MAX = 400
PAST_S = 60


class Traffic(Model):
    """One node whose windows of each second are drawn; the judge is the real one."""

    def __init__(self, rate: float, errors: float, seed: int) -> None:
        super().__init__()
        self.policy = DEFAULT_POLICY
        self._rate, self._errors, self._random = rate, errors, random.Random(seed)
        self._windows: list[Window] = []
        self.add(ModelNode(NODE))

    def tick(self) -> None:
        node = self.nodes[NODE]
        share = node.trial.share_permille / 1000 if node.trial else 0.0
        for slot, part in (("candidate", share), ("baseline", share), ("stable", 1 - 2 * share)):
            if part or slot == "stable":
                self._windows.append(self._window(node, slot, part))
        del self._windows[:-WINDOWS_MAX]
        super().tick()

    def _window(self, node: ModelNode, slot: str, part: float) -> Window:
        draws, chance = round(20 * self._rate) or 1, part / 20
        requests = sum(self._random.random() < chance for _ in range(draws)) if self._rate else 0
        bad = sum(self._random.random() < self._errors for _ in range(requests))
        found = window(slot, self.now_s, requests, bad, node=NODE, generation=node.generation)
        release = node.serving if slot != "candidate" and node.serving else ReleaseId("r2")
        return replace(found, release=release)

    def findings(self) -> Findings:
        return assess(self.fleet, self.inventory(), self._windows, self.now_s)


def applied(rate: float, errors: float, seed: int) -> tuple[float, Rollout]:
    """Seconds until it serves, and the rollout then."""
    model = Traffic(rate, errors, seed)
    model.start("r1")
    while model.fleet.rollouts or model.now_s < PAST_S:
        model.tick()
    began_s = model.now_s
    model.start("r2")
    while (running := model.fleet.running) is None or running.stage is not Stage.BAKING:
        model.tick()
        assert model.fleet.rollouts, model.ended[-1].outcome
        assert model.now_s - began_s < 600, model.fleet.running
    return model.now_s - began_s, running


@pytest.mark.parametrize(
    ("rate", "errors", "seconds_max"),
    [(0, 0.0, 10), (1, 0.0, 10), (5, 0.005, 20), (15, 0.005, 180)],
)
def test_an_apply_ends_in_good_time_at_any_trickle(
    rate: float, errors: float, seconds_max: float
) -> None:
    seconds, _ = applied(rate, errors, 1)
    assert seconds <= seconds_max


def test_the_largest_step_is_waited_for_where_errors_are_usual_and_smaller_ones_are_not() -> None:
    seconds, rollout = applied(15, 0.005, 1)
    last = DEFAULT_POLICY.steps[-1]
    assert [passed.basis for passed in rollout.passed[:3]] == [
        Basis.TASTED,
        Basis.PROBES,
        Basis.PROBES,
    ]
    assert seconds > last.deadline_s or rollout.passed[-1].basis is Basis.HEALTHY


def main() -> None:
    print("| requests/s | no errors | 0.5 % errors |\n|---|---|---|")  # noqa: T201 - the table
    for rate in (0, 1, 5, 15, 30, 50, 100, 300):
        cells = []
        for errors in (0.0, 0.005):
            found = [applied(rate, errors, seed) for seed in range(5)]
            proved = {rollout.passed[-1].basis.value for _, rollout in found}
            middle = statistics.median(seconds for seconds, _ in found)
            cells.append(f"{middle:.0f} s, {' or '.join(sorted(proved))}")
        print(f"| {rate} | {' | '.join(cells)} |", flush=True)  # noqa: T201 - the table


if __name__ == "__main__":
    main()
