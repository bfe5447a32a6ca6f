"""Bot rules that would turn away many clients are refused, told by `diff`, and passed by name."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.world import ANN, World, last, sources, world
from seawall.api.hand_requests import FeedRequest, KillRequest, UnkillRequest
from seawall.api.present import turned_away_view
from seawall.api.views import Applied, Refused
from seawall.clock import SystemClock
from seawall.compiler.names import ACCESS_FILE
from seawall.ids import ListName
from seawall.limits import REHEARSAL_AGE_S
from seawall.telemetry.rehearsal import Rehearsal, RehearsalState, Rehearsed
from telemetry.test_rehearse import crowd

QUIET = "    bots: {mode: enforce, rules: [{name: low, when: score <= 3, do: block}]}\n"
HARSH = "    bots: {mode: enforce, rules: [{name: low, when: score >= 3, do: block}]}\n"
WATCHED = HARSH.replace("enforce", "observe")


def write_records(here: World, *, age_s: float = 60.0, garbage: bytes = b"") -> None:
    """What a hundred clients asked for of late, as Envoy writes it."""
    time = datetime.fromtimestamp(SystemClock().now_s() - age_s, UTC)
    text = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    more = {"time": text, "route": "shop/default", "client": "192.0.2.1"}
    lines = [json.dumps({**asdict(one), **more}).encode() for one in crowd(score=50)]
    file = here.data_dir / "access" / ACCESS_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\n".join([*lines[:50], garbage, *lines[50:], b""]))


def run(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            await story(here)

    asyncio.run(told())


def test_a_rule_the_wrong_way_round_is_refused_with_its_arithmetic(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        write_records(here, garbage=b'{"time": "never"}\n\xff\xfe\n{"ti')
        refused = await here.apply(here.text(extra=HARSH))
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.code) == ("clients", "clients-turned-away")
        assert "would turn away 100 of 100 clients (100%)" in refused.message
        assert "By rule or list: low (block) 100." in refused.message
        assert "--force clients" in refused.remedy
        assert here.current == "r1"
        assert "seawall why id-" in refused.gate[-1].lines[0]

        view = await here.service.diff(sources(here.text(extra=HARSH)))
        assert view.turned_away is not None
        assert (view.turned_away.code, view.turned_away.force) == ("clients-turned-away", "clients")
        [site] = view.turned_away.sites
        assert (site.site, site.new_clients, site.over) == ("shop", 100, True)

        forced = await here.apply(here.text(extra=HARSH), force=("clients",))
        assert isinstance(forced, Applied)
        assert any("Forced past clients" in note for note in forced.notes)
        again = await here.service.diff(sources(here.text(extra=HARSH, timeout="16s")))
        assert again.turned_away is None, "these rules serve already"

    run(tmp_path, story)


def test_rules_that_meet_nobody_pass_and_diff_says_so(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        write_records(here)
        view = await here.service.diff(sources(here.text(extra=QUIET)))
        assert view.turned_away is not None
        assert not view.turned_away.code
        assert "none of 100 clients would be turned away" in view.turned_away.lines[0]
        applied = await here.applied(here.text(extra=QUIET))
        assert not [note for note in applied.notes if "turn" in note]

    run(tmp_path, story)


def test_in_mode_observe_whom_they_would_meet_is_told_and_nothing_refused(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        write_records(here)
        view = await here.service.diff(sources(here.text(extra=WATCHED)))
        assert view.turned_away is not None
        assert not view.turned_away.code
        assert (
            "rule low would block 100 of 100 requests, 100 of 100 clients; 100 of them are"
            in view.turned_away.lines[0]
        )
        await here.applied(here.text(extra=WATCHED))
        refused = await here.apply(here.text(extra=HARSH))
        assert isinstance(refused, Refused), "from observing to enforcing they would be turned away"

    run(tmp_path, story)


@pytest.mark.parametrize("age_s", [None, REHEARSAL_AGE_S + 60, -600.0])
def test_without_recent_records_it_is_said_that_nothing_was_measured(
    tmp_path: Path, age_s: float | None
) -> None:
    async def story(here: World) -> None:
        if age_s is not None:
            write_records(here, age_s=age_s)
        applied = await here.applied(here.text(extra=HARSH))
        words = (
            "shop: whom the change turns away was not measured: no recent request to it is recorded"
        )
        assert any(note.startswith(words) for note in applied.notes), applied.notes

    run(tmp_path, story)


def test_a_pushed_list_that_holds_everybody_is_refused(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text(extra="    deny: bad\nlists: {bad: {}}\n"))
        write_records(here)
        push = here.service.hands.push_feed
        bad, good = "192.0.0.0/8\n", "203.0.113.0/24\n"
        refused = await last(await push(ListName("bad"), FeedRequest(text=bad), ANN))
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.code) == ("clients", "clients-turned-away")
        assert "By rule or list: bad (deny) 100." in refused.message
        taken = await last(await push(ListName("bad"), FeedRequest(text=good), ANN))
        assert isinstance(taken, Applied), taken
        forced = await last(
            await push(ListName("bad"), FeedRequest(text=bad, force=("clients",)), ANN)
        )
        assert isinstance(forced, Applied), forced
        more = FeedRequest(text=f"{bad}203.0.113.0/24\n")
        taken = await last(await push(ListName("bad"), more, ANN))
        assert isinstance(taken, Applied), "the list in force turns them away already"

    run(tmp_path, story)


def test_a_kill_switch_is_never_held_up(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text(extra=HARSH))
        kill = KillRequest("bots", reason="it blocks everybody")
        killed = await last(await here.service.hands.kill(kill, ANN))
        assert isinstance(killed, Applied), killed
        write_records(here)
        back = await last(await here.service.hands.unkill(UnkillRequest("bots"), ANN))
        assert isinstance(back, Applied), back

    run(tmp_path, story)


def test_a_change_of_something_else_is_no_change_of_rules(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text(extra=HARSH))
        write_records(here)
        applied = await here.applied(here.text(extra=HARSH, timeout="20s"))
        assert applied.release is not None
        shown = await here.service.show(applied.release.id)
        [stage] = [one for one in shown.gate if one.stage == "clients"]
        assert stage.outcome == "passed"
        assert stage.text == "no bot rules and no address lists changed"

    run(tmp_path, story)


def test_diff_names_each_site_once_and_counts_none_of_them_again() -> None:
    nothing = (True, RehearsalState.NO_RECORDS, 0, 0, 0, 0, 0, 0, None, False, "", ())
    found = [Rehearsal(f"site{n}", "enforce", *nothing) for n in range(5)]
    view = turned_away_view(Rehearsed(tuple(found)))
    assert view is not None
    assert [line.partition(":")[0] for line in view.lines] == [each.site for each in found]
    unknown = turned_away_view(None)
    assert unknown is not None
    assert "can no longer be loaded" in unknown.lines[0]
    assert turned_away_view(Rehearsed()) is None
