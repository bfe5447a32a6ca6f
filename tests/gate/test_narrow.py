"""A change is narrow only where nothing but some hosts differs; then others need not be asked."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from hypothesis import given, settings
from hypothesis import strategies as st

from gate import made, poison
from seawall import limits
from seawall.clock import SystemClock
from seawall.compiler.contents import contents
from seawall.compiler.names import ROUTES_HTTP, UNKNOWN_HOST
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.gate.ask import Answer
from seawall.gate.compare import Changed, changed
from seawall.gate.narrow import comparable, needed, sites_alone, unasked
from seawall.gate.plate import Plate
from seawall.gate.probes import Probe, choose
from seawall.gate.tasted import Tasted, key_of, load
from seawall.gate.taster import Order, Taster, TasteReport

SITES = 80
RAW = made.snapshot(SITES, 5)
BASE = made.spoilt(RAW, TypeUrl.ROUTES, ROUTES_HTTP, lambda _: None)
"""Its bytes in the order in which `spoilt` writes them."""


def in_table(spoil: Callable[[Any], None], whole: Snapshot = BASE) -> Snapshot:
    return made.spoilt(whole, TypeUrl.ROUTES, ROUTES_HTTP, spoil)


def other_text(site: str, text: str = "other") -> Callable[[Any], None]:
    """The routes of one site answer otherwise."""

    def spoil(table: Any) -> None:
        host = next(host for host in table.virtual_hosts if host.name == site)
        host.routes[-1].direct_response.status = 200
        host.routes[-1].direct_response.body.inline_string = text

    return spoil


def test_hosts_that_alone_differ_are_named() -> None:
    one = in_table(other_text("s3"))
    assert sites_alone(BASE, one) == {"s3"}
    assert sites_alone(BASE, in_table(other_text("s9"), one)) == {"s3", "s9"}
    assert sites_alone(BASE, BASE) == frozenset()
    assert sites_alone(None, BASE) == frozenset()


def _renamed(table: Any) -> None:
    table.virtual_hosts[1].domains[0] = "else.test"


def _one_more_name(table: Any) -> None:
    table.virtual_hosts[1].domains.append("*.test")


def _for_all(table: Any) -> None:
    table.request_headers_to_remove.append("x-a")


def _gone(table: Any) -> None:
    del table.virtual_hosts[1]


def _exchanged(table: Any) -> None:
    first, second = (type(h).FromString(h.SerializeToString()) for h in table.virtual_hosts[:2])
    table.virtual_hosts[0].CopyFrom(second)
    table.virtual_hosts[1].CopyFrom(first)


def _of_nobody(table: Any) -> None:
    host = next(host for host in table.virtual_hosts if host.name == UNKNOWN_HOST)
    host.routes[-1].direct_response.status = 404


def _many(table: Any) -> None:
    for host in table.virtual_hosts[: limits.TASTER_NARROW_SITES_MAX + 1]:
        host.routes[-1].direct_response.status = 200


@pytest.mark.parametrize(
    "spoil", [_renamed, _one_more_name, _for_all, _gone, _exchanged, _of_nobody, _many]
)
def test_what_other_hosts_may_feel_makes_a_change_wide(spoil: Callable[[Any], None]) -> None:
    assert sites_alone(BASE, in_table(spoil)) == frozenset()
    assert sites_alone(BASE, in_table(spoil, in_table(other_text("s40")))) == frozenset()


@pytest.mark.parametrize("kind", [k for k in TypeUrl if BASE.of_type(k) and k != TypeUrl.ROUTES])
def test_a_change_of_anything_else_is_wide(kind: TypeUrl) -> None:
    victim = BASE.of_type(kind)[0]
    new = in_table(other_text("s3"))
    assert sites_alone(BASE, new)
    rest = [r for r in new.resources if (r.type_url, r.name) != (kind, victim.name)]
    other = Resource(kind, victim.name, victim.body + b"\x98\x3f\x01", victim.owner)
    assert sites_alone(BASE, Snapshot.of([*rest, other])) == frozenset()
    assert sites_alone(BASE, Snapshot.of(rest)) == frozenset()


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200))
def test_a_table_that_cannot_be_read_makes_a_change_wide(garbage: bytes, cut: int) -> None:
    """Whatever the bytes, nothing is raised, and what differs outside of hosts is seen."""
    body = BASE.by_key[TypeUrl.ROUTES, ROUTES_HTTP].body
    for text in (garbage, body[: len(body) - cut - 1], body + garbage):
        table = Resource(TypeUrl.ROUTES, ROUTES_HTTP, text, "edge")
        rest = [r for r in BASE.resources if r.type_url is not TypeUrl.ROUTES]
        found = sites_alone(BASE, Snapshot.of([*rest, table]))
        assert found == frozenset()


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, SITES - 1), min_size=1, max_size=4), st.booleans())
def test_it_says_what_reading_every_host_says(sites: set[int], common: bool) -> None:
    new = BASE
    for site in sites:
        new = in_table(other_text(f"s{site}", f"text {site}"), new)
    if common:
        new = in_table(_for_all, new)
    tables = [
        RouteConfiguration.FromString(one.by_key[TypeUrl.ROUTES, ROUTES_HTTP].body)
        for one in (BASE, new)
    ]
    before, after = ({h.name: h for h in table.virtual_hosts} for table in tables)
    wanted = {name for name in after if before[name] != after[name]}
    assert sites_alone(BASE, new) == (set() if common else wanted)


# --- What is asked then ---------------------------------------------------------------------------


def test_everything_is_asked_unless_the_rest_is_known_and_hangs_on_nothing_before() -> None:
    alone = frozenset({"s3"})
    change = Changed(frozenset({"s3/r0"}), alone=alone)
    questions = choose((), (), BASE, change.routes, alone)
    plain = Answer(status=200, route="s1/r0")
    known = Tasted({key_of(probe): plain for probe in questions.all}, 1)
    assert len(needed(questions, known, change, 0)) < len(questions.all)
    assert needed(questions, None, change, 0) == questions.all
    assert needed(questions, known, Changed(change.routes), 0) == questions.all
    for action, less in (("observe", True), ("allow", True), ("challenge", False), ("?", False)):
        scored = Answer(status=200, route="s1/r0", bots=f"50 {action} -")
        judged = Tasted({**known.answers, key_of(questions.around[0]): scored}, 1)
        assert (needed(questions, judged, change, 0) != questions.all) is less
    many = frozenset(f"s{site}" for site in range(SITES))
    crowded = choose((), (), BASE, frozenset(), many)
    assert needed(crowded, known, Changed(alone=many), 0) == crowded.all


def test_a_score_that_hangs_on_how_much_was_asked_is_not_compared() -> None:
    change = Changed(alone=frozenset({"s3"}))
    other, own = (Answer(status=200, route=f"{s}/r0", bots="5 observe -") for s in ("s1", "s3"))
    assert comparable(own, change) == own
    assert comparable(other, change) == Answer(status=200, route="s1/r0")


def test_only_answers_of_other_sites_are_taken_over() -> None:
    change = Changed(alone=frozenset({"s3"}))
    questions = choose((), (), BASE, frozenset(), change.alone)
    one, two, three, *_ = questions.around
    answers = {
        key_of(one): Answer(status=200, route="s1/r0"),
        key_of(two): Answer(status=200, route="s3/r0"),
        key_of(three): Answer(status=404),
        key_of(questions.first[0]): Answer(status=200, route="s1/r0"),
    }
    assert unasked(questions, Tasted(answers, 1), change) == {
        key_of(one): Answer(status=200, route="s1/r0"),
        key_of(three): Answer(status=404),
    }
    touched = replace(questions, first=(*questions.first, three))
    assert key_of(three) not in unasked(touched, Tasted(answers, 1), change)
    assert unasked(questions, Tasted(answers, 1), Changed()) == {}
    assert unasked(questions, None, change) == {}


# --- With a real Envoy ----------------------------------------------------------------------------


def _taste(work_dir: Path, new: Snapshot, old: Snapshot | None) -> TasteReport:
    before = contents(old) if old is not None else None
    alone = sites_alone(old, new)
    found = changed(before, contents(new))
    change = Changed(found.routes, found.origins, alone)
    patience_s = limits.TASTER_START_TIMEOUT_S
    taster = Taster(made.ENVOY, SystemClock(), work_dir=work_dir, answer_timeout_s=patience_s)
    return asyncio.run(taster.taste(Order(new, old, made.known(change), ())))


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is what these tests are about, and others may need the machine."""
    monkeypatch.setattr(limits, "TASTER_CPU_GROWTH_S", 1.0)
    monkeypatch.setattr(limits, "TASTER_TIMEOUT_S", 160.0)


