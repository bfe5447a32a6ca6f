"""A candidate that loads what it can before its release is known: real Envoys."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from helpers import POLL_S, free_port
from node.course_support import measuring
from node.stage_support import Stand, alive, answers, loaded, standing
from node.support import DEADLINE_S, answer, cluster, edge, listener, routes, until, whole
from node.support import running as running_agent
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.node import headstart
from seawall.node.lastgood import Loaded
from seawall.node.steering import Arm
from seawall.rollout.ports import Trial, TrialPhase

Story = Callable[[Stand, Loaded], Awaitable[None]]


def pid(stand: Stand, arm: Arm = Arm.CANDIDATE) -> int:
    keeper = stand.trials.keeper(arm)
    return keeper.pid if keeper is not None else 0


async def waiting(stand: Stand, current: Loaded) -> int:
    """The process id of a candidate that has no release yet."""
    stand.trials.expect(current)
    return int(await until(lambda: pid(stand), what="a head start"))


async def tried(stand: Stand, release: Loaded, current: Loaded, *, baseline: bool = False) -> str:
    found = await stand.trials.start(release, current, baseline=baseline, deadline_s=20)
    return found.why


def play(data_dir: Path, old: Snapshot, story: Story) -> None:
    async def all_of_it() -> None:
        async with standing(data_dir) as stand:
            current = loaded(old)
            await stand.serve(current)
            await story(stand, current)

    asyncio.run(all_of_it())


def test_a_change_of_routes_is_tried_by_the_process_that_waits_for_it(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        assert await answers(port, 50) == Counter(one=50), "no client meets it"
        assert await tried(stand, loaded(edge(port, "two"), "r2"), current, baseline=True) == ""
        assert pid(stand) == begun
        assert stand.trials.baseline
        assert (await stand.trials.open()).why == ""
        assert await answers(port, 50) == Counter(one=50)
        await stand.trials.steer(1000)
        assert await answers(port, 50) == Counter(two=50)
        await stand.trials.withdraw()
        assert await answers(port, 50) == Counter(one=50)

    play(tmp_path, edge(port, "one"), story)


@pytest.mark.parametrize("other", ["an origin", "a listener", "an origin less", "a bootstrap"])
def test_any_other_change_is_tried_by_a_process_that_has_seen_nothing_else(
    tmp_path: Path, other: str
) -> None:
    port = free_port()
    old = edge(port, "one", cluster("second", 2))
    body = Bootstrap(flags_path="/nowhere").SerializeToString()
    bootstrap = Resource(TypeUrl.BOOTSTRAP, "bootstrap", body, "edge")
    new = {
        "an origin": edge(port, "two", cluster("second", 3)),
        "a listener": whole(
            *edge(port, "two", cluster("second", 2)).resources, listener(free_port(), name="b")
        ),
        "an origin less": edge(port, "two"),
        "a bootstrap": edge(port, "two", cluster("second", 2), bootstrap),
    }[other]

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        assert await tried(stand, loaded(new, "r2"), current) == ""
        assert pid(stand) != begun
        assert not alive(begun)
        assert (await stand.trials.open()).why == ""
        await stand.trials.steer(1000)
        assert await answers(port, 50) == Counter(two=50)

    play(tmp_path, old, story)


def test_a_release_that_envoy_refuses_is_refused_by_one_that_loaded_nothing_else(
    tmp_path: Path,
) -> None:
    port = free_port()
    unreadable = {**answer("two"), "match": {"safe_regex": {"regex": "("}}}

    async def story(stand: Stand, current: Loaded) -> None:
        await waiting(stand, current)
        bad = loaded(whole(cluster("origin", 1), listener(port), routes([unreadable])), "r2")
        found = await stand.trials.start(bad, current, baseline=False, deadline_s=20)
        assert "regex" in found.why or "missing" in found.why
        assert found.blames_content
        assert not stand.trials.leftover
        assert await answers(port, 50) == Counter(one=50)

    play(tmp_path, edge(port, "one"), story)


def test_one_that_dies_while_it_waits_is_not_held_against_the_release(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        keeper = stand.trials.keeper(Arm.CANDIDATE)
        assert keeper is not None
        assert keeper.process is not None
        await keeper.process.kill()
        assert await tried(stand, loaded(edge(port, "two"), "r2"), current) == ""
        assert pid(stand) not in {0, begun}
        assert not stand.trials.died.is_set()

    play(tmp_path, edge(port, "one"), story)


def test_one_for_which_nothing_comes_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(headstart, "HEAD_START_S", 0.05)

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        await until(lambda: not stand.trials.leftover, what="its end")
        assert not alive(begun)
        assert not (tmp_path / "node" / "candidate").is_symlink()
        assert await tried(stand, loaded(edge(port, "two"), "r2"), current) == ""

    play(tmp_path, edge(port, "one"), story)


def test_whoever_ends_trials_ends_it_too_and_a_trial_has_none_beside_it(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        await stand.trials.withdraw()
        assert not stand.trials.leftover
        assert not alive(begun)
        assert await tried(stand, loaded(edge(port, "two"), "r2"), current) == ""
        trial = pid(stand)
        stand.trials.expect(current)
        assert (await stand.trials.open()).why == ""
        assert pid(stand) == trial
        await stand.trials.steer(1000)
        assert await answers(port, 50) == Counter(two=50)

    play(tmp_path, edge(port, "one"), story)


READS = r"rds\.http\.(config_reload|update_rejected)$"


async def reads(stand: Stand) -> dict[str, int]:
    """How often the candidate has read its public table, and refused it."""
    keeper = stand.trials.keeper(Arm.CANDIDATE)
    assert keeper is not None
    text = (await keeper.slot.admin.stats_text(stats_filter=READS)).decode()
    lines = (line.rpartition(": ") for line in text.splitlines() if line)
    return {name.rpartition(".")[2]: int(count) for name, _, count in lines}


async def until_read(stand: Stand, name: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await reads(stand)).get(name) != 1:  # noqa: ASYNC110 - Envoy tells by being asked
            await asyncio.sleep(POLL_S)


def test_the_public_table_is_read_before_the_public_addresses_are_bound(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand, current: Loaded) -> None:
        assert await tried(stand, loaded(edge(port, "two"), "r2"), current) == ""
        await until_read(stand, "config_reload")
        assert await answers(port, 50) == Counter(one=50), "no client meets it"
        keeper = stand.trials.keeper(Arm.CANDIDATE)
        assert keeper is not None
        (reader,) = keeper.slot.directory.glob("taste-reads-*.sock")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_unix_connection(reader)
        assert (await stand.trials.open()).why == ""
        assert (await reads(stand))["config_reload"] == 1, "it is not read again"
        await stand.trials.steer(1000)
        assert await answers(port, 50) == Counter(two=50)

    play(tmp_path, edge(port, "one"), story)


def test_a_public_table_that_envoy_refuses_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    port = free_port()
    unreadable = {**answer("two"), "name": "other/x", "match": {"safe_regex": {"regex": "("}}}
    table = routes([answer("two")])
    rules = RouteConfiguration.FromString(table.body)
    other = RouteConfiguration.FromString(routes([unreadable]).body).virtual_hosts[0]
    other.name, other.domains[:] = "other", ["other.test"]
    rules.virtual_hosts.append(other)
    bad = Resource(TypeUrl.ROUTES, table.name, rules.SerializeToString(), "site other")

    async def story(stand: Stand, current: Loaded) -> None:
        release = loaded(whole(cluster("origin", 1), listener(port), bad), "r2")
        found = await stand.trials.start(
            release, current, ["demo.test"], baseline=False, deadline_s=20
        )
        assert found.why == "", "who is asked is not concerned"
        await until_read(stand, "update_rejected")
        found = await stand.trials.open()
        assert "regex" in found.why or "missing" in found.why
        assert [nack.owner for nack in found.nacks] == ["route other/x"]
        assert not stand.trials.leftover
        assert await answers(port, 50) == Counter(one=50)

    play(tmp_path, edge(port, "one"), story)


def test_a_swap_of_processes_takes_it_too(tmp_path: Path) -> None:
    port = free_port()

    async def story(stand: Stand, current: Loaded) -> None:
        begun = await waiting(stand, current)
        assert (await stand.trials.swap(loaded(edge(port, "two"), "r2"), current)).why == ""
        assert stand.slots.active.pid == begun, "it differs in routes alone"
        assert await answers(port, 50) == Counter(two=50)

    play(tmp_path, edge(port, "one"), story)


def test_an_agent_that_is_told_of_a_change_gets_ready_and_tries_it_there(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        node = measuring(tmp_path)
        async with running_agent(node):
            first = await node.serve(edge(port, "one"))
            await node.control.foretell()
            begun = await until(
                lambda: (found := node.agent.trials.keeper(Arm.CANDIDATE)) and found.pid,
                what="a head start",
            )
            assert node.control.reports[-1].trial is None
            serves = node.control.reports[-1].digest
            assert serves is not None
            release, digest, envelope = node.releaser.release(edge(port, "two"))
            node.control.hold(digest, envelope)
            await node.control.assign(
                first, serves, b"", trial=Trial(release, digest, 0, baseline=False)
            )
            await node.reported(
                lambda r: r.trial is not None and r.trial.phase is TrialPhase.TASTED, "a taste"
            )
            keeper = node.agent.trials.keeper(Arm.CANDIDATE)
            assert keeper is not None
            assert keeper.pid == begun

    asyncio.run(story())
