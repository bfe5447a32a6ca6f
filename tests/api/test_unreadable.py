"""What is made of the current release is not made of nothing where that cannot be read just now."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from api.test_waiting_feeds import ONE, OTHER, _released
from api.world import ANN, World, last, live
from seawall.api.hand_requests import FeedRequest, KillRequest
from seawall.api.hand_views import WAITING
from seawall.api.views import Applied, Refused
from seawall.api.workshop import Workshop
from seawall.errors import UnreachableError
from seawall.release.store import Store

LISTED = "    deny: [bad]\nlists:\n  bad: {}\n"
_AWAY = UnreachableError("store-unreachable", "The database does not answer.", remedy="Wait.")
_LOST = UnreachableError("workbench-lost", "It was killed.", remedy="Try again.")


def _away(*_: object) -> Any:
    raise _AWAY


async def _lost(*_: object) -> Any:
    raise _LOST


async def _ready(here: World) -> None:
    await here.applied(here.text(extra=LISTED))
    push = await here.service.hands.push_feed("bad", FeedRequest(text=ONE), ANN)
    assert isinstance(await last(push), Applied)
    killed = await here.service.hands.kill(KillRequest("compression"), ANN)
    assert isinstance(await last(killed), Applied)


def test_a_store_that_is_away_for_a_moment_costs_no_switch_and_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(here: World) -> None:
        await _ready(here)
        with monkeypatch.context() as broken:
            broken.setattr(Store, "bundle_bytes", _away)
            end = await here.apply(here.text(timeout="3s", extra=LISTED))
        assert [s.feature for s in (await here.service.status()).switches] == ["compression"]
        assert (await here.service.hands.feed("bad")).text == ONE
        assert isinstance(end, Refused)
        assert end.code == "store-unreachable"

    live(tmp_path, tell)


def test_a_kill_switch_and_a_push_are_not_told_that_there_is_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(here: World) -> None:
        await _ready(here)
        with monkeypatch.context() as broken:
            broken.setattr(Workshop, "facts", _lost)
            here.control.releaser._facts = None
            with pytest.raises(UnreachableError, match="r3 cannot be read at the moment"):
                await here.service.hands.kill(KillRequest("retries"), ANN)
            with pytest.raises(UnreachableError, match="r3 cannot be read at the moment"):
                await here.service.hands.push_feed("bad", FeedRequest(text=OTHER), ANN)

    live(tmp_path, tell)


def test_of_a_release_that_is_damaged_in_the_store_no_change_is_made_unless_it_is_named(
    tmp_path: Path,
) -> None:
    """A site file took the place of what served without its switches and lists, and nobody knew."""

    async def tell(here: World) -> None:
        await _ready(here)
        current = here.control.releaser.current
        assert current is not None
        with sqlite3.connect(here.data_dir / "control" / "seawall.db") as store:
            cut = "UPDATE bundles SET compressed = substr(compressed, 1, 100) WHERE digest = ?"
            assert store.execute(cut, (current.digest,)).rowcount == 1
        store.close()
        here.control.releaser._facts = None
        changed = here.text(timeout="3s", extra=LISTED)
        assert "release-damaged" in [n.code for n in (await here.service.status()).notices]
        assert (await here.refused(changed)).code == "release-damaged"
        assert here.node.history[-1] == "r3"
        back = await here.rollback("r2")
        assert isinstance(back, Applied), back
        assert "release-damaged" not in [n.code for n in (await here.service.status()).notices]
        await here.applied(changed)
        assert (await here.service.hands.feed("bad")).text == ONE

    live(tmp_path, tell)


def test_a_damaged_release_that_is_named_is_left_behind(tmp_path: Path) -> None:
    async def tell(here: World) -> None:
        await _ready(here)
        current = here.control.releaser.current
        assert current is not None
        with sqlite3.connect(here.data_dir / "control" / "seawall.db") as store:
            store.execute("DELETE FROM bundles WHERE digest = ?", (current.digest,))
        store.close()
        here.control.releaser._facts = None
        changed = here.text(timeout="3s", extra=LISTED)
        assert (await here.refused(changed)).code == "release-damaged"
        await here.applied(changed, force=(current.digest[:12],))
        assert (await here.service.status()).notices == ()

    live(tmp_path, tell)


def test_a_push_waits_until_the_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(here: World) -> None:
        await _ready(here)
        with monkeypatch.context() as broken:
            broken.setattr(Store, "bundle_bytes", _away)
            push = await here.service.hands.push_feed("bad", FeedRequest(text=OTHER), ANN)
            end = await last(push)
            assert isinstance(end, Refused)
            assert end.code == WAITING
            assert "The database does not answer." in end.message
        await _released(here, "bad", OTHER)

    live(tmp_path, tell)