def _asked(report: TasteReport) -> int:
    return int(report.lines[0].split()[1])


def test_a_change_of_one_site_is_asked_about_that_site_and_a_part_of_the_rest(
    tmp_path: Path,
) -> None:
    assert _asked(_taste(tmp_path, BASE, None)) == limits.TASTER_PROBES_MAX
    releases = [in_table(_for_all)]
    assert _asked(_taste(tmp_path, releases[0], BASE)) == limits.TASTER_PROBES_MAX
    for turn in range(3):
        releases.append(in_table(other_text("s3", f"turn {turn}"), releases[-1]))
        report = _taste(tmp_path, releases[-1], releases[-2])
        assert report.refusal is None, report
        assert limits.TASTER_AROUND_MAX < _asked(report) < limits.TASTER_AROUND_MAX + 10
        assert any("because only s3 changed" in line for line in report.lines)
    # Nothing is forgotten meanwhile: a change of everything finds all answers to compare with.
    last = releases[-1]
    found = load(tmp_path, Taster(made.ENVOY, SystemClock(), work_dir=tmp_path)._stamp())
    known = found.of(last.digest)
    assert known is not None
    assert {key_of(probe) for probe in choose((), (), last, frozenset()).all} <= {*known.answers}
    wide = _taste(
        tmp_path, in_table(lambda table: table.request_headers_to_remove.pop(), last), last
    )
    assert wide.refusal is None
    assert _asked(wide) == limits.TASTER_PROBES_MAX
    assert any("are those from its own tasting" in line for line in wide.lines)
    assert not any("Differs" in line for line in wide.lines)


