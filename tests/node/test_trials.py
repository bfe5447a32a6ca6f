"""Real Envoys on one port, steered by the real kernel."""

import asyncio
import math
import os
import signal
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from helpers import POLL_S, free_port
from node.stage_support import Stand, addressed, alive, answers, certificate, loaded, standing
from node.support import Connection, answer, bad_cluster, cluster, edge, routes, until, whole
from seawall.compiler.snapshot import Snapshot
from seawall.node.groups import Groups
from seawall.node.steering import PERMILLE, Arm
from seawall.rollout.ports import Steering
from tls_material import TlsAuthority

CONNECTIONS = 1000
CHANCE_OF_A_FALSE_ALARM = 1e-9
STALL_S = 3.0

Story = Callable[[Stand], Awaitable[None]]


def assert_share(found: int, count: int, permille: int) -> None:
    """Fail when a fair draw gives a count so far off less than once in a thousand million."""
    if permille in (0, PERMILLE):
        assert found == count * permille // PERMILLE
        return
    share = permille / PERMILLE

    def chance(k: int) -> float:
        return math.comb(count, k) * share**k * (1 - share) ** (count - k) if k < 300 else exact(k)

    def exact(k: int) -> float:
        logarithm = (
            math.lgamma(count + 1)
            - math.lgamma(k + 1)
            - math.lgamma(count - k + 1)
            + k * math.log(share)
            + (count - k) * math.log1p(-share)
        )
        return math.exp(logarithm)

    tail = range(found + 1) if found < count * share else range(found, count + 1)
    assert sum(map(exact, tail)) > CHANCE_OF_A_FALSE_ALARM, f"{found} of {count} at {permille}"


@asynccontextmanager
async def on_trial(
    data_dir: Path, old: Snapshot, new: Snapshot, *, baseline: bool = True, workers: int = 2
) -> AsyncIterator[Stand]:
    """A node that serves `old` with `new` opened beside it, without a share."""
    async with standing(data_dir, workers=workers) as stand:
        current = loaded(old)
        await stand.serve(current)
        found = await stand.trials.start(
            loaded(new, "r2"), current, baseline=baseline, deadline_s=20
        )
        assert found.why == ""
        assert (await stand.trials.open()).why == ""
        yield stand


def play(
    data_dir: Path,
    story: Story,
    *,
    old: Snapshot,
    new: Snapshot,
    baseline: bool = True,
    workers: int = 2,
) -> None:
    async def all_of_it() -> None:
        async with on_trial(data_dir, old, new, baseline=baseline, workers=workers) as stand:
            await story(stand)

    asyncio.run(all_of_it())


@pytest.mark.parametrize("workers", [1, 3])
def test_exactly_the_share_asked_for_reaches_the_candidate(tmp_path: Path, workers: int) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        for permille in (0, 10, 100, 500, 1000, 0):
            assert await stand.trials.steer(permille) is Steering.KERNEL
            assert stand.trials.share_permille == permille
            found = await answers(port, CONNECTIONS)
            assert found["lost"] == 0
            assert_share(found["two"], CONNECTIONS, permille)

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"), workers=workers)


def test_the_baseline_gets_as_much_as_the_candidate(tmp_path: Path) -> None:
    port = free_port()

    async def served(stand: Stand, arm: Arm) -> int:
        keeper = stand.trials.keeper(arm)
        assert keeper is not None
        text = await keeper.slot.admin.stats_text(stats_filter="^http.http.downstream_rq_total$")
        return int(text.rpartition(b":")[2])

    async def story(stand: Stand) -> None:
        await stand.trials.steer(200)
        await answers(port, CONNECTIONS)
        counts = {arm: await served(stand, arm) for arm in Arm}
        assert sum(counts.values()) == CONNECTIONS
        assert_share(counts[Arm.CANDIDATE], CONNECTIONS, 200)
        assert_share(counts[Arm.BASELINE], CONNECTIONS, 200)

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_every_address_and_tls_have_the_same_share(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(4)]
    authority = TlsAuthority()
    pair = authority.issue("demo.test")
    context = authority.client()

    def everywhere(text: str) -> Snapshot:
        return whole(
            cluster("origin", 1),
            addressed("127.0.0.1", ports[0]),
            addressed("::1", ports[1]),
            addressed("::", ports[2]),
            addressed("0.0.0.0", ports[3], tls=True),
            certificate(*pair),
            routes([answer(text)]),
        )

    async def story(stand: Stand) -> None:
        for permille in (0, 100, 1000):
            await stand.trials.steer(permille)
            tls = {"ssl": context, "server_hostname": "demo.test"}
            some = 100 if permille in (0, PERMILLE) else 500  # nothing is drawn by lot there
            for host, port, count, options in (
                ("127.0.0.1", ports[0], some, {}),
                ("::1", ports[1], some, {}),
                ("::1", ports[2], some, {}),
                ("127.0.0.1", ports[2], some, {}),
                ("127.0.0.1", ports[3], min(some, 200), tls),
            ):
                found = await answers(port, count, host=host, **options)
                assert found["lost"] == 0
                assert_share(found["two"], count, permille)

    play(tmp_path, story, old=everywhere("one"), new=everywhere("two"))


