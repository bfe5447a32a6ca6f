"""Kill switches, feeds and quarantine through the service: compiled, and validated by Envoy."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.world import ANN, World, last, live, world
from helpers import POLL_S
from seawall.api.hand_requests import DeedRequest, FeedRequest, KillRequest, UnkillRequest
from seawall.api.views import Applied, Progress, Refused
from seawall.errors import ConflictError, NotFoundError, UsageError
from seawall.ids import Digest, ListName
from seawall.rollout.ports import Nack

LISTED = """
    deny: [pushed, filed]
lists:
  pushed: {}
  filed: {file: lists/bad.txt}
"""


class TurnedClock:
    """Real time for waiting, with a wall clock that a test turns."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_s(self) -> float:
        return 1_800_000_000.0 + self.ahead_s

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(POLL_S if duration_s > POLL_S else 0)


async def _kill(at: World, feature: str, **options: Any) -> Applied | Refused:
    request = KillRequest(feature, **options)
    return await last(await at.service.hands.kill(request, ANN))


async def _unkill(at: World, feature: str, **options: Any) -> Applied | Refused:
    request = UnkillRequest(feature, **options)
    return await last(await at.service.hands.unkill(request, ANN))


async def _push(at: World, name: str, text: str, **options: Any) -> Applied | Refused:
    request = FeedRequest(text=text, **options)
    return await last(await at.service.hands.push_feed(name, request, ANN))


async def _on(at: World) -> list[tuple[str, str]]:
    return [(s.feature, s.site) for s in (await at.service.hands.switches()).switches]


async def _deeds(at: World) -> list[tuple[str, str]]:
    audit = await at.service.audit(limit=50)
    return [(entry.what, entry.subject) for entry in audit.entries]


def test_a_kill_for_a_site_without_a_name_is_none_of_all_sites(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path / "data") as at:
            await at.applied(at.text())
            with pytest.raises(UsageError) as refused:
                await _kill(at, "compression", site="")
            assert refused.value.code == "site-empty"
            assert await _on(at) == []

    asyncio.run(scenario())


def test_a_kill_is_a_release_of_its_own_and_ends_by_hand(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        first = await at.applied(at.text())
        killed = await _kill(at, "compression", site="shop", reason="a storm")
        assert isinstance(killed, Applied), killed
        assert killed.release is not None
        assert killed.release.kind == "switch"
        assert [c.text for c in killed.changes] == ["site shop: compression br, gzip, zstd -> none"]
        assert await _on(at) == [("compression", "shop")]
        ended = await _unkill(at, "compression", site="shop")
        assert isinstance(ended, Applied), ended
        assert await _on(at) == []
        assert first.release is not None
        assert ("kill", "compression of site shop") in await _deeds(at)
        assert ("unkill", "compression of site shop") in await _deeds(at)

    live(tmp_path, scenario)


def test_a_new_site_file_keeps_the_switches_that_are_on(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        await _kill(at, "compression")
        applied = await at.applied(at.text(timeout="30s"))
        assert not any("compression" in change.text for change in applied.changes)
        assert await _on(at) == [("compression", "")]

    live(tmp_path, scenario)


def test_killing_the_same_thing_again_makes_it_last_longer(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        await _kill(at, "retries", ttl_s=60)
        await _kill(at, "retries", ttl_s=3600)
        (switch,) = (await at.service.hands.switches()).switches
        assert 3000 < switch.left_s <= 3600

    live(tmp_path, scenario)


def test_a_switch_ends_by_itself_also_when_control_was_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = TurnedClock()
        async with world(tmp_path / "data", clock=clock) as at:
            await at.applied(at.text())
            await _kill(at, "compression", ttl_s=60)
            await _kill(at, "retries", ttl_s=600)
        clock.ahead_s = 61
        async with world(tmp_path / "data", clock=clock) as at:
            assert len(await _on(at)) == 2
            running = asyncio.ensure_future(at.control.switchboard.run())
            async with asyncio.timeout(20):
                while await _on(at) != [("retries", "")]:  # noqa: ASYNC110 - asks as people do
                    await asyncio.sleep(POLL_S)
            running.cancel()
            view = await at.service.releases(limit=1)
            assert view.releases[0].author == "seawall"
            assert "compression everywhere" in view.releases[0].message
            assert ("switch-over", "compression everywhere") in await _deeds(at)

    asyncio.run(scenario())


def test_a_kill_works_with_the_files_that_serve_whatever_is_on_disk(tmp_path: Path) -> None:
    async def scenario() -> None:
        page = tmp_path / "oops.html"
        page.write_text("<p>sorry</p>")
        async with world(tmp_path / "data") as at:
            await at.applied(at.text(extra=f"    error_pages: {{5xx: {page}}}"))
            page.unlink()
            killed = await _kill(at, "compression")
            assert isinstance(killed, Applied), killed
            assert [c.subject for c in killed.changes] == ["site shop"]
            refused = await at.refused(at.text(extra=f"    error_pages: {{5xx: {page}}}"))
            assert refused.code == "site-file-refused"

    asyncio.run(scenario())


SENSELESS_KILLS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"feature": "tls"}, "feature-unknown"),
    ({"feature": ""}, "feature-unknown"),
    ({"feature": "compression", "ttl_s": 0.0}, "ttl-out-of-range"),
    ({"feature": "compression", "ttl_s": float("nan")}, "ttl-out-of-range"),
    ({"feature": "compression", "ttl_s": 1e9}, "ttl-out-of-range"),
    ({"feature": "deny-lists"}, "reason-needed"),
    ({"feature": "access-records", "site": "shop", "reason": "x"}, "switch-not-by-site"),
    ({"feature": "compression", "reason": "x" * 501}, "reason-unusable"),
    ({"feature": "compression", "reason": "a\x1b[2J"}, "reason-unusable"),
)


