"""The mass-change guard: arithmetic, bounds, force by name, and what nobody can force."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seawall.compiler.contents import Contents
from seawall.errors import RefusedError, UsageError
from seawall.release.guard import (
    DEFAULT_BOUNDS,
    ESSENTIAL,
    Deed,
    GuardReport,
    KindBounds,
    force_names,
)
from seawall.release.guard import guard as guard_contents

ITEMS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), st.sampled_from("xyz"))
CONTENTS = st.fixed_dictionaries(dict.fromkeys(DEFAULT_BOUNDS, ITEMS))

Kinds = Mapping[str, Mapping[str, str]]


def guard(old: Kinds | None, new: Kinds, *, force: Collection[str] = ()) -> GuardReport:
    return guard_contents(_contents(old) if old else None, _contents(new), force=force)


def _contents(kinds: Kinds) -> Contents:
    return Contents(**{field.name: kinds.get(field.name, {}) for field in fields(Contents)})


def _edge(**kinds: int) -> dict[str, dict[str, str]]:
    counts = {"listeners": 2, "sites": 40, "routes": 40, "origins": 40, **kinds}
    return {kind: {f"{kind}{i}": "v1" for i in range(count)} for kind, count in counts.items()}


def test_the_message_holds_the_arithmetic_and_the_remedy() -> None:
    with pytest.raises(RefusedError) as caught:
        guard(_edge(), _edge(routes=9)).require_passed()
    assert "removes 31 of 40 routes (78 %), bound 30 %" in caught.value.message
    assert caught.value.remedy.endswith("add: --force routes-removed")
    assert "cannot be forced" not in caught.value.remedy


def test_all_refusals_are_said_at_once() -> None:
    new = _edge(routes=9, sites=10)
    new["origins"] = dict.fromkeys(new["origins"], "v2")
    with pytest.raises(RefusedError) as caught:
        guard(_edge(), new).require_passed()
    assert "removes 30 of 40 sites (75 %), bound 20 %" in caught.value.message
    assert "changes 40 of 40 origins (100 %), bound 50 %" in caught.value.message
    assert "--force sites-removed --force routes-removed --force origins-changed" in (
        caught.value.remedy
    )


def test_force_goes_by_named_kind_only_and_is_recorded() -> None:
    new = _edge(routes=9, sites=10)
    with pytest.raises(RefusedError) as caught:
        guard(_edge(), new, force=["routes-removed"]).require_passed()
    assert "routes" not in caught.value.message
    report = guard(_edge(), new, force=["routes-removed", "sites-removed"])
    report.require_passed()
    assert [finding.force_name for finding in report.forced] == ["sites-removed", "routes-removed"]


def test_a_force_that_was_not_needed_is_not_recorded() -> None:
    report = guard(_edge(), _edge(routes=39), force=["routes-removed"])
    assert report.forced == ()
    assert [f.text for f in report.findings] == ["removes 1 of 40 routes (2 %), bound 30 %"]


@pytest.mark.parametrize("name", ["", "all", "routes", "routes_removed", "routes-added", "x" * 999])
def test_an_unknown_force_is_a_usage_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be forced") as caught:
        guard(None, _edge(), force=[name])
    assert "routes-removed" in caught.value.remedy


def test_small_populations_are_not_annoyed() -> None:
    old = {"listeners": {"http": "1"}, "sites": {"a": "1", "b": "1"}, "routes": {"a/x": "1"}}
    new = {"listeners": {"http": "2"}, "sites": {"a": "2"}, "routes": {"a/y": "1"}}
    report = guard(old, new)
    report.require_passed()
    assert "removes 1 of 2 sites (50 %), bound 20 % from 10 sites on" in [
        finding.text for finding in report.findings
    ]


def test_renaming_the_only_site_is_ordinary() -> None:
    guard(
        {"listeners": {"http": "1"}, "sites": {"demo": "1"}},
        {"listeners": {"http": "1"}, "sites": {"shop": "1"}},
    ).require_passed()


@pytest.mark.parametrize("kind", ["endpoints", "certificates", "origins", "routes"])
def test_taking_the_last_of_a_kind_is_refused_however_few_there_were(kind: str) -> None:
    old, new = _edge(), _edge()
    old[kind], new[kind] = {"only": "1"}, {}
    with pytest.raises(RefusedError, match=f"removes the last of 1 {kind}"):
        guard(old, new).require_passed()
    guard(old, new, force=[f"{kind}-removed"]).require_passed()


@pytest.mark.parametrize("kind", ESSENTIAL)
@pytest.mark.parametrize("old", [None, _edge()], ids=["first", "next"])
def test_an_edge_that_serves_nothing_cannot_be_forced(kind: str, old: Kinds | None) -> None:
    new = {**_edge(), kind: {}}
    with pytest.raises(RefusedError, match=kind) as caught:
        guard(old, new, force=force_names()).require_passed()
    assert "last of 0" not in caught.value.message
    assert caught.value.remedy.endswith("cannot be forced.")


def test_the_first_release_may_hold_anything() -> None:
    assert guard(None, _edge()).findings == ()


def test_a_share_just_over_the_bound_does_not_look_equal_to_it() -> None:
    old = {**_edge(), "routes": {str(i): "1" for i in range(1000)}}
    new = {**old, "routes": {str(i): "1" for i in range(699)}}
    with pytest.raises(RefusedError, match=r"removes 301 of 1000 routes \(30\.1 %\), bound 30 %"):
        guard(old, new).require_passed()
    exact = {**old, "routes": {str(i): "1" for i in range(700)}}
    guard(old, exact).require_passed()


@given(CONTENTS)
def test_the_same_again_is_never_refused(contents: Kinds) -> None:
    assume(all(contents[kind] for kind in ESSENTIAL))
    assert guard(contents, contents).findings == ()


@given(CONTENTS, CONTENTS)
def test_what_passes_is_within_every_bound(old: Kinds, new: Kinds) -> None:
    passed = not guard(old, new).refusals
    within = all(_within(old[kind], new[kind], DEFAULT_BOUNDS[kind]) for kind in DEFAULT_BOUNDS)
    assert passed == (within and all(new[kind] for kind in ESSENTIAL))


def _within(old: Mapping[str, str], new: Mapping[str, str], bounds: KindBounds) -> bool:
    gone = [name for name in old if name not in new]
    differ = [name for name in old if name in new and old[name] != new[name]]
    if old and not new and bounds.emptied:
        return False
    come = [name for name in new if name not in old]
    grows = bounds.added_share_max is not None and len(come) > bounds.added_share_max * len(old)
    return len(old) < bounds.population_min or (
        len(gone) <= bounds.removed_share_max * len(old)
        and len(differ) <= bounds.changed_share_max * len(old)
        and not grows
    )


@given(CONTENTS, CONTENTS)
def test_forcing_everything_leaves_only_what_cannot_be_forced(old: Kinds, new: Kinds) -> None:
    report = guard(old, new, force=force_names())
    assert {finding.kind for finding in report.refusals} <= set(ESSENTIAL)
    assert all(not finding.forcible for finding in report.refusals)
    assert {f.force_name for f in report.forced} | {f.force_name for f in report.refusals} == {
        f.force_name for f in guard(old, new).refusals
    }


@given(st.integers(1, 300), st.data())
def test_removing_more_is_never_judged_better(population: int, data: st.DataObject) -> None:
    counts = sorted(
        data.draw(st.lists(st.integers(0, population), min_size=2, max_size=5, unique=True))
        if population > 1
        else [0, 1]
    )
    refused = []
    for count in counts:
        old = {**_edge(), "routes": {str(i): "1" for i in range(population)}}
        new = {**old, "routes": {str(i): "1" for i in range(population - count)}}
        report = guard(old, new)
        refused.append(bool(report.refusals))
        for finding in report.findings:
            assert finding.deed is Deed.REMOVED
            assert finding.count == count
    assert all(earlier <= later for earlier, later in pairwise(refused))


def test_every_kind_of_contents_has_bounds() -> None:
    assert list(DEFAULT_BOUNDS) == [field.name for field in fields(Contents)]


def _networks(count: int) -> dict[str, str]:
    return {f"bad 10.{n >> 8}.{n & 255}.0/24": "" for n in range(count)}


def test_a_list_that_more_than_doubles_is_refused_with_the_arithmetic() -> None:
    old, new = _edge() | {"networks": _networks(60)}, _edge() | {"networks": _networks(201)}
    report = guard(old, new)
    (refusal,) = report.refusals
    assert refusal.text == "adds 141 to 60 networks (235 %), bound 100 %"
    assert refusal.force_name == "networks-added"
    assert not guard(old, new, force=("networks-added",)).refusals


def test_a_list_that_loses_more_than_half_is_refused_and_an_emptied_one_too() -> None:
    old = _edge() | {"networks": _networks(60)}
    for left in (29, 0):
        (refusal,) = guard(old, _edge() | {"networks": _networks(left)}).refusals
        assert refusal.force_name == "networks-removed"


def test_a_first_list_and_a_short_one_may_be_of_any_size() -> None:
    assert not guard(_edge(), _edge() | {"networks": _networks(5000)}).refusals
    short = _edge() | {"networks": _networks(3)}
    assert not guard(short, _edge() | {"networks": _networks(300)}).refusals
    assert not guard(short, _edge()).refusals


def test_sites_and_routes_may_grow_as_they_like() -> None:
    assert guard(_edge(), _edge(sites=400, routes=4000)).findings == ()


def test_what_this_seawall_compiles_otherwise_was_changed_by_nobody() -> None:
    old, new = _edge(), _edge()
    new["routes"] = dict.fromkeys(new["routes"], "v2")
    anew = _edge() | {"routes": dict.fromkeys(list(new["routes"])[:39], "v2")}
    report = guard_contents(_contents(old), _contents(new), anew=_contents(anew))
    assert [finding.text for finding in report.findings] == [
        "changes 1 of 40 routes (2 %), bound 50 %"
    ]
    assert not report.changes_too_much
    assert guard(old, new).changes_too_much
