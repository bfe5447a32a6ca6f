"""What a soak does is decided by its seed, and does all there is to do."""

from collections import Counter
from itertools import islice

import pytest
from tools.soak.edge import marks_in
from tools.soak.plan import (
    API_PATH,
    NEW_PATH,
    Deed,
    Kind,
    Site,
    Victim,
    deeds,
    picked,
)
from tools.soak.promises import Failing

from site_text import load_text

DEEDS = 500


def _deeds(seed: int) -> list[Deed]:
    return [*islice(deeds(seed), DEEDS)]


def test_the_same_seed_does_the_same() -> None:
    assert _deeds(7) == _deeds(7)
    assert _deeds(7) != _deeds(8)


def test_everything_is_done_and_everybody_dies_alone_and_in_a_deed() -> None:
    all_of_them = _deeds(1)
    assert {deed.kind for deed in all_of_them} == set(Kind)
    for alone in (True, False):
        died = Counter(
            death.victim
            for deed in all_of_them
            if (deed.kind is Kind.DEATH) == alone
            for death in deed.deaths
        )
        assert set(died) == set(Victim)


def test_every_site_file_has_a_mark_of_its_own() -> None:
    marks = [site.mark for deed in _deeds(3) for site in deed.sites]
    assert len(marks) == len({*marks}) > DEEDS / 4
    assert Site(0).mark not in marks


def test_deeds_that_apply_have_what_they_need() -> None:
    for deed in _deeds(2):
        assert len(deed.sites) == {
            Kind.GOOD: 1,
            Kind.UNWATCHED: 1,
            Kind.FAILING: 1,
            Kind.DEAD: 1,
            Kind.TWO: 2,
            Kind.FREEZE: len(deed.sites),
        }.get(deed.kind, 0)
        failing = any(site.failing for site in deed.sites)
        assert failing == (deed.kind in {Kind.FAILING, Kind.DEAD})


@pytest.mark.parametrize(
    "site",
    [
        Site(1),
        Site(2, fails=True),
        Site(3, dead=True),
        Site(4, new_route=True, timeout_s=5),
    ],
    ids=lambda site: site.mark,
)
def test_the_site_files_are_site_files(site: Site) -> None:
    text = site.text(8000, 8001)
    assert load_text(text).edge is not None
    assert marks_in(text) == site.mark


def test_the_broken_ones_are_not() -> None:
    broken = {
        deed.broken for seed in range(20) for deed in _deeds(seed) if deed.kind is Kind.BROKEN
    }
    assert len(broken) > 4
    assert [text for text in broken if load_text(text).edge is not None] == []


def test_which_answers_of_a_release_fail() -> None:
    assert Site(1, new_route=True).failing is None
    assert Site(2, fails=True).failing == Failing("n2", API_PATH, 500)
    assert Site(3, dead=True).failing == Failing("n3", NEW_PATH, 503)


def test_a_choice_is_a_fraction_of_what_there_is() -> None:
    assert picked([], 0.5) is None
    assert [picked("abc", pick) for pick in (0.0, 0.34, 0.99)] == ["a", "b", "c"]
