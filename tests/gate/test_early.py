"""An Envoy that is started early says what one says that is started when the release is there."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler import build
from gate import made, poison
from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.names import ROUTES_HTTP
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.gate import taster as taster_module
from seawall.gate.compare import Changed, changed
from seawall.gate.sacrifice import sacrifice
from seawall.gate.taster import Order, Taster, TasteReport
from seawall.ids import SiteName
from seawall.model import FixedResponse, Golden, PathPrefix

GOLDEN = (Golden(SiteName("s0"), "s0.test", "/p1/a", status=(200,)),)
BASE = made.snapshot(4, 5)


def left(work_dir: Path) -> list[Path]:
    """Directories of sacrificial Envoys."""
    return list(work_dir.glob("taste-*"))


class Watched:
    """Tastes, and tells how many Envoys it took."""

    def __init__(self, work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[bool] = []
        self.directory = work_dir
        self.judge = Taster(made.ENVOY, SystemClock(), work_dir=work_dir)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.started.append(options["follows"])
            return sacrifice(*arguments, **options)

        monkeypatch.setattr(taster_module, "sacrifice", counted)

    async def tasted(self, new: Snapshot, old: Snapshot, *, early: bool) -> TasteReport:
        self.started.clear()
        if early:
            await self.judge.expect(old)
        change = changed(contents(old), contents(new))
        try:
            return await self.judge.taste(Order(new, old, made.known(change), GOLDEN))
        finally:
            await self.judge.tidy()
            assert not left(self.directory)


def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: Snapshot, old: Snapshot = BASE
) -> tuple[TasteReport, TasteReport, list[bool]]:
    """The report by an early Envoy, that by another one, and which ones the first took."""
    watched = Watched(tmp_path, monkeypatch)

    async def run() -> tuple[TasteReport, TasteReport, list[bool]]:
        first = await watched.tasted(old, old, early=False)
        assert first.refusal is None, first
        known = (tmp_path / "tasted.json").read_bytes()
        early = await watched.tasted(new, old, early=True)
        started = list(watched.started)
        (tmp_path / "tasted.json").write_bytes(known)
        return early, await watched.tasted(new, old, early=False), started

    return asyncio.run(run())


def said(report: TasteReport) -> list[str]:
    """Without what is measured."""
    words = ("Started", "CPU time")
    return [report.summary, *(line for line in report.lines if not line.startswith(words))]


def _other_route(table: Any) -> None:
    table.virtual_hosts[1].routes[-1].direct_response.status = 200
    table.virtual_hosts[1].routes[-1].direct_response.body.inline_string = "other"


def _other_answers_for_all(manager: Any) -> None:
    manager.server_name = "another"


def _text(text: str) -> Snapshot:
    respond = FixedResponse(200, text, "text/plain")
    return compile_edge(
        build.edge(build.site("s0", build.route("s0/all", PathPrefix("/"), respond)))
    )


@pytest.mark.parametrize(
    "new",
    [
        BASE,
        made.spoilt(BASE, TypeUrl.ROUTES, ROUTES_HTTP, _other_route),
        made.snapshot(4, 6),
        made.snapshot(5, 5),
        made.snapshot(3, 5),
        made.snapshot(4, 5, port=4000, timeout_s=3),
        poison.with_manager(BASE, _other_answers_for_all),
    ],
    ids=["same", "route", "routes", "one-more", "one-less", "origins", "listener"],
)
def test_it_answers_as_one_that_was_started_with_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: Snapshot
) -> None:
    early, late, started = story(tmp_path, monkeypatch, new)
    assert started == [True]
    assert early.refusal == late.refusal is None
    assert said(early) == said(late)


def test_what_serves_at_last_is_the_release_and_not_what_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = Golden(SiteName("s0"), "s0.test", "/", status=(200,), contains="after")
    watched = Watched(tmp_path, monkeypatch)

    async def run() -> TasteReport:
        await watched.judge.expect(_text("before"))
        change = made.known(Changed())
        order = Order(_text("after"), _text("before"), change, (golden,))
        report = await watched.judge.taste(order)
        await watched.judge.tidy()
        return report

    assert asyncio.run(run()).refusal is None
    assert watched.started[0] is True


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        (
            "taster-refused",
            lambda: made.spoilt(BASE, TypeUrl.CLUSTER, "o1", made.maglev_that_is_not_prime),
        ),
        (
            "taster-crashed",
            lambda: poison.with_lua(BASE, poison.SEGFAULT, path="/p1"),
        ),
        (
            "taster-new-error",
            lambda: poison.with_lua(BASE, poison.ERROR, path="/p4"),
        ),
        ("taster-refused", lambda: poison.with_manager(BASE, _impossible)),
    ],
    ids=["origin", "crash", "error", "listener"],
)
def test_what_is_harmful_is_believed_only_of_an_envoy_that_was_started_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, spoil: Callable[[], Snapshot]
) -> None:
    early, late, started = story(tmp_path, monkeypatch, spoil())
    assert started[:2] == [True, False]
    for report in (early, late):
        assert report.refusal is not None
        assert report.refusal.code == code
    assert early.refusal is not None
    assert late.refusal is not None
    assert early.refusal.blames_content is late.refusal.blames_content
    assert early.refusal.probe == late.refusal.probe


@pytest.mark.parametrize("listener", [False, True])
def test_what_it_does_not_take_is_decided_by_another_also_when_nothing_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    listener: bool,
) -> None:
    """Without known answers nothing is asked a second time but for what the early one said."""
    spoilt = made.spoilt(BASE, TypeUrl.CLUSTER, "o1", made.maglev_that_is_not_prime)
    new = poison.with_manager(BASE, _impossible) if listener else spoilt
    watched = Watched(tmp_path, monkeypatch)
    report = asyncio.run(watched.tasted(new, BASE, early=True))
    assert report.refusal is not None
    assert report.refusal.code == "taster-refused"
    assert watched.started.count(True) == 1


def _impossible(manager: Any) -> None:
    """What Envoy's own schema forbids: a filter without a name and a type."""
    manager.http_filters.add(name="")


