"""A release through taste, canary and waves, through the whole of control, without Envoy."""

import asyncio
from pathlib import Path

import pytest

from api.world import (
    ANN,
    Story,
    World,
    course,
    last,
    live,
    measuring,
    refuse_timeouts_of_66_s,
    sources,
    until,
    world,
)
from seawall import limits
from seawall.api.views import Applied, Progress
from seawall.errors import ConflictError, NotFoundError
from seawall.ids import NodeName, ReleaseId
from seawall.release.signing import load_public_key
from seawall.rollout.ports import NodeReport, Phase
from seawall.testing.memory_node import MemoryNode, accept


def run(tmp_path: Path, story: Story) -> None:
    """A story of a node that tries releases, and measures."""

    async def measured(here: World) -> None:
        async with measuring(here, here.node):
            await story(here)

    live(tmp_path, measured, trials=True, refuse=refuse_timeouts_of_66_s)


def test_apply_on_an_idle_edge_tastes_steers_and_commits_and_says_on_what_evidence(
    tmp_path: Path,
) -> None:
    async def story(here: World) -> None:
        first = await here.applied(here.text())
        assert first.release is not None
        assert here.node.tried == [], "the first release has nothing to compare with"
        events = [
            e async for e in here.service.apply(sources(here.text(timeout="30s")), caller=ANN)
        ]
        done = [e.stage for e in events if isinstance(e, Progress) and e.state == "done"]
        assert done[-6:] == ["assign", "fetch", "taste", "canary", "commit", "serve"]
        assert isinstance(events[-1], Applied)
        assert here.node.tried[:2] == [("r2", 0), ("r2", 10)]
        assert here.node.serving == "r2"
        story_of = await course(here).history(ReleaseId("r2"))
        bases = [passed.basis for passed in story_of.rollouts[0].passed]
        assert bases == ["tasted", "probes", "probes", "probes"]
        assert any("promoted on golden requests alone" in event.text for event in story_of.events)

    run(tmp_path, story)


def test_what_the_trial_refuses_never_serves_is_quarantined_and_told_with_its_place(
    tmp_path: Path,
) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        end = await here.refused(here.text(timeout="66s"))
        assert (end.stage, end.code, end.release, end.serving) == (
            "taste", "node-rejected", "r2", "r1",
        )  # fmt: skip
        assert (end.envoy[0].file, end.envoy[0].line) == ("/etc/seawall/seawall.yaml", 8)
        assert here.node.history == ["r1"], "no client met it"
        records = {r.id: r for r in (await here.service.releases(limit=10)).releases}
        assert records["r2"].quarantined
        again = await here.refused(here.text(timeout="66s"))
        assert again.code == "release-quarantined"

    run(tmp_path, story)