def test_in_the_taste_no_client_can_reach_the_candidate_and_the_agent_can(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            await stand.trials.start(new, old, baseline=False, deadline_s=20)
            assert await answers(port, 50) == Counter(one=50)
            keeper = stand.trials.keeper(Arm.CANDIDATE)
            assert keeper is not None
            assert b"tcp" not in await keeper.slot.admin.get("/listeners")
            assert str(port).encode() not in await keeper.slot.admin.get("/listeners")
            for arm, text in ((Arm.STABLE, "one"), (Arm.CANDIDATE, "two")):
                path = stand.trials.taste_socket(arm, "http")
                assert path is not None
                assert path.stat().st_mode & 0o777 == 0o600
                client = Connection(*await asyncio.open_unix_connection(path))
                assert await client.get() == text.encode()
                await client.close()
            await stand.trials.withdraw()
            assert stand.trials.taste_socket(Arm.CANDIDATE, "http") is None
            assert await answers(port, 50) == Counter(one=50)

    asyncio.run(story())


def test_a_candidate_that_envoy_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old = loaded(edge(port, "one"))
            await stand.serve(old)
            bad = loaded(edge(port, "two", bad_cluster()), "r2")
            found = await stand.trials.start(bad, old, baseline=True, deadline_s=20)
            assert "maglev" in found.why
            assert found.nacks[0].owner == "origin bad"
            assert found.blames_content
            assert not stand.trials.leftover
            assert not (tmp_path / "node" / "candidate").is_symlink()
            assert await answers(port, 50) == Counter(one=50)
            good = loaded(edge(port, "three"), "r3")
            assert (await stand.trials.start(good, old, baseline=True, deadline_s=20)).why == ""

    asyncio.run(story())


def test_an_address_that_is_new_or_gone_waits_for_the_commit(tmp_path: Path) -> None:
    kept, new, gone = free_port(), free_port(), free_port()

    def at(text: str, *ports: int) -> Snapshot:
        places = [addressed("127.0.0.1", port) for port in ports]
        return whole(cluster("origin", 1), *places, routes([answer(text)]))

    async def story(stand: Stand) -> None:
        await stand.trials.steer(1000)
        assert await answers(kept, 20) == Counter(two=20)
        assert await answers(gone, 20) == Counter(one=20)
        assert await answers(new, 20) == Counter(lost=20)
        assert (await stand.trials.turn()).why == ""
        assert await answers(new, 20) == Counter(two=20)
        assert await answers(kept, 20) == Counter(two=20)
        assert await answers(gone, 20) == Counter(lost=20)

    play(tmp_path, story, old=at("one", kept, gone), new=at("two", kept, new))


class Load:
    """Clients that keep connections for some requests and count what is lost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._easy = False
        self.answers: Counter[str] = Counter()
        self.lost: list[str] = []
        self._going = True

    async def client(self, requests: int) -> None:
        while self._going:
            try:
                connection = await Connection.open(self.port)
            except OSError as error:
                self.lost.append(f"connect: {error!r}")
                continue
            try:
                for number in range(requests):
                    status, headers = await connection.ask("/")
                    assert status == 200
                    body = await connection.reader.readexactly(int(headers["content-length"]))
                    self.answers[body.decode()] += 1
                    if self._easy:
                        await asyncio.sleep(POLL_S)
                    if headers.get("connection") == "close" or not self._going:
                        break
                    assert number < requests
            except (OSError, EOFError) as error:
                self.lost.append(f"request {number}: {error!r}")
            await connection.close()

    @asynccontextmanager
    async def going(self) -> AsyncIterator["Load"]:
        async with asyncio.TaskGroup() as tasks:
            for requests in (1, 1, 3, 10, 10**6, 10**6):
                tasks.create_task(self.client(requests))
            try:
                await self.some()
                yield self
                await self.some()
            finally:
                self._going = False

    @contextmanager
    def easier(self) -> Iterator[None]:
        """Leave the processor to an Envoy that starts, and that no client can reach yet."""
        self._easy = True
        try:
            yield
        finally:
            self._easy = False

    async def some(self, count: int = 300) -> None:
        """Wait until so many more were answered."""
        wanted = self.answers.total() + count
        await until(lambda: self.answers.total() >= wanted, what="answers")


def test_nobody_meets_a_candidate_that_opens(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            async with Load(port).going() as load:
                for _ in range(4):
                    with load.easier():
                        begun = await stand.trials.start(new, old, baseline=True, deadline_s=20)
                    assert begun.why == ""
                    assert (await stand.trials.open()).why == ""
                    await load.some()
                    await stand.trials.withdraw(0)
            assert load.lost == []
            assert load.answers.keys() == {"one"}

    asyncio.run(story())


def test_a_candidate_that_gets_no_processor_for_some_seconds_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that is busy: whose sockets are where is seen by what each one accepts."""
    port = free_port()
    accepted = Groups._accepted

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
            await stand.serve(old)
            await stand.trials.start(new, old, baseline=False, deadline_s=20)
            keeper = stand.trials.keeper(Arm.CANDIDATE)
            assert keeper is not None
            goes_on = threading.Timer(STALL_S, os.kill, (keeper.pid, signal.SIGCONT))

            def stalled(groups: Groups, address: str, ports: list[int]) -> dict[int, int]:
                os.kill(keeper.pid, signal.SIGSTOP)
                goes_on.start()
                return accepted(groups, address, ports)

            monkeypatch.setattr(Groups, "_accepted", stalled)
            found = await stand.trials.open()
            monkeypatch.undo()
            goes_on.join()
            assert found.why == ""
            await stand.trials.steer(1000)
            assert await answers(port, 50) == Counter(two=50)

    asyncio.run(story())


def test_a_withdrawal_under_load_loses_no_request(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        async with Load(port).going() as load:
            for permille in (100, 500, 1000):
                await stand.trials.steer(permille)
                await load.some()
            await until(lambda: load.answers["two"] > 100, what="answers of the candidate")
            await stand.trials.steer(0)
            await load.some()
            await stand.trials.withdraw()
            await load.some()
        assert load.lost == []
        assert await answers(port, 100) == Counter(one=100)

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_a_commit_in_place_while_a_trial_is_open_loses_no_request(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old = loaded(edge(port, "old"))
            await stand.serve(old)
            async with Load(port).going() as load:
                for number in range(3):
                    new = loaded(edge(port, f"new {number}"), f"r{number}")
                    with load.easier():
                        await stand.trials.start(new, old, baseline=True, deadline_s=20)
                    assert (await stand.trials.open()).why == ""
                    await stand.trials.steer(300)
                    await load.some()
                    assert (await stand.serving.commit(new, tried=True)).why == ""
                    await stand.trials.withdraw()
                    assert not stand.trials.leftover
                    old = new
                    await load.some()
            assert load.lost == []
            assert (tmp_path / "node" / "stable").readlink() == Path("a")
            assert await answers(port, 50) == Counter({"new 2": 50})

    asyncio.run(story())


@pytest.mark.parametrize("opened", [True, False])
def test_a_swap_of_processes_under_load_loses_no_request(tmp_path: Path, opened: bool) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            old = loaded(edge(port, "one"))
            await stand.serve(old)
            async with Load(port).going() as load:
                for number in range(3):
                    new = loaded(edge(port, f"new {number}"), f"r{number}")
                    if opened:
                        with load.easier():
                            await stand.trials.start(new, old, baseline=True, deadline_s=20)
                        assert (await stand.trials.open()).why == ""
                        await stand.trials.steer(100)
                        await load.some()
                        assert (await stand.trials.turn()).why == ""
                    else:
                        assert (await stand.trials.swap(new, old)).why == ""
                    old = new
                    await until(lambda now=number: load.answers[f"new {now}"] > 50, what="answers")
            assert load.lost == []
            assert await answers(port, 50) == Counter({"new 2": 50})
            serving = stand.slots.active.slot.name
            assert (tmp_path / "node" / "stable").readlink() == Path(serving)
            assert not stand.trials.leftover

    asyncio.run(story())


def test_a_killed_candidate_costs_only_its_own_connections(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        await stand.trials.steer(100)
        stay = [await Connection.open(port) for _ in range(40)]
        bodies = [await client.get() for client in stay]
        keeper = stand.trials.keeper(Arm.CANDIDATE)
        assert keeper is not None
        assert keeper.process is not None
        keeper.process._signal(signal.SIGKILL)
        async with asyncio.timeout(5):
            await stand.trials.died.wait()
        assert "SIGKILL" in stand.trials.ending
        assert stand.trials.share_permille == 0
        assert await answers(port, 500) == Counter(one=500)
        for client, body in zip(stay, bodies, strict=True):
            if body == b"one":
                assert await client.get() == b"one"
            await client.close()
        await stand.trials.withdraw()
        assert not stand.trials.leftover

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_a_candidate_that_hangs_is_noticed_and_its_share_returns_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr("seawall.node.envoy.ENVOY_STOP_TERM_S", 3_600.0)  # it is not asked to end

    async def story(stand: Stand) -> None:
        await stand.trials.steer(100)
        keeper = stand.trials.keeper(Arm.CANDIDATE)
        assert keeper is not None
        assert keeper.process is not None
        pid = keeper.pid
        assert await stand.trials.answers(Arm.CANDIDATE)
        keeper.process._signal(signal.SIGSTOP)
        assert not await stand.trials.answers(Arm.CANDIDATE)
        assert await stand.trials.answers(Arm.STABLE)
        await stand.trials.steer(0)
        assert await answers(port, 500) == Counter(one=500)
        await stand.trials.withdraw(0)
        assert not alive(pid)
        assert await answers(port, 500) == Counter(one=500)

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_a_baseline_that_dies_leaves_the_candidates_share_as_it_was(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        await stand.trials.steer(200)
        keeper = stand.trials.keeper(Arm.BASELINE)
        assert keeper is not None
        assert keeper.process is not None
        keeper.process._signal(signal.SIGKILL)
        await until(lambda: not stand.trials.baseline, what="the death to be noticed")
        await stand.trials.steer(200)
        found = await answers(port, CONNECTIONS)
        assert_share(found["two"], CONNECTIONS, 200)
        assert found["lost"] == 0

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_when_stable_dies_others_serve_and_it_gets_its_share_back(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        await stand.trials.steer(100)
        stable = stand.slots.active
        assert stable.process is not None
        old_pid = stable.pid
        stable.process._signal(signal.SIGKILL)
        await until(lambda: stable.running and stable.pid != old_pid, what="the restart")
        await until(lambda: stable.link.session.settled, what="the release")

        async def steered() -> None:
            async with stand.trials._stage.one:
                return

        await steered()
        found = await answers(port, CONNECTIONS)
        assert_share(found["two"], CONNECTIONS, 100)
        assert found["lost"] == 0
        await stand.trials.withdraw()
        assert await answers(port, 100) == Counter(one=100)

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_a_client_of_the_candidate_is_told_to_go_elsewhere(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand) -> None:
        await stand.trials.steer(1000)
        client = await Connection.open(port)
        assert await client.get() == b"two"
        keeper = stand.trials.keeper(Arm.CANDIDATE)
        assert keeper is not None
        pid = keeper.pid
        await stand.trials.withdraw()
        assert alive(pid)  # one connection is open
        status, headers = await client.ask("/")
        assert (status, headers["connection"]) == (200, "close")
        await client.close()
        await until(lambda: not alive(pid), what="its end")

    play(tmp_path, story, old=edge(port, "one"), new=edge(port, "two"))


def test_tls_contexts_of_clients_are_verified(tmp_path: Path) -> None:
    port = free_port()
    authority = TlsAuthority()
    pair = authority.issue("demo.test")
    parts = (cluster("origin", 1), addressed("127.0.0.1", port, tls=True), certificate(*pair))

    async def story(stand: Stand) -> None:
        path = stand.trials.taste_socket(Arm.CANDIDATE, "https")
        assert path is not None
        context = authority.client()
        client = Connection(
            *await asyncio.open_unix_connection(path, ssl=context, server_hostname="demo.test")
        )
        assert await client.get() == b"two"
        await client.close()
        with suppress(ssl.SSLError):
            await asyncio.open_unix_connection(
                path, ssl=ssl.create_default_context(), server_hostname="demo.test"
            )
            pytest.fail("a certificate of nobody was believed")

    play(
        tmp_path,
        story,
        old=whole(*parts, routes([answer("one")])),
        new=whole(*parts, routes([answer("two")])),
    )
