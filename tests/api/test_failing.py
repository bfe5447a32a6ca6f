"""What `status` says of sites that answer with errors: how many, since when, and what to do."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.world import world
from judge.windows import site
from rollout.model import Model
from seawall.api import observer
from seawall.api.failing import failed_requests, failing_notices, turned_notice
from seawall.api.status_views import NoticeView
from seawall.clock import SystemClock
from seawall.compiler.names import ACCESS_FILE
from seawall.ids import Generation, NodeName, ReleaseId, RequestId, SiteName
from seawall.judge.failing import Failing, Turned
from seawall.rollout.state import Stage
from seawall.telemetry.origin_names import NamesReport, StaleName
from seawall.telemetry.window import Window

NOW_S = 10_000.0


def failure(name: str = "shop", **changes: object) -> Failing:
    return replace(Failing(SiteName(name), 61, 204, 60.0), **changes)  # type: ignore[arg-type]  # - of a test


def told(*found: Failing, **examples: str) -> list[NoticeView]:
    return list(failing_notices(found, "r4", examples, NOW_S))


def test_a_suspected_release_is_named_with_the_way_back() -> None:
    [notice] = told(failure(since_s=NOW_S - 130, before=(0, 310), began=True), shop="1f")
    assert notice.text == (
        "Site shop: 61 of 204 requests to its origins in the last minute were answered with 5xx, "
        "30%. Before r4, which began to serve 2 min ago, 0 of 310 were."
    )
    assert notice.remedy == (
        "`seawall why 1f` shows what happened to one of them. If r4 is to blame: `seawall "
        "rollback`."
    )


def test_without_a_new_release_nobody_is_sent_back() -> None:
    [notice] = told(failure(span_s=600.0))
    assert "in the last 10 minutes" in notice.text
    assert notice.text.endswith(
        "No release began to serve in the period for which there are measurements."
    )
    assert notice.remedy == (
        "Take the `x-request-id` of such a response: `seawall why ID` shows what happened."
    )
    [same] = told(failure(since_s=NOW_S - 130, before=(90, 310)), shop="1f")
    assert "rollback" not in same.remedy
    [idle] = told(failure(since_s=NOW_S - 130))
    assert idle.text.endswith("there were no requests.")


def test_many_sites_do_not_fill_the_screen() -> None:
    *single, rest = told(*(failure(f"s{number}") for number in range(9)))
    assert len(single) == 3
    assert rest.text == "So do 6 more sites, among them s3, s4, s5."


def test_a_release_that_turns_people_away_is_named_with_the_way_back() -> None:
    found = Turned(31, 60, NOW_S - 60, (0, 20))
    notice = turned_notice(found, "r2", NOW_S)
    assert notice.text == (
        "Since r2 serves, for 1 min, bot rules turned away or challenged 31 of 60 requests, 52%; "
        "before that 0 of 20."
    )
    assert "`seawall rollback`" in notice.remedy
    assert turned_notice(replace(found, before=(0, 0)), "r2", NOW_S).text.endswith("no requests.")


def test_the_example_is_the_newest_failed_request_of_the_site(tmp_path: Path) -> None:
    path = tmp_path / ACCESS_FILE
    assert failed_requests(path, ["shop"]) == {}, "on a fleet there are no records here"
    rows = [("a", "shop", 503), ("b", "shop", 500), ("c", "shop", 200), ("d", "blog", 503)]
    path.write_text(
        "".join(
            json.dumps({"time": "t", "request_id": i, "route": f"{s}/default", "status": n}) + "\n"
            for i, s, n in rows
        )
    )
    assert failed_requests(path, ["shop"]) == {"shop": "b"}


def test_status_tells_of_a_site_that_fails(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            board = here.control.board
            [seen] = board.nodes()
            start_s = SystemClock().now_s() - 30
            window = Window(
                seen.report.node,
                "stable",
                ReleaseId("r1"),
                Generation(1),
                start_s,
                30.0,
                sites={SiteName("shop"): site(100, 90)},
            )
            board.take(replace(seen.report, windows=(window,)))
            [notice] = [n for n in (await here.service.status()).notices if n.code == "site-errors"]
            assert notice.text.startswith("Site shop: 90 of 100 requests")

    asyncio.run(story())


def test_while_a_wave_of_nodes_has_a_release_that_one_is_told_and_not_the_target(
    tmp_path: Path,
) -> None:
    """It was told as what was "before" the one that serves on elsewhere, and began 10 min ago."""

    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            model, now_s = Model(), SystemClock().now_s()
            model.start("r2")
            [rollout] = model.fleet.rollouts
            for node in ("edge-1", "edge-2"):
                windows = tuple(
                    Window(
                        NodeName(node),
                        "stable",
                        ReleaseId("r2" if node == "edge-1" and ago_s <= 60 else "r1"),
                        Generation(1),
                        now_s - ago_s,
                        10.0,
                        sites={SiteName("shop"): site(40, 30 if ago_s <= 60 else 0)},
                    )
                    for ago_s in range(300, 0, -10)
                )
                said = replace(seen.report, node=NodeName(node), windows=windows)
                here.control.board.take(said)
            there = replace(rollout, stage=Stage.COMMITTING, committed=(NodeName("edge-1"),))
            roster = here.control.releaser.roster
            roster.fleet = replace(roster.fleet, rollouts=(there,))
            [notice] = [n for n in (await here.service.status()).notices if n.code == "site-errors"]
            assert "Before r2, which began to serve 1 min ago" in notice.text
            assert "If r2 is to blame" in notice.remedy

    asyncio.run(story())


def test_what_was_found_in_a_large_fleet_is_told_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(per_s: int) -> list[int]:
        monkeypatch.setattr(observer, "FAILING_WINDOWS_PER_S_MAX", per_s)
        looked = []
        monkeypatch.setattr(observer, "failing", lambda *seen: looked.append(len(seen[0])) or ())
        async with world(tmp_path / str(per_s)) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            window = Window(
                seen.report.node, "stable", ReleaseId("r1"), Generation(1), 0.0, 1.0, sites={}
            )
            start_s = SystemClock().now_s()
            windows = tuple(replace(window, start_s=start_s - n) for n in range(100))
            here.control.board.take(replace(seen.report, windows=windows))
            for _ in range(3):
                await here.service.status()
        return looked

    assert len(asyncio.run(told(1))) == 1, "100 windows are looked at once in 100 s"
    assert len(asyncio.run(told(10**9))) == 3


def test_why_tells_of_an_address_that_is_remembered_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            [seen] = here.control.board.nodes()
            stale = StaleName("api.shop.example", "no such name", ("10.0.0.5",), 0, 86_400)
            names = NamesReport(port=53, stale=1, names=(stale,))
            row = {
                "time": "2026-11-29T10:00:00.000Z",
                "request_id": "abc",
                "route": "shop/default",
                "origin": "shop",
                "endpoint": "10.0.0.5:3000",
                "status": 503,
            }
            path = tmp_path / "access" / ACCESS_FILE
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(row) + "\n")
            await here.service.report(replace(seen.report, windows=(), names=names))
            told = await here.service.why(RequestId("abc"))
            assert (
                "That address comes from memory, not from DNS: of api.shop.example DNS says 'no "
                "such name' since 1970-01-01 00:00 UTC."
            ) in told.story
            assert told.remedy.startswith("If the origin has moved, fix its DNS record")

    asyncio.run(story())
