"""Trials where the kernel forbids what they need, or the agent dies in the middle."""

import asyncio
import errno
import os
import resource
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from helpers import free_port
from node.stage_support import alive, answers, loaded, standing
from node.support import Connection, edge, until
from node.test_trials import CONNECTIONS, Load, assert_share
from seawall.clock import SystemClock
from seawall.errors import RefusedError
from seawall.node.kernel import Kernel, Place
from seawall.node.restraint import usage
from seawall.node.sharing import Sharing
from seawall.node.steering import Arm, Program
from seawall.rollout.ports import Steering

SCRIPT = Path(__file__).with_name("trial_process.py")


def refused(call: str) -> RefusedError:
    return RefusedError("kernel-forbids", f"The kernel or the container forbids {call} (EPERM).")


class NoPrograms(Kernel):
    """A container that filters the option; `after` so many calls."""

    def __init__(self, *, after: int = 0) -> None:
        self.left = after

    def attach(self, member: socket.socket, program: Program) -> None:
        if self.left <= 0:
            raise refused("SO_ATTACH_REUSEPORT_CBPF")
        self.left -= 1
        super().attach(member, program)


class NoLooking(Kernel):
    """Another process's descriptors may not be seen."""

    def sockets(self, pid: int) -> dict[int, int]:
        raise refused(f"reading /proc/PID/fd of {pid}")


class NoWayIn(Kernel):
    """Nothing is borrowed and no socket of our own may join."""

    def borrow(self, pid: int, descriptor: int) -> socket.socket:
        raise refused(f"pidfd_getfd {descriptor} of {pid}")

    def anchor(self, place: Place) -> socket.socket:
        raise refused(f"joining the group of sockets of {place}")


@pytest.mark.parametrize(
    ("kernel", "call"),
    [
        (NoPrograms(), "SO_ATTACH_REUSEPORT_CBPF"),
        (NoLooking(), "/proc/PID/fd"),
        (NoWayIn(), "joining"),
    ],
    ids=["attach", "look", "join"],
)
def test_where_the_kernel_forbids_steering_it_is_said_and_one_socket_takes_part(
    tmp_path: Path, kernel: Kernel, call: str
) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path, workers=3, kernel=kernel) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            found = await stand.trials.start(new, old, baseline=True, deadline_s=20)
            assert found.why == ""
            assert stand.trials.steering is Steering.COARSE
            assert call in stand.trials.why_not_exact
            assert not stand.trials.baseline
            assert (await stand.trials.open()).why == ""
            assert await stand.trials.steer(0) is Steering.COARSE
            assert await answers(port, 100) == Counter(one=100)
            await stand.trials.steer(10)
            assert stand.trials.share_permille == 250
            await until(lambda: _sockets(port) == 4, what="its socket")
            found_answers = await answers(port, CONNECTIONS)
            assert found_answers["lost"] == 0
            assert CONNECTIONS // 6 < found_answers["two"] < CONNECTIONS // 3
            await stand.trials.steer(0)
            await until(lambda: _sockets(port) == 3, what="its end")
            assert await answers(port, 100) == Counter(one=100)
            await stand.trials.withdraw()
            assert (await stand.trials.swap(new, old)).why == ""
            assert stand.slots.active.workers == 3
            await until(lambda: _sockets(port) == 3, what="the old sockets to go")
            assert await answers(port, 100) == Counter(two=100)

    asyncio.run(story())


def _sockets(port: int) -> int:
    return sum(found.port == port for found in Kernel().listening())