def test_what_is_wrong_with_a_narrow_change_is_asked_again_with_everything(tmp_path: Path) -> None:
    assert _taste(tmp_path, BASE, None).refusal is None
    # Broken for everybody by what is common, and told as a change of one site alone.
    broken = poison.with_lua(in_table(other_text("s3")), poison.ERROR, path="/p1")
    change = Changed(frozenset({"s3/_rest"}), alone=frozenset({"s3"}))
    taster = Taster(made.ENVOY, SystemClock(), work_dir=tmp_path)
    report = asyncio.run(taster.taste(Order(broken, BASE, made.known(change), ())))
    assert report.refusal is not None
    assert report.refusal.code == "taster-new-error"
    assert _asked(report) == limits.TASTER_PROBES_MAX


def test_what_took_long_once_is_measured_again_and_not_all_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _taste(tmp_path, BASE, None).refusal is None
    slow = [3, 20]
    ask_once = Plate._ask_once

    async def on_a_busy_machine(plate: Plate, index: int, probe: Probe) -> Answer:
        answer = await ask_once(plate, index, probe)
        if index in slow:
            slow.remove(index)
            return replace(answer, cpu_s=10.0)
        return answer

    monkeypatch.setattr(Plate, "_ask_once", on_a_busy_machine)
    report = _taste(tmp_path, in_table(other_text("s3")), BASE)
    assert report.refusal is None, report
    assert slow == []
    assert _asked(report) < limits.TASTER_PROBES_MAX