def test_what_only_a_new_process_reads_meets_a_new_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = made.snapshot_with_key()
    _, _, started = story(tmp_path, monkeypatch, whole)
    assert started[0] is True
    assert False in started


def test_nothing_is_left_when_no_release_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path, monkeypatch)

    async def run() -> None:
        await watched.judge.expect(BASE)
        await watched.judge.expect(made.snapshot(2, 2))
        assert len(left(tmp_path)) == 1
        await watched.judge.tidy()
        await watched.judge.tidy()
        assert not left(tmp_path)

    asyncio.run(run())


def test_an_envoy_that_cannot_be_started_early_is_told_of_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    judge = Taster(made.ENVOY, SystemClock(), work_dir=tmp_path / "file" / "work")

    async def run() -> TasteReport:
        await judge.expect(BASE)
        return await judge.taste(Order(BASE, BASE, made.known(Changed()), ()))

    report = asyncio.run(run())
    assert report.refusal is not None
    assert report.refusal.code == "taster-cannot-run"


def test_a_current_release_that_is_not_understood_any_more_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = BASE.of_type(TypeUrl.CLUSTER)[0]
    rest = [r for r in BASE.resources if r is not victim]
    odd = Resource(victim.type_url, victim.name, b"\xff\xff", victim.owner)
    watched = Watched(tmp_path, monkeypatch)

    async def run() -> TasteReport:
        await watched.judge.expect(Snapshot.of([*rest, odd]))
        return await watched.judge.taste(Order(BASE, None, made.known(Changed()), GOLDEN))

    assert asyncio.run(run()).refusal is None
    assert watched.started == [False]


def test_an_envoy_that_ends_before_it_met_anything_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = made.script(
        tmp_path / "envoy", f'case "$*" in *warning*) exit 1;; esac; exec {made.ENVOY} "$@"'
    )
    watched = Watched(tmp_path / "work", monkeypatch)
    watched.judge = Taster(script, SystemClock(), work_dir=tmp_path / "work")
    report = asyncio.run(watched.tasted(BASE, BASE, early=True))
    assert report.refusal is None
    assert watched.started[:2] == [True, False]