def test_a_kernel_that_refuses_in_the_middle_makes_the_candidate_private(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        kernel = NoPrograms(after=1000)
        async with standing(tmp_path, kernel=kernel) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            await stand.trials.start(new, old, baseline=False, deadline_s=20)
            await stand.trials.open()
            await stand.trials.steer(500)
            kernel.left = 0
            assert await stand.trials.steer(0) is Steering.COARSE
            assert stand.trials.share_permille == 0
            await until(lambda: _sockets(port) == 2, what="its sockets to close")
            assert await answers(port, 200) == Counter(one=200)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "/proc/6848/fd"), False),
        (ProcessLookupError(errno.ESRCH, "No such process"), False),
        (PermissionError(errno.EPERM, "Operation not permitted"), True),
    ],
)
def test_a_process_that_died_is_no_kernel_that_refuses(error: OSError, *, refused: bool) -> None:
    sharing = Sharing(Kernel(), SystemClock())
    sharing.not_exact(error)
    assert sharing.steering is Steering.COARSE
    assert bool(sharing.why_not_exact) is refused


def test_what_can_be_shared_is_known_before_there_is_a_trial(tmp_path: Path) -> None:
    port = free_port()

    async def story(kernel: Kernel, expected: Steering, directory: Path) -> None:
        async with standing(directory, kernel=kernel) as stand:
            assert stand.trials.steering is Steering.NONE
            await stand.serve(loaded(edge(port, "one")))
            await until(lambda: stand.trials.steering is expected, what="the answer")
            assert await answers(port, 50) == Counter(one=50)

    asyncio.run(story(Kernel(), Steering.KERNEL, tmp_path / "a"))
    asyncio.run(story(NoPrograms(), Steering.COARSE, tmp_path / "b"))