def test_a_kill_that_makes_no_sense_is_refused_before_anything(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        for options, code in SENSELESS_KILLS:
            with pytest.raises(UsageError) as caught:
                await _kill(at, **options)
            assert caught.value.code == code, options
            assert caught.value.remedy, options
            assert len((await at.service.releases(limit=9)).releases) == 1, options

    live(tmp_path, scenario)


def test_a_kill_of_an_unknown_site_is_refused_and_history_is_intact(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        refused = await _kill(at, "compression", site="shoop")
        assert isinstance(refused, Refused)
        assert refused.code == "site-unknown"
        assert "shop" in refused.remedy
        with pytest.raises(NotFoundError, match="no kill switch on compression everywhere"):
            await _unkill(at, "compression")
        assert len((await at.service.releases(limit=9)).releases) == 1

    live(tmp_path, scenario)


def test_a_kill_before_the_first_release_says_so(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        with pytest.raises(ConflictError, match="no release yet"):
            await _kill(at, "compression")

    live(tmp_path, scenario)


def test_two_kills_at_once_both_hold(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        one = await at.service.hands.kill(KillRequest("compression"), ANN)
        other = asyncio.ensure_future(_kill(at, "retries"))
        assert isinstance(await last(one), Applied)
        assert isinstance(await other, Applied)
        assert await _on(at) == [("compression", ""), ("retries", "")]

    live(tmp_path, scenario)


def test_a_feed_is_pushed_kept_and_pushed_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "lists").mkdir()
        (tmp_path / "lists" / "bad.txt").write_text("198.51.100.0/24\n")
        async with world(tmp_path / "data") as at:
            text = at.text(extra=LISTED.replace("lists/bad", f"{tmp_path}/lists/bad"))
            await at.applied(text)
            pushed = await _push(at, "pushed", "192.0.2.0/24\n203.0.113.7\n")
            assert isinstance(pushed, Applied), pushed
            assert pushed.release is not None
            assert pushed.release.kind == "feed"
            assert [c.text for c in pushed.changes] == [
                "list pushed: added, 2 networks",
                "site shop: turns away filed -> filed, pushed",
            ]
            await at.applied(text.replace("15s", "16s"))
            feeds = {one.name: one for one in (await at.service.hands.feeds()).feeds}
            assert feeds["pushed"].entries == 2
            assert feeds["filed"].path.endswith("/lists/bad.txt")
            content = await at.service.hands.feed("pushed")
            assert content.text == "192.0.2.0/24\n203.0.113.7\n"
            with pytest.raises(ConflictError, match=r"read from .*lists/bad\.txt"):
                await at.service.hands.feed("filed")
            assert (await at.service.hands.feed("bot-model")).text is None
            for name in ("nothing", "clearance-keys", "../x", ""):
                with pytest.raises(NotFoundError):
                    await at.service.hands.feed(name)
            again = await _push(at, "pushed", "192.0.2.0/24\n")
            assert isinstance(again, Applied)
            assert [c.text for c in again.changes] == ["list pushed: 2 -> 1 networks (+0, -1)"]
            assert ("feed-pushed", "pushed") in await _deeds(at)

    asyncio.run(scenario())


BROKEN_FEEDS = (
    ("", "no entry"),
    ("192.0.2.0/24", "cut off"),
    ("0.0.0.0/0\n", "wider than"),
    ("192.0.2.1/24\n", "not written as"),
    ("192.0.2.0/24\n192.0.2.0/24\n", "was there before"),
    ("<html>\n", "not a network"),
)


def test_a_broken_feed_is_refused_with_its_line_and_the_old_one_stays(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text(extra="    deny: bad\nlists: {bad: {}}"))
        await _push(at, "bad", "198.51.100.0/24\n")
        for text, words in BROKEN_FEEDS:
            refused = await _push(at, "bad", text)
            assert isinstance(refused, Refused), text
            assert any(words in problem.what for problem in refused.problems), refused.problems
            (feed,) = (await at.service.hands.feeds()).feeds
            assert feed.entries == 1, text
        content = await at.service.hands.feed("bad")
        assert content.text == "198.51.100.0/24\n"

    live(tmp_path, scenario)


def test_a_feed_that_doubles_is_refused_unless_it_is_forced(tmp_path: Path) -> None:
    def networks(count: int) -> str:
        return "".join(f"10.0.{n}.0/24\n" for n in range(count))

    async def scenario(at: World) -> None:
        await at.applied(at.text(extra="    deny: bad\nlists: {bad: {}}"))
        await _push(at, "bad", networks(40))
        refused = await _push(at, "bad", networks(100))
        assert isinstance(refused, Refused)
        assert "adds 60 to 40 networks (150 %), bound 100 %" in refused.message
        forced = await _push(at, "bad", networks(100), force=("networks-added",))
        assert isinstance(forced, Applied)
        gone = await _push(at, "bad", networks(20))
        assert isinstance(gone, Refused)
        assert "removes 80 of 100 networks" in gone.message

    live(tmp_path, scenario)


def test_a_push_into_a_file_or_into_nothing_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "bad.txt").write_text("198.51.100.0/24\n")
        async with world(tmp_path / "data") as at:
            text = f"    deny: bad\nlists: {{bad: {tmp_path}/bad.txt}}"
            await at.applied(at.text(extra=text))
            with pytest.raises(ConflictError, match="read from"):
                await _push(at, "bad", "192.0.2.0/24\n")
            for name in ("other", "../../etc/passwd", "", "a" * 300):
                with pytest.raises(NotFoundError):
                    await _push(at, name, "192.0.2.0/24\n")

    asyncio.run(scenario())


def test_a_switch_that_the_node_refuses_is_quarantined_and_can_be_released(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        assert at.node.snapshot is not None
        good = at.node.snapshot.digest
        no = (Nack("", "", "edge", "no"),)
        at.node.refuse = lambda snapshot: () if snapshot.digest == good else no
        refused = await _kill(at, "compression")
        assert isinstance(refused, Refused)
        assert await _on(at) == []
        (held,) = (await at.service.hands.quarantine()).quarantined
        assert held.releases == ("r2",)
        with pytest.raises(UsageError):
            await at.service.hands.release_quarantine("zz", ANN)
        freed = await at.service.hands.release_quarantine(held.digest[:12], ANN)
        assert freed.digest == held.digest
        assert (await at.service.hands.quarantine()).quarantined == ()
        with pytest.raises(NotFoundError):
            await at.service.hands.release_quarantine(held.digest[:12], ANN)

    live(tmp_path, scenario)


def test_a_freeze_stops_releases_and_leaves_the_way_back_open(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        hands = at.service.hands
        await at.applied(at.text())
        await at.applied(at.text(timeout="16s"))
        view = await hands.freeze(DeedRequest(reason="the network team works"), ANN)
        assert view.frozen is not None
        assert (view.frozen.actor, view.frozen.reason) == ("ann", "the network team works")
        refused = await at.refused(at.text(timeout="17s"))
        assert refused.code == "frozen"
        assert "the network team works" in refused.message
        killed = await _kill(at, "compression")
        assert isinstance(killed, Refused)
        assert killed.code == "frozen"
        status = await at.service.status()
        assert status.rollouts is not None
        assert status.rollouts.frozen is not None
        back = await at.rollback("r1")
        assert isinstance(back, Applied), back
        loud = await _kill(at, "compression", break_glass=True, reason="it burns")
        assert isinstance(loud, Applied), loud
        assert (await hands.unfreeze(DeedRequest(), ANN)).frozen is None
        with pytest.raises(ConflictError, match="Nothing is frozen"):
            await hands.unfreeze(DeedRequest(), ANN)
        assert "kill" in {what for what, _ in await _deeds(at)}
        audit = (await at.service.audit(limit=50)).entries
        told = [(e.what, e.outcome) for e in audit if "froze" in e.what or "freeze" in e.what]
        assert told == [
            ("unfreeze", "refused: Nothing is frozen."),
            ("unfrozen", ""),
            ("frozen", "the network team works"),
        ]

    live(tmp_path, scenario)


def test_a_hand_on_a_rollout_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scenario(at: World) -> None:
        hands = at.service.hands
        for deed in (hands.pause, hands.resume, hands.abort):
            with pytest.raises(NotFoundError, match="No release is on its way"):
                await deed(DeedRequest(), ANN)
        audit = (await at.service.audit(limit=50)).entries
        refused = [e.what for e in audit if e.outcome == "refused: No release is on its way."]
        assert refused == ["abort", "resume", "pause"]
        await at.applied(at.text())
        story = await hands.rollout_story("r1")
        assert [one.release for one in story.rollouts] == ["r1"]
        assert story.events
        with pytest.raises(NotFoundError):
            await hands.rollout_story("nonsense")

    live(tmp_path, scenario)


def test_break_glass_does_not_bring_quarantined_content_out_unless_it_is_named_too(
    tmp_path: Path,
) -> None:
    async def scenario(at: World) -> None:
        await at.applied(at.text())
        second = await at.applied(at.text(timeout="16s"))
        await at.rollback("r1")
        assert second.release is not None
        digest = second.release.digest
        await asyncio.to_thread(
            at.service.hands._store.quarantine,
            Digest(digest),
            "it answered 500",
            actor="judge",
        )
        for attempt in (
            await at.apply(at.text(timeout="16s"), break_glass=True),
            await at.rollback("r2", break_glass=True),
        ):
            assert isinstance(attempt, Refused)
            assert "quarantined" in attempt.code
        named = await at.apply(at.text(timeout="16s"), break_glass=True, force=(digest[:12],))
        assert isinstance(named, Applied), named

    live(tmp_path, scenario)


def test_a_feed_that_waits_for_a_release_to_bake_says_so(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        here.node.bakes = False
        await here.applied(here.text(extra="    deny: bad\nlists: {bad: {}}\n"))
        request = FeedRequest(text="192.0.2.0/24\n")
        told = []
        async for event in await here.service.hands.push_feed(ListName("bad"), request, ANN):
            if isinstance(event, Progress) and event.stage == "fetch":
                told.append(event.text)
            if told and told[-1].startswith("waits until r1"):
                here.node.baked()
                await here.node.say()
        assert told == [
            "",
            "waits until r1 is last known good, 15 s after it began to serve",
            "after r1",
        ]

    async def tell() -> None:
        async with world(tmp_path) as here:
            await story(here)

    asyncio.run(tell())
