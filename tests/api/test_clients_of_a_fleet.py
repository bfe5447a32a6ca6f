"""Changed rules are tried on what the nodes of a fleet have seen, in the workbench and all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from api.test_clients_turned_away import HARSH, QUIET, run, write_records
from api.world import ANN, World, last, sources
from seawall.api.hand_requests import KillRequest
from seawall.api.sampling import Sampled
from seawall.api.views import Applied, Progress, Refused
from seawall.errors import UnreachableError
from seawall.ids import NodeName
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.rehearsal import NodesAsked
from seawall.telemetry.samples import Wanted, pack
from telemetry.test_rehearse import record


def seen(score: int, count: int = 100, first: int = 0) -> list[AccessRecord]:
    """A hundred requests of so many clients."""
    return [
        record(n, client=first + n % count, score=score, route="shop/default") for n in range(300)
    ]


class Nodes:
    """What the nodes of a fleet would send."""

    def __init__(self, **samples: bytes | list[AccessRecord]) -> None:
        self.samples = samples
        self.asked: list[Wanted] = []

    async def __call__(self, wanted: Wanted) -> Sampled:
        self.asked.append(wanted)
        sent: Mapping[NodeName, bytes] = {
            NodeName(name): found if isinstance(found, bytes) else pack(found, wanted)
            for name, found in self.samples.items()
        }
        return Sampled(sent, NodesAsked(len(sent), len(sent), len(sent)))


def on_fleet(
    tmp_path: Path, story: Callable[[World, Nodes], Awaitable[None]], **samples: object
) -> None:
    async def told(here: World) -> None:
        nodes = Nodes(**samples)  # type: ignore[arg-type]  # - passed on
        here.control.workshop.sampler = nodes
        await story(here, nodes)

    run(tmp_path, told)


def test_the_clients_of_one_node_are_enough_to_refuse(tmp_path: Path) -> None:
    async def story(here: World, nodes: Nodes) -> None:
        write_records(here)  # of this machine; they are not looked at
        refused = await here.apply(here.text(extra=HARSH))
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.code) == ("clients", "clients-turned-away")
        assert (
            "30 of 30 clients (100%) that are let in now on node b, judged by the"
            in refused.message
        )
        assert "Nodes that sent their recent requests: 2 of 2 asked." in refused.gate[-1].lines
        assert nodes.asked == [Wanted(("shop",), addresses=False)]
        applied = await here.apply(here.text(extra=HARSH), force=("clients",))
        assert isinstance(applied, Applied)
        assert any(note.startswith("Forced past clients that are") for note in applied.notes)

    on_fleet(tmp_path, story, a=seen(1, 200), b=seen(50, 30, first=1000))


def test_harmless_rules_pass_and_what_goes_on_is_told(tmp_path: Path) -> None:
    async def story(here: World, _nodes: Nodes) -> None:
        view = await here.service.diff(sources(here.text(extra=QUIET)))
        assert view.turned_away is not None
        assert view.turned_away.fleet == NodesAsked(1, 1, 1)
        assert view.turned_away.lines[0] == "Nodes that sent their recent requests: 1 of 1 asked."
        events = [
            event async for event in here.service.apply(sources(here.text(extra=QUIET)), caller=ANN)
        ]
        assert isinstance(events[-1], Applied)
        told = [event for event in events if isinstance(event, Progress)]
        words = [event.text for event in told if event.stage == "clients"]
        assert words == [
            "",
            "asking nodes for recent requests",
            "1 site(s) looked at, with records of 1 of 1 node(s)",
        ]

    on_fleet(tmp_path, story, a=seen(50))


def test_nobody_is_asked_where_no_rule_changes_nor_for_a_kill_switch(tmp_path: Path) -> None:
    async def story(here: World, nodes: Nodes) -> None:
        await here.applied(here.text(timeout="20s"))
        await here.applied(here.text(extra=QUIET))
        assert len(nodes.asked) == 1
        await here.applied(here.text(extra=QUIET, timeout="16s"))
        kill = KillRequest("bots", reason="it blocks everybody")
        assert isinstance(await last(await here.service.hands.kill(kill, ANN)), Applied)
        assert len(nodes.asked) == 1

    on_fleet(tmp_path, story, a=seen(50))


@pytest.mark.parametrize("lie", [b"no records", pack([record(1, path="\x00" * 9)], Wanted())[:-1]])
def test_a_node_that_sends_nonsense_is_named_and_the_others_count(
    tmp_path: Path, lie: bytes
) -> None:
    async def story(here: World, _nodes: Nodes) -> None:
        tried = await here.applied(here.text(extra=QUIET), dry_run=True)
        assert tried.notes == (
            "Nodes that sent their recent requests: 1 of 2 asked. Sent an unusable answer: b.",
        )
        refused = await here.apply(here.text(extra=HARSH))
        assert isinstance(refused, Refused)
        assert "on node a" in refused.message

    on_fleet(tmp_path, story, a=seen(50), b=lie)


def test_without_an_answer_it_is_said_that_nothing_was_measured(tmp_path: Path) -> None:
    async def story(here: World, _nodes: Nodes) -> None:
        applied = await here.applied(here.text(extra=HARSH))
        assert applied.notes == (
            (
                "shop: whom the change turns away was not measured: no recent request to it is "
                "recorded by the nodes that answered."
            ),
            "The fleet has no nodes to ask for recent requests.",
        )

    on_fleet(tmp_path, story)


def test_a_question_that_fails_costs_one_release_and_not_the_workbench(tmp_path: Path) -> None:
    async def story(here: World, nodes: Nodes) -> None:
        async def fails(_wanted: Wanted) -> Sampled:
            raise UnreachableError("store-unreachable", "PostgreSQL does not answer.")

        here.control.workshop.sampler = fails
        refused = await here.apply(here.text(extra=QUIET))
        assert isinstance(refused, Refused)
        assert refused.code == "store-unreachable"
        here.control.workshop.sampler = nodes
        await here.applied(here.text(extra=QUIET))
        assert len(nodes.asked) == 1

    on_fleet(tmp_path, story, a=seen(50))


def test_whoever_gives_up_while_nodes_are_asked_leaves_a_workbench_that_works(
    tmp_path: Path,
) -> None:
    async def story(here: World, nodes: Nodes) -> None:
        asked = asyncio.Event()

        async def never(_wanted: Wanted) -> Sampled:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        here.control.workshop.sampler = never
        diff = asyncio.ensure_future(here.service.diff(sources(here.text(extra=HARSH))))
        await asked.wait()
        diff.cancel()
        await asyncio.gather(diff, return_exceptions=True)
        here.control.workshop.sampler = nodes
        refused = await here.apply(here.text(extra=HARSH))
        assert isinstance(refused, Refused)
        assert refused.code == "clients-turned-away"

    on_fleet(tmp_path, story, a=seen(50))