async def begun(data_dir: Path, port: int, permille: int) -> None:
    """A trial whose agent was killed -9 at this share."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(SCRIPT), str(data_dir), str(port), str(permille)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
    process.kill()
    await process.wait()


def test_the_share_outlives_a_killed_agent_and_the_next_one_withdraws(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        await begun(tmp_path, port, 100)
        found = await answers(port, CONNECTIONS)
        assert set(found) <= {"one", "two"}, found
        assert_share(found["two"], CONNECTIONS, 100)
        async with standing(tmp_path) as stand:
            await stand.serve(loaded(edge(port, "one")))
            assert stand.trials.leftover
            pids = {arm: keeper.pid for arm in Arm if (keeper := stand.trials.keeper(arm))}
            assert len(pids) == 3
            async with Load(port).going() as load:
                await stand.trials.withdraw(5)
                await load.some()
            assert load.lost == []
            assert not stand.trials.leftover
            assert await answers(port, 200) == Counter(one=200)
            await until(lambda: not alive(pids[Arm.CANDIDATE]), what="the candidate's end")
            await until(lambda: not alive(pids[Arm.BASELINE]), what="the baseline's end")

    asyncio.run(story())


def test_an_envoy_without_a_role_is_drained_by_the_next_agent(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        await begun(tmp_path, port, 0)
        for link in ("candidate", "baseline"):
            (tmp_path / "node" / link).unlink()
        async with standing(tmp_path) as stand:
            await stand.serve(loaded(edge(port, "one")))
            assert not stand.trials.leftover
            others = [keeper for keeper in stand.slots.all if keeper is not stand.slots.active]
            await until(lambda: not any(keeper.running for keeper in others), what="their end")
            assert await answers(port, 100) == Counter(one=100)

    asyncio.run(story())


def test_two_links_to_one_slot_make_it_stable(tmp_path: Path) -> None:
    """So an agent leaves them that dies while it turns."""
    port = free_port()

    async def story() -> None:
        await begun(tmp_path, port, 1000)
        home = tmp_path / "node"
        (home / "stable").unlink()
        (home / "stable").symlink_to((home / "candidate").readlink())
        usual, _ = resource.getrlimit(resource.RLIMIT_DATA)
        async with standing(tmp_path) as stand:
            new = loaded(edge(port, "two"), "r2")
            await stand.serve(new)
            assert stand.slots.active.process is not None
            assert stand.slots.active.process.adopted
            assert resource.prlimit(stand.slots.active.pid, resource.RLIMIT_DATA)[0] == usual
            assert stand.trials.keeper(Arm.CANDIDATE) is None
            await stand.trials.withdraw(1)
            others = [keeper for keeper in stand.slots.all if keeper is not stand.slots.active]
            await until(lambda: not any(keeper.running for keeper in others), what="their end")
            assert await answers(port, 200) == Counter(two=200)

    asyncio.run(story())


def test_candidate_and_baseline_stand_behind_stable(tmp_path: Path) -> None:
    port = free_port()

    def niceness(pid: int) -> int:
        return os.getpriority(os.PRIO_PROCESS, pid)

    def first_to_be_killed(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    def bounded(pid: int) -> bool:
        return resource.prlimit(pid, resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            await stand.trials.start(new, old, baseline=True, deadline_s=20)
            await stand.trials.open()
            stable = stand.slots.active.pid
            usual = first_to_be_killed(stable)
            for arm in (Arm.CANDIDATE, Arm.BASELINE):
                keeper = stand.trials.keeper(arm)
                assert keeper is not None
                assert first_to_be_killed(keeper.pid) > usual
                assert bounded(keeper.pid)
                if os.geteuid() == 0:
                    assert niceness(keeper.pid) > niceness(stable)
                found = usage(keeper.pid)
                assert found is not None
                assert found.cpu_s > 0
                assert found.resident_bytes > 10 * 2**20
            candidate = stand.trials.keeper(Arm.CANDIDATE)
            assert candidate is not None
            await stand.trials.turn()
            assert stand.slots.active is candidate
            assert niceness(candidate.pid) == niceness(os.getpid())
            assert first_to_be_killed(candidate.pid) == 0
            assert not bounded(candidate.pid)
            assert usage(2**22 + 1) is None

    asyncio.run(story())


def test_a_swap_to_other_addresses_shares_nothing_and_is_made(tmp_path: Path) -> None:
    before, after = free_port(), free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(before, "one")), loaded(edge(after, "two"), "r2")
            await stand.serve(old)
            assert (await stand.trials.swap(new, old)).why == ""
            assert not stand.trials.leftover
            assert stand.slots.active.workers == 2
            assert await answers(after, 50) == Counter(two=50)
            await until(lambda: _sockets(before) == 0, what="the old sockets to go")

    asyncio.run(story())


def test_a_candidate_that_dies_of_its_first_clients_takes_nothing_over(tmp_path: Path) -> None:
    """It is noticed after all connections were handed to it, and before stable is told to go."""
    port = free_port()

    async def story(monkeypatch: pytest.MonkeyPatch) -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            stable, hand_over = stand.slots.active, Sharing.hand_over

            async def fatal(sharing: Sharing, pids: Mapping[Arm, int]) -> None:
                await hand_over(sharing, pids)
                keeper = stand.trials.keeper(Arm.CANDIDATE)
                assert keeper is not None
                os.kill(keeper.pid, 9)
                await until(lambda: not keeper.running, what="its end")

            monkeypatch.setattr(Sharing, "hand_over", fatal)
            found = await stand.trials.swap(new, old)
            assert "is not running" in found.why
            assert "SIGKILL" in found.why
            assert stand.slots.active is stable
            assert stable.running
            assert not stand.trials.leftover
            assert await answers(port, 100) == Counter(one=100)

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(story(monkeypatch))


def test_a_stable_that_dies_in_the_taste_does_not_spoil_the_opening(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            await stand.trials.start(new, old, baseline=True, deadline_s=20)
            stable = stand.slots.active
            pid = stable.pid
            os.kill(pid, 9)
            await until(lambda: stable.running and stable.pid != pid, what="the restart")
            await until(lambda: stable.link.session.settled, what="the release")
            client = await Connection.open(port)
            assert await client.get() == b"one"
            await client.close()
            assert (await stand.trials.open()).why == ""
            assert await answers(port, 200) == Counter(one=200)
            await stand.trials.steer(1000)
            assert await answers(port, 200) == Counter(two=200)

    asyncio.run(story())
