"""The agent is killed in the middle of a release's course; the next one finds what stands."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from helpers import free_port
from node.course_process import SHARE
from node.course_support import crowd, measuring
from node.streams import echo, open_upgrade, origin
from node.support import agent_script, get, running, until
from seawall.node.steering import Arm
from seawall.rollout.ports import Phase, TrialPhase

SCRIPT = Path(__file__).with_name("course_process.py")


def agent_in(
    stage: str, data_dir: Path, port: int, upstream: int
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """An agent at that stage; killed at the end."""
    return agent_script(SCRIPT, data_dir, port, upstream, stage, ready_s=40)


@pytest.mark.parametrize("stage", ["taste", "canary"])
def test_a_killed_agent_clears_its_trial_and_comes_back_to_what_is_assigned(
    stage: str, tmp_path: Path
) -> None:
    port = free_port()

    async def tell() -> None:
        async with origin() as upstream:
            async with agent_in(stage, tmp_path, port, upstream):
                socket = await open_upgrade(port)
            async with running(measuring(tmp_path)) as node, crowd(port) as clients:
                wanted = TrialPhase.TASTED if stage == "taste" else TrialPhase.STEERED
                report = await node.reported(lambda r: r.trial and r.trial.phase is wanted)
                assert report.trial is not None
                assert report.trial.share_permille == (0 if stage == "taste" else SHARE)
                assert report.release == "r1"
                assert min(r.generation for r in node.control.reports) == report.generation
                await echo(socket, b"nobody noticed")
                await socket.close()
            assert clients.failures == {}

    asyncio.run(tell())


def test_an_agent_killed_in_the_canary_ends_the_trial_while_control_is_away(
    tmp_path: Path,
) -> None:
    port = free_port()

    async def tell() -> None:
        async with origin() as upstream:
            async with agent_in("canary", tmp_path, port, upstream):
                pass
            node = measuring(tmp_path)
            await node.control.go_away()
            async with running(node), crowd(port) as clients:
                agent = node.agent
                await until(lambda: not agent.course.leftover, what="the withdrawal")
                assert agent.trials.keeper(Arm.CANDIDATE) is None
                assert agent.course.trial is None
                await until(lambda: agent.course.phase is Phase.GOOD, what="the course knows")
                count = clients.statuses["200"]
                await until(lambda: clients.statuses["200"] > count + 20, what="answers")
            assert clients.failures == {}

    asyncio.run(tell())


def test_an_agent_killed_in_the_commit_finishes_it_from_its_disk(tmp_path: Path) -> None:
    port = free_port()

    async def tell() -> None:
        async with origin() as upstream:
            async with agent_in("commit", tmp_path, port, upstream):
                socket = await open_upgrade(port)
            node = measuring(tmp_path)
            await node.control.go_away()
            async with running(node), crowd(port) as clients:
                await until(
                    lambda: node.agent.serving and node.agent.serving.release == "r2",
                    what="the commit",
                )
                await until(lambda: not node.agent.course.leftover, what="the withdrawal")
                await until(lambda: node.agent.course.phase is Phase.GOOD, what="the bake")
                assert await get(port, "/new") == b"new"
                await echo(socket, b"nobody noticed")
                await socket.close()
            assert clients.failures == {}

    asyncio.run(tell())