def test_whoever_waits_for_a_step_hears_what_it_waits_for_how_long_and_what_then(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with (
            world(tmp_path / "data", trials=True) as here,
            measuring(here, here.node, requests=1_000.0),
        ):
            await here.applied(here.text())
            async for event in here.service.apply(sources(here.text(timeout="2s")), caller=ANN):
                assert isinstance(event, Progress), event
                if "of at most" in event.text:
                    break
            assert (event.stage, event.state) == ("canary", "started")
            assert event.text.startswith("step 1 of 3 (1 %), ")
            assert " s of at most 120 s, then golden requests decide: The candidate" in event.text
            listed = await course(here).history(ReleaseId("r2"))
            assert listed.rollouts[0].verdict.startswith("Not enough evidence")

    asyncio.run(story())


def test_going_back_to_what_was_good_skips_the_steps(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        for timeout in ("1s", "2s"):
            await here.applied(here.text(timeout=timeout))
        tried = list(here.node.tried)
        end = await here.rollback()
        assert isinstance(end, Applied), end
        assert here.node.serving == "r1"
        assert here.node.tried == tried
        listed = await course(here).history(ReleaseId("r1"))
        assert [rollout.straight for rollout in listed.rollouts] == ["first", "known-good"]

    run(tmp_path, story)


HOLD = "rollout: {without_traffic: hold}\n"


def test_a_held_release_stays_on_its_way_until_a_person_decides(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(HOLD + here.text())
        end = await here.refused(HOLD + here.text(timeout="2s"))
        assert end.code == "held", end
        now = await course(here).status()
        assert now.running is not None
        assert (now.running.release, now.running.stage, now.running.step) == ("r2", "canary", 1)
        assert now.running.held
        with pytest.raises(ConflictError, match="ann is rolling out r2"):
            await here.apply(HOLD + here.text(timeout="3s"))
        gone = await course(here).abort("bob", "not today")
        assert (gone.stage, gone.outcome) == ("aborted", "aborted by bob: not today")
        await until(lambda: here.node.trial is None, "the node withdrew it")
        assert here.node.serving == "r1"
        deeds = [e.what for e in (await here.service.audit(limit=20)).entries]
        assert "rollout-abort-asked" in deeds
        assert "rollout-aborted" in deeds

    run(tmp_path, story)


def test_a_person_lets_a_held_release_go_on_and_the_history_names_them(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(HOLD + here.text())
        await here.refused(HOLD + here.text(timeout="2s"))
        for _ in range(3):
            running = (await course(here).status()).running
            if running is None or running.stage != "canary":
                break
            step = running.step
            await until(lambda: here.held, "it is held")
            await course(here).resume("bob")
            await until(lambda step=step: here.step != step, "the next step")  # type: ignore[misc]  # - the step of now
        await until(lambda: here.node.serving == "r2", "committed")
        story_of = await course(here).history(ReleaseId("r2"))
        assert "person" in [passed.basis for passed in story_of.rollouts[0].passed]
        assert any("bob continued it without" in event.text for event in story_of.events)
        with pytest.raises((ConflictError, NotFoundError)):
            await course(here).resume("bob")

    run(tmp_path, story)


def test_a_freeze_refuses_releases_and_lets_a_way_back_through(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        for timeout in ("1s", "2s"):
            await here.applied(here.text(timeout=timeout))
        frozen = await course(here).freeze("ann", "errors everywhere")
        assert frozen.frozen is not None
        end = await here.refused(here.text(timeout="3s"))
        assert (end.code, "errors everywhere" in end.message) == ("frozen", True)
        assert "`--break-glass REASON`" in end.remedy
        listed = (await here.service.releases(limit=10)).releases
        assert [release.id for release in listed] == ["r2", "r1"], "nothing was stored"
        back = await here.rollback(force=("sites-removed",))
        assert isinstance(back, Applied), back
        assert "forced with 'sites-removed'" in back.notes[0]
        assert here.node.serving == "r1"
        await course(here).unfreeze("ann")
        await here.applied(here.text(timeout="4s"))
        with pytest.raises(ConflictError, match="Nothing is frozen"):
            await course(here).unfreeze("ann")

    run(tmp_path, story)


@pytest.mark.parametrize("named", [None, "r1"])
def test_rollback_while_a_release_is_on_its_way_withdraws_it_and_says_so(
    tmp_path: Path, named: str | None
) -> None:
    async def story(here: World) -> None:
        await here.applied(HOLD + here.text())
        await here.refused(HOLD + here.text(timeout="2s"))
        end = await last(here.service.rollback(named, caller=ANN))
        assert isinstance(end, Applied), end
        assert end.release is not None
        assert (end.release.id, end.withdrawn) == ("r1", "r2")
        assert "nothing to change" not in " ".join(end.notes)
        await until(lambda: here.node.trial is None, "withdrawn")

    run(tmp_path, story)


def test_apply_outlasts_a_node_that_is_back_in_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its agent is restarted long after a step began."""
    monkeypatch.setattr(limits, "ROLLOUT_NODE_PATIENCE_S", -1.0)

    async def story(here: World) -> None:
        await here.applied(here.text())
        await here.applied(here.text(timeout="2s"))
        story_of = await course(here).history(ReleaseId("r2"))
        told = [event.code for event in story_of.events]
        assert "held" in told
        assert "goes-on" in told

    run(tmp_path, story)


def test_apply_ends_when_a_node_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROLLOUT_NODE_PATIENCE_S", -1.0)
    monkeypatch.setattr(limits, "APPLY_LOST_PATIENCE_S", -1.0)

    async def story(here: World) -> None:
        await here.applied(here.text())
        assert (await here.refused(here.text(timeout="2s"))).code == "held"

    run(tmp_path, story)


def test_what_a_node_went_back_from_by_itself_is_not_said_to_serve(tmp_path: Path) -> None:
    """As after a crash loop: the release stays the one that should serve."""

    async def story(here: World) -> None:
        await here.applied(here.text())
        await here.applied(here.text(timeout="2s"))
        why = "Envoy kept dying with r2; r1 serves instead."
        stepped_back = NodeReport(
            here.node.name, here.node.generation, ReleaseId("r1"), None, Phase.REJECTED, why
        )
        await here.service.report(stepped_back)
        for end in (await here.rollback("r2"), await here.apply(here.text(timeout="2s"))):
            assert isinstance(end, Applied), end
            assert end.release is not None
            assert (end.changed, end.release.serving) == (False, False)
            assert end.node_generation == here.node.generation
            assert "But local does not serve it: Envoy kept dying with r2" in end.notes[0]
            assert "`seawall rollback r1`" in end.notes[0]

    live(tmp_path, story)


def test_a_fleet_takes_a_release_in_waves_and_a_late_node_gets_it_directly(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        key = load_public_key(here.data_dir / "control" / "signing.pub")
        port = here.service
        others = [MemoryNode(port, key, name=name, trials=True) for name in ("n1", "n2", "n3")]
        late = MemoryNode(port, key, name="zz", trials=True)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(node.run()) for node in others]
            async with measuring(here, *others):
                await here.applied(here.text())
                await until(lambda: all(n.serving == "r1" for n in others), "first everywhere")
                await here.applied(here.text(timeout="2s"))
                assert {n.serving for n in (here.node, *others)} == {"r2"}
                waves = [e.text for e in (await course(here).history(ReleaseId("r2"))).events]
                tastes = [text for text in waves if "taste on" in text and ":" not in text[4:]]
                assert [text.count(",") for text in tastes] == [0, 3], tastes
                tasks.append(group.create_task(late.run()))
                await until(lambda: late.serving == "r2", "the late node")
                assert late.tried == []
            for task in tasks:
                task.cancel()

    run(tmp_path, story)


def test_a_failed_trial_on_one_node_of_a_fleet_withdraws_it_from_all(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        key = load_public_key(here.data_dir / "control" / "signing.pub")
        other = MemoryNode(here.service, key, name="n1", trials=True)
        task = asyncio.ensure_future(other.run())
        async with measuring(here, other):
            await here.applied(here.text())
            await until(lambda: other.serving == "r1", "first everywhere")
            other.refuse = refuse_timeouts_of_66_s
            here.node.refuse = lambda _: ()
            end = await here.refused(here.text(timeout="66s"))
            assert end.code == "node-rejected"
            await until(lambda: here.node.serving == other.serving == "r1", "both back")
            await until(lambda: here.node.trial is None, "no trial is left")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(tmp_path, story)


def test_a_node_whose_generation_is_a_lie_does_not_use_the_numbers_up(tmp_path: Path) -> None:
    async def story(here: World) -> None:
        await here.applied(here.text())
        liar = NodeReport(NodeName("liar"), 2**52, None, None, Phase.GOOD)  # type: ignore[arg-type]  # - a number
        await here.service.report(liar)
        applying = asyncio.ensure_future(here.apply(here.text(timeout="2s")))
        executor = here.control.executor
        await until(lambda: here.node.serving == "r2", "the honest node has it")
        assert liar.node in executor.fleet.assigned
        assert executor.fleet.generation < 1_000
        # The rollout waits for the liar until it is silent for long, or removed.
        assert await here.service.forget(liar.node)
        assert isinstance(await applying, Applied)
        await here.service.report(liar)
        await until(
            lambda: (told := executor.fleet.assigned.get(liar.node)) and told.release == "r2",
            "the liar is told",
        )
        assert executor.fleet.generation < 1_000

    run(tmp_path, story)


def test_who_brought_a_release_that_was_withdrawn_is_told_what_the_fleet_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what the first node said last: it had committed what is withdrawn."""
    withdrawn: list[NodeReport] = []

    async def main(here: World) -> None:
        key = load_public_key(tmp_path / "data" / "control" / "signing.pub")
        nodes = [
            MemoryNode(here.service, key, name=name, refuse=refuse)
            for name, refuse in (("a", accept), ("b", refuse_timeouts_of_66_s))
        ]
        take, had = here.service.report, set[ReleaseId]()

        async def slow(report: NodeReport) -> None:
            """What the first node says of its way back comes when all is over."""
            had.update({report.release} if report.release and report.node == "a" else ())
            if report.node == "a" and report.release == "r1" and "r2" in had:
                withdrawn.append(report)
            else:
                await take(report)

        monkeypatch.setattr(here.service, "report", slow)
        following = [asyncio.ensure_future(node.run()) for node in nodes]
        try:
            policy = "rollout: {steps: [], waves: [50%]}\n"
            await here.applied(here.text(extra=policy))
            await until(lambda: all(node.serving == "r1" for node in nodes), "r1 everywhere")
            end = await here.refused(here.text(timeout="66s", extra=policy))
            assert "r2" in nodes[0].history, "the first wave had it"
            assert end.remedy.startswith("r1 serves.")
            assert end.serving == "r1"
        finally:
            here.control.close_polls()
            for each in following:
                each.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    live(tmp_path, main, with_node=False)
