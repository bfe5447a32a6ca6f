"""`apply --watch` ends with the rollout, whatever single nodes are about."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from rollout.model import Model
from seawall.api.rollout_present import rollout_view
from seawall.api.rollout_views import RolloutHistoryView
from seawall.cli import change
from seawall.console.output import Output
from seawall.exit_codes import DONE, REFUSED
from seawall.rollout.state import Fleet, Inventory, Stage

if TYPE_CHECKING:
    from seawall.api.client import Client


class Told:
    """Tells of one rollout, stage by stage."""

    def __init__(self, outcome: str, *stages: Stage) -> None:
        self._outcome = outcome
        self._stages = list(stages)
        self._model = Model()
        self._model.start("r1")

    def rollout_story(self, release: str) -> RolloutHistoryView:
        assert release == "r1"
        [rollout] = self._model.fleet.rollouts
        stage = self._stages.pop(0)
        ended_s = None if self._stages else 9.0
        now = replace(rollout, stage=stage, ended_s=ended_s, outcome=self._outcome)
        return RolloutHistoryView((rollout_view(now, Fleet(), Inventory({}, 1.0)),), ())


@pytest.mark.parametrize(
    ("outcome", "last", "code"),
    [
        ("last known good on 2 nodes", Stage.DONE, DONE),
        ("served by 2 nodes, not by edge-3", Stage.DONE, DONE),
        ("edge-1 Envoy refused it", Stage.ROLLED_BACK, REFUSED),
        ("ann put r2 first", Stage.SUPERSEDED, REFUSED),
    ],
)
def test_it_ends_as_the_rollout_ends_and_says_how(
    outcome: str,
    last: Stage,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(change, "_BAKE_POLL_S", 0.0)
    client = cast("Client", Told(outcome, Stage.BAKING, Stage.BAKING, last))
    assert change.follow_bake(Output(json_format=False), client, "r1") == code
    said = capsys.readouterr()
    assert outcome in said.out + said.err
