"""The course of a release with real Envoys and traffic: nothing is lost, and what is bad goes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from helpers import free_port
from node.course_support import Story, crowd, failing, measuring, site
from node.streams import echo, open_upgrade, origin
from node.support import answer, bad_cluster, cluster, get, running, to_cluster, until
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.node.steering import Arm
from seawall.rollout.ports import Phase, TrialPhase


def tell_of_a_node(tmp_path: Path, tell: Callable[[Story, int, int], Awaitable[None]]) -> None:
    """A story of a node that passes everything on; it is given its port and that of the origin."""
    port = free_port()

    async def told() -> None:
        async with origin() as upstream, running(measuring(tmp_path)) as node:
            story = Story(node)
            await story.serve(site(port, upstream))
            await tell(story, port, upstream)

    asyncio.run(told())


def test_a_release_goes_through_taste_canary_and_commit_under_traffic(tmp_path: Path) -> None:
    new = {**answer("new"), "match": {"path": "/new"}}

    async def tell(story: Story, port: int, upstream: int) -> None:
        socket = await open_upgrade(port)
        async with crowd(port, clients=2) as clients:
            release = await story.try_out(site(port, upstream, first=new))
            report = await story.tasted()
            assert report.trial is not None
            assert report.trial.probes.asked >= 1
            assert report.trial.baseline
            await story.steered(100)
            await story.node.reported(
                lambda r: (
                    {"stable", "candidate", "baseline"}
                    <= {w.slot for w in r.windows if w.generation == r.generation and w.edge}
                ),
                "windows of all three slots",
            )
            await story.steered(500)
            await echo(socket, b"in the canary")
            report = await story.commit()
            assert report.release == release
            assert report.trial is None
        assert clients.failures == {}
        assert clients.statuses["200"] > 100
        assert await get(port, "/new") == b"new"
        await echo(socket, b"after the commit")
        assert story.node.agent.keeper.restarts == 0
        await socket.close()

    tell_of_a_node(tmp_path, tell)


def test_a_window_never_spans_two_steps(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port):
            await story.try_out(site(port, upstream, first=answer("other")))
            await story.tasted()
            for share in (100, 300):
                await story.steered(share)
                await story.node.reported(
                    lambda r: any(
                        w.slot == "candidate" and w.generation == r.generation for w in r.windows
                    ),
                    "a window of the step",
                )
        windows = [w for report in story.node.control.reports for w in report.windows]
        steps: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for window in windows:
            span = (window.start_s, window.start_s + window.duration_s)
            steps.setdefault((window.slot, window.generation), []).append(span)
        for (slot, generation), spans in steps.items():
            for other in (g for s, g in steps if s == slot and g > generation):
                later = min(start for start, _ in steps[slot, other])
                assert max(end for _, end in spans) <= later + 0.001

    tell_of_a_node(tmp_path, tell)


def test_a_candidate_that_answers_5xx_is_withdrawn_by_the_node_alone(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port, clients=2) as clients:
            await story.try_out(failing(port, upstream))
            await story.tasted()
            await story.steered(10)
            report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert report.trial.blames_content
        assert "5xx" in report.trial.message
        assert clients.failures.keys() <= {"503"}
        assert clients.statuses["503"] <= max(10, clients.statuses.total() // 20)

    tell_of_a_node(tmp_path, tell)


@pytest.mark.parametrize("upstream_fails", [True, False])
def test_a_route_that_leads_nowhere_meets_no_client(
    tmp_path: Path, *, upstream_fails: bool
) -> None:
    """A part of a site that few ask for: no count of clients would find it."""

    async def tell(story: Story, port: int, upstream: int) -> None:
        nowhere = cluster("nowhere", free_port() if upstream_fails else upstream)
        api = {**to_cluster("nowhere"), "match": {"prefix": "/api"}, "name": "demo/api"}
        await story.try_out(site(port, upstream, nowhere, first=api))
        if not upstream_fails:
            await story.tasted()
            return
        report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert report.trial.share_permille == 0
        assert report.trial.blames_content
        assert "HEAD http://golden.invalid/api of demo, for the route demo/api: 503 (" in (
            report.trial.message
        )
        assert "(connection_refused), stable: 200" in report.trial.message

    tell_of_a_node(tmp_path, tell)


def _pid(story: Story, arm: Arm) -> int:
    keeper = story.node.agent.trials.keeper(arm)
    assert keeper is not None
    assert keeper.process is not None
    return keeper.process.identity.pid


def test_a_candidate_that_dies_goes_and_stable_serves_everything(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        stable = story.node.agent.keeper.process
        await story.try_out(site(port, upstream, first=answer("new")))
        await story.tasted()
        await story.steered(300)
        os.kill(_pid(story, Arm.CANDIDATE), signal.SIGKILL)
        report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert "died" in report.trial.message
        assert report.trial.restarts == 1
        async with crowd(port) as clients:
            await until(lambda: clients.statuses["200"] > 30, what="answers of stable")
        assert clients.failures == {}
        assert story.node.agent.keeper.process is stable

    tell_of_a_node(tmp_path, tell)


def test_a_candidate_that_hangs_goes_within_seconds(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        await story.try_out(site(port, upstream, first=answer("new")))
        await story.tasted()
        await story.steered(300)
        pid = _pid(story, Arm.CANDIDATE)
        os.kill(pid, signal.SIGSTOP)
        report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert "did not answer" in report.trial.message
        async with crowd(port) as clients:
            await until(lambda: clients.statuses["200"] > 30, what="answers of stable")
        assert clients.failures == {}
        await until(lambda: not Path(f"/proc/{pid}/exe").exists(), what="its end")

    tell_of_a_node(tmp_path, tell)


def test_a_candidate_that_envoy_refuses_is_told_with_its_owner(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port) as clients:
            await story.try_out(site(port, upstream, bad_cluster()))
            report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert report.trial.nacks[0].owner == "origin bad"
        assert report.trial.blames_content
        assert report.phase is Phase.GOOD
        assert clients.failures == {}

    tell_of_a_node(tmp_path, tell)


def test_a_golden_request_that_only_the_candidate_fails_ends_the_taste(tmp_path: Path) -> None:
    broken = answer("broken")
    broken["direct_response"]["status"] = 500

    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port) as clients:
            await story.try_out(site(port, upstream, first=broken))
            report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert report.trial.probes.differed == 1
        assert "500, stable: 200" in report.trial.message
        assert clients.failures == {}, "no client met it"

    tell_of_a_node(tmp_path, tell)


def test_control_that_is_dead_for_the_lease_ends_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        await story.try_out(site(port, upstream, first=answer("new")))
        await story.tasted()
        await story.steered(300)
        agent = story.node.agent
        async with crowd(port) as clients:
            # Not before: on a busy machine a node may take longer than that to get here.
            monkeypatch.setattr("seawall.node.hearing.TRIAL_LEASE_S", 2.0)
            heard = agent.course.lease_due_s
            await story.assign(301)
            await until(lambda: agent.course.lease_due_s != heard, what="the last word of control")
            await story.node.control.go_away()
            trials = agent.trials
            await until(lambda: trials.keeper(Arm.CANDIDATE) is None, what="the withdrawal")
        assert clients.failures == {}
        await story.node.control.come_back()
        report = await story.reaches(TrialPhase.FAILED)
        assert report.trial is not None
        assert "control could not be reached" in report.trial.message
        assert not report.trial.blames_content

    tell_of_a_node(tmp_path, tell)


def test_control_that_only_takes_reports_is_as_good_as_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.node.hearing.TRIAL_LEASE_S", 2.0)

    async def tell(story: Story, port: int, upstream: int) -> None:
        await story.try_out(site(port, upstream, first=answer("new")))
        report = await story.reaches(TrialPhase.FAILED)  # its poll waits for longer than that
        assert report.trial is not None
        assert "could not end the trial" in report.trial.message
        assert not report.trial.blames_content

    tell_of_a_node(tmp_path, tell)


def test_a_trial_gives_way_to_another_one_under_traffic(tmp_path: Path) -> None:
    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port) as clients:
            await story.try_out(
                site(port, upstream, first={**answer("1"), "match": {"path": "/1"}})
            )
            await story.tasted()
            await story.steered(200)
            await story.try_out(
                site(port, upstream, first={**answer("2"), "match": {"path": "/2"}})
            )
            await story.tasted()
            await story.steered(200)
            await story.commit()
        assert clients.failures == {}
        assert await get(port, "/2") == b"2"

    tell_of_a_node(tmp_path, tell)


def test_a_candidate_that_needs_a_new_process_becomes_stable_itself(tmp_path: Path) -> None:
    body = Bootstrap(stats_flush_interval={"seconds": 7}).SerializeToString()
    other = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")

    async def tell(story: Story, port: int, upstream: int) -> None:
        async with crowd(port) as clients:
            await story.try_out(site(port, upstream, other))
            await story.tasted()
            await story.steered(500)
            pid = _pid(story, Arm.CANDIDATE)
            report = await story.commit()
            assert report.trial is None
        assert clients.failures == {}
        assert story.node.agent.keeper.process is not None
        assert story.node.agent.keeper.process.identity.pid == pid

    tell_of_a_node(tmp_path, tell)
