import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.world import (
    ANN,
    DEADLINE_S,
    World,
    last,
    live,
    refuse_timeouts_of_66_s,
    sources,
    until,
)
from helpers import POLL_S
from seawall.api.hand_requests import DeedRequest
from seawall.api.rollouts import Rollouts
from seawall.api.views import Applied, Progress, Refused
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.errors import ConflictError, NotFoundError, UnreachableError
from seawall.rollout.ports import Nack


def test_apply_tells_every_step_in_order_and_ends_with_what_serves(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        events = [e async for e in here.service.apply(sources(here.text()), caller=ANN)]
        done = [e.stage for e in events if isinstance(e, Progress) and e.state == "done"]
        assert done == [
            "check", "compile", "limits", "compatibility", "guard", "scores", "clients",
            "validate", "taster", "store", "assign", "fetch", "commit", "serve",
        ]  # fmt: skip
        end = events[-1]
        assert isinstance(end, Applied)
        assert end.release is not None
        assert (end.release.id, end.release.author, end.release.serving) == ("r1", "ann", True)
        assert end.changes
        assert here.node.serving == "r1"

    live(tmp_path, story)


def test_the_same_content_again_makes_no_release(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        again = await here.applied(here.text())
        assert not again.changed
        assert (await here.service.releases(limit=10)).releases[0].id == "r1"
        assert here.node.generation == 1

    live(tmp_path, story)


def test_a_changed_route_is_told_in_words_and_chained_to_its_parent(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.applied(here.text(timeout="30s"), message="slower", author="bob")
        assert end.release is not None
        assert (end.release.parent, end.release.message) == ("r1", "slower")
        assert [c.subject for c in end.changes] == ["route shop/api"]
        assert "30 s" in end.changes[0].text
        shown = await here.service.show("r2")
        assert shown.compared_with == "r1"
        assert shown.changes == end.changes
        assert "timeout: 30s" in shown.sources[0].content
        assert [(step.stage, step.outcome) for step in shown.gate] == [
            (stage, "passed")
            for stage in (
                "limits",
                "compatibility",
                "guard",
                "scores",
                "clients",
                "validate",
                "taster",
            )
        ]

    live(tmp_path, story)


def test_a_bad_site_file_is_refused_with_its_problems_and_nothing_changes(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.refused(here.text(extra="    colour: red\n"))
        assert (end.stage, end.code, end.serving) == ("check", "site-file-refused", "r1")
        assert any(problem.line == 9 for problem in end.problems), end.problems
        assert here.node.history == ["r1"]
        status = await here.service.status()
        assert status.state == "serving"
        [notice] = status.notices
        assert notice.code == "last-release-refused"
        assert "seawall.yaml:9: `colour` is not a key" in notice.text, "whoever looks can begin"

    live(tmp_path, story)


def test_what_envoy_refuses_at_validation_is_told_with_its_place(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        # The certificate authority of an origin is only read by Envoy.
        ca = tmp_path / "ca.pem"
        ca.write_text(
            "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
        )
        origin = f"""  bad:
    hosts: [bad.example.com]
    origin: {{endpoints: ["https://127.0.0.1:1"], tls: {{sni: a.example, ca: {ca}}}}}
"""
        end = await here.refused(here.text(extra=origin))
        assert end.stage in {"check", "validate"}, end
        assert here.node.history == ["r1"]

    live(tmp_path, story)


def test_a_dry_run_goes_through_every_check_and_releases_nothing(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        end = await here.applied(here.text(), dry_run=True)
        assert end.dry_run
        assert end.release is None
        assert end.changes
        assert not (await here.service.releases(limit=10)).releases

    live(tmp_path, story)


def test_a_dry_run_leaves_no_word_in_status_and_takes_none_away(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        async def told() -> list[str]:
            return [notice.text for notice in (await here.service.status()).notices]

        bad = here.text(extra="    colour: red\n")
        await here.applied(here.text())
        await here.refused(bad, dry_run=True)
        assert await told() == [], "nobody asked for another release"
        await here.refused(bad)
        [refused] = await told()
        await here.applied(here.text(timeout="30s"), dry_run=True)
        assert await told() == [refused], "what was asked for does not serve all the same"
        await here.applied(here.text(timeout="30s"))
        assert await told() == []

    live(tmp_path, story)


def test_a_release_that_does_not_exist_leaves_no_word_in_status(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.rollback("r99")
        assert isinstance(end, Refused)
        assert end.code == "release-unknown"
        assert (await here.service.status()).notices == ()

    live(tmp_path, story)


def test_a_node_that_refuses_gets_its_release_back_and_the_digest_is_quarantined(
    tmp_path: Path,
) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.refused(here.text(timeout="66s"))
        assert (end.stage, end.code, end.release, end.serving) == (
            "commit", "node-rejected", "r2", "r1",
        )  # fmt: skip
        assert end.envoy[0].envoy_words.endswith("Envoy does not like 66")
        assert (end.envoy[0].file, end.envoy[0].line) == ("/etc/seawall/seawall.yaml", 8)
        listed = {r.id: r for r in (await here.service.releases(limit=10)).releases}
        assert listed["r2"].quarantined
        assert listed["r1"].current
        assert not listed["r2"].current
        await until(lambda: here.node.history == ["r1", "r1"], "r1 assigned again")

    live(tmp_path, story, refuse=refuse_timeouts_of_66_s)


def test_a_quarantined_content_is_refused_unless_its_digest_is_named(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        await here.refused(here.text(timeout="66s"))
        again = await here.refused(here.text(timeout="66s"))
        assert again.code == "release-quarantined"
        assert "66" in again.message
        digest = (await here.service.releases(limit=10)).releases[0].digest
        assert digest[:12] in again.remedy
        here.node.refuse = lambda _: ()
        wrong = await here.refused(here.text(timeout="66s"), force=("0" * 64,))
        assert wrong.code == "release-quarantined"
        forced = await here.applied(here.text(timeout="66s"), force=(digest[:12],))
        assert forced.release is not None
        assert forced.release.serving

    live(tmp_path, story, refuse=refuse_timeouts_of_66_s)


def test_a_port_that_is_taken_does_not_quarantine_and_the_same_file_may_be_tried_again(
    tmp_path: Path,
) -> None:
    taken = True

    def refuse(snapshot: Snapshot) -> tuple[Nack, ...]:
        words = "error adding listener 'http': cannot bind '127.0.0.1:1': Address already in use"
        return (Nack(TypeUrl.LISTENER.value, "http", "edge", words),) if taken else ()

    async def story(here: World) -> None:
        nonlocal taken
        end = await here.refused(here.text())
        assert "Address already in use" in end.message
        assert not (await here.service.releases(limit=10)).releases[0].quarantined
        taken = False
        again = await here.applied(here.text())
        assert again.release is not None
        assert here.node.serving == "r2"

    live(tmp_path, story, refuse=refuse)


def test_rollback_assigns_the_earlier_release_again_without_a_new_record(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        for timeout in ("1s", "2s", "3s"):
            await here.applied(here.text(timeout=timeout))
        end = await here.rollback()
        assert isinstance(end, Applied)
        assert end.release is not None
        assert (end.release.id, end.previous, end.changed) == ("r2", "r3", True)
        assert here.node.serving == "r2"
        named = await here.rollback("r1", message="too slow")
        assert isinstance(named, Applied)
        assert here.node.serving == "r1"
        assert len((await here.service.releases(limit=10)).releases) == 3
        deeds = [e.what for e in (await here.service.audit(limit=10)).entries]
        assert "rollback-reason" in deeds
        following = await here.applied(here.text(timeout="4s"))
        assert following.release is not None
        assert following.release.parent == "r1"

    live(tmp_path, story)


def test_rollback_does_not_go_to_what_somebody_has_gone_back_from(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        for timeout in ("1s", "2s"):
            await here.applied(here.text(timeout=timeout))
        assert isinstance(await here.rollback(), Applied)
        await here.applied(here.text(timeout="3s"))
        await here.applied(here.text(timeout="4s"))
        served = []
        for _ in range(2):
            assert isinstance(await here.rollback(), Applied)
            served.append(here.node.serving)
        assert served == ["r3", "r1"]

    live(tmp_path, story)


def test_rollback_refuses_what_is_quarantined_unknown_or_not_there(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        nothing = await here.rollback()
        assert isinstance(nothing, Refused)
        assert nothing.code == "nothing-to-roll-back-to"
        await here.applied(here.text())
        await here.refused(here.text(timeout="66s"))
        quarantined = await here.rollback("r2")
        assert isinstance(quarantined, Refused)
        assert quarantined.code == "release-quarantined"
        unknown = await here.rollback("r9")
        assert isinstance(unknown, Refused)
        assert unknown.code == "release-unknown"
        same = await here.rollback("r1")
        assert isinstance(same, Applied)
        assert not same.changed

    live(tmp_path, story, refuse=refuse_timeouts_of_66_s)


def test_a_second_apply_meanwhile_is_told_who_is_first(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        first = here.service.apply(sources(here.text()), caller=ANN)
        with pytest.raises(ConflictError, match="ann applies") as refused:
            here.service.apply(sources(here.text(timeout="2s")), caller=ANN)
        assert refused.value.code == "release-in-progress"
        assert isinstance(await last(first), Applied)
        await here.applied(here.text(timeout="2s"))

    live(tmp_path, story)


def test_nobody_is_told_that_nothing_comes_while_a_release_is_in_the_gate(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        first = here.service.apply(sources(here.text()), caller=ANN)
        with pytest.raises(NotFoundError, match=r"ann applies .* still being checked") as refused:
            await here.service.hands.abort(DeedRequest(author="ben"), ANN)
        assert refused.value.code == "no-rollout"
        assert isinstance(await last(first), Applied)

    live(tmp_path, story)


def test_a_parent_that_is_no_longer_current_is_a_conflict(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        await here.applied(here.text(timeout="2s"), parent="r1")
        end = await here.refused(here.text(timeout="3s"), parent="r1")
        assert end.code == "parent-moved"
        assert here.node.serving == "r2"

    live(tmp_path, story)


def test_a_reader_that_goes_away_does_not_stop_its_release(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        events = here.service.apply(sources(here.text()), caller=ANN)
        async for _ in events:
            break
        await events.aclose()  # type: ignore[attr-defined]  # - it is a generator
        await until(lambda: here.node.serving == "r1", "the release went through")

    live(tmp_path, story)


def test_a_mass_change_is_refused_with_its_arithmetic_and_passes_when_named(
    tmp_path: Path,
) -> None:
    def many(port: int, count: int) -> str:
        sites = "".join(
            f"  s{i}: {{hosts: [s{i}.example.com], origin: 'http://127.0.0.1:9'}}\n"
            for i in range(count)
        )
        return f"version: 1\nlisten: {{http: 127.0.0.1:{port}}}\nsites:\n{sites}"

    async def story(here: World) -> None:
        await here.applied(many(here.port, 20))
        view = await here.service.diff(sources(many(here.port, 5)))
        assert view.guard is not None
        assert not view.guard.ok
        end = await here.refused(many(here.port, 5))
        assert (end.stage, end.code) == ("guard", "mass-change")
        assert "15 of 20 sites" in end.message
        assert end.guard is not None
        names = end.guard.force
        assert "sites-removed" in names
        forced = await here.applied(many(here.port, 5), force=names)
        assert forced.notes
        assert here.node.serving == "r2"

    live(tmp_path, story)


def test_control_restarted_takes_up_where_it_was(tmp_path: Path) -> None:
    async def first(here: World) -> None:
        await here.applied(site(here))
        await here.applied(site(here, timeout="2s"))

    async def second(here: World) -> None:
        await until(lambda: here.node.serving == "r2", "the node gets the last assignment")
        status = await here.service.status()
        assert status.current is not None
        assert status.current.id == "r2"
        again = await here.applied(site(here, timeout="2s"))
        assert not again.changed
        end = await here.rollback()
        assert isinstance(end, Applied)
        assert here.node.serving == "r1"

    def site(here: World, **changes: str) -> str:
        return here.text(**changes)

    live(tmp_path, first, port=18_999)
    live(tmp_path, second, port=18_999)


def test_what_was_stored_and_never_put_on_its_way_is_told_after_a_restart(tmp_path: Path) -> None:
    async def first(here: World) -> None:
        await here.applied(here.text())
        with pytest.MonkeyPatch.context() as dying:
            dying.setattr(Rollouts, "start", _dies)
            end = await here.apply(here.text(timeout="2s"))
            assert isinstance(end, Refused)

    async def second(here: World) -> None:
        here.control.start()
        await _until_told(here, ["last-release-unfinished"])
        [notice] = (await here.service.status()).notices
        assert notice.text.startswith("r2 by ann was stored but never rolled out"), notice
        newest, older = (await here.service.releases(limit=9)).releases
        assert (newest.id, newest.rollout) == ("r2", "none")
        assert older.id == "r1"
        assert older.rollout in ("baking", "done")
        assert (await here.service.show("r2")).release.rollout == "none"
        await here.applied(here.text(timeout="2s"))
        await _until_told(here, [])
        newest = (await here.service.releases(limit=1)).releases[0]
        assert newest.id == "r3"
        assert newest.rollout in ("baking", "done")

    live(tmp_path, first, port=18_998)
    live(tmp_path, second, port=18_998)


async def _dies(*_: object, **__: object) -> None:
    raise UnreachableError("store-unreachable", "the process is killed just then")


async def _until_told(here: World, codes: list[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while [notice.code for notice in (await here.service.status()).notices] != codes:  # noqa: ASYNC110 - asked, not told
            await asyncio.sleep(POLL_S)


def test_a_node_that_is_away_leaves_the_release_assigned_and_says_so(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        events = here.service.apply(sources(here.text()), caller=ANN)
        async for event in events:
            if isinstance(event, Progress) and event.stage == "commit":
                break
        await until(lambda: here.current == "r1", "it is what nodes shall run")
        status = await here.service.status()
        assert status.current is not None
        assert status.current.id == "r1"
        assert status.state == "degraded"

    live(tmp_path, story, with_node=False)


def test_a_record_that_somebody_changed_in_the_store_is_told(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        for timeout in ("1s", "2s"):
            await here.applied(here.text(timeout=timeout))
        path = here.data_dir / "control" / "seawall.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as store:
            store.execute("UPDATE releases SET author = 'mallory' WHERE number = 1")
        listed = (await here.service.releases(limit=10)).releases
        assert [(one.id, one.signed) for one in listed] == [("r2", True), ("r1", False)]
        assert (await here.service.show("r1")).release.signed is False

    live(tmp_path, story)
