"""A release that is withdrawn after `apply` has said that it serves: `status` tells it."""

from dataclasses import replace
from pathlib import Path

from api.test_watched_decisions import fails_while_it_bakes
from api.world import World, live, until
from seawall.api.refusals import ending
from seawall.ids import Digest, ReleaseId
from seawall.release.release import Kind, ReleaseRecord
from seawall.rollout.state import Stage


def test_a_release_that_went_back_while_it_baked_is_told_until_the_next_one(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        here.node.bakes = False
        await here.applied(here.text(extra="    timeout: 20s\n"))
        assert not (await here.service.status()).notices
        await here.control.executor.order(fails_while_it_bakes)
        await until(lambda: here.node.history[-1] == "r1", "the way back")
        [notice] = (await here.service.status()).notices
        assert notice.code == "last-release-withdrawn"
        assert notice.text.startswith("r2 did not last")
        assert "r1 serves again" in notice.text
        assert "`seawall rollout r2`" in notice.remedy
        await here.applied(here.text(extra="    timeout: 21s\n"))
        assert not (await here.service.status()).notices

    live(tmp_path, story)


def test_who_refuses_requests_on_purpose_is_told_how() -> None:
    site = ReleaseRecord(ReleaseId("r2"), Digest("ab" * 32), Kind.SITE, None, "ann", "", 0.0, b"")
    way = "`seawall apply --break-glass REASON --force abababababab`"
    assert way in ending(Stage.ROLLED_BACK, site)[1]
    assert way not in ending(Stage.ROLLED_BACK, replace(site, kind=Kind.SWITCH))[1]
    assert way not in ending(Stage.ABORTED, site)[1]
