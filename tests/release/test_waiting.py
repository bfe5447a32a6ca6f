"""Pushes into feeds that wait for their turn, in every database."""

from dataclasses import replace
from pathlib import Path

import pytest

from release import made
from release.history import WAITING
from seawall import limits
from seawall.errors import RefusedError
from seawall.ids import ListName
from seawall.release.store import Store


@pytest.fixture(params=made.DATABASES)
def where(request: pytest.FixtureRequest, path: Path) -> Path | str:
    return made.every_database(request, path)


def test_of_one_feed_the_newest_push_is_kept_and_all_are_told_in_their_order(
    store: Store,
) -> None:
    first = store.waiting.keep(WAITING)
    other = replace(WAITING, name=ListName("other"), content=b"")
    second = store.waiting.keep(other)
    newer = replace(WAITING, content=b"\0\xff" * 100_000, force=())
    third = store.waiting.keep(newer)
    assert first < second < third
    kept = [replace(other, number=second), replace(newer, number=third)]
    assert list(store.waiting.all()) == kept


def test_a_push_that_is_over_takes_no_newer_one_along(store: Store) -> None:
    first = store.waiting.keep(WAITING)
    second = store.waiting.keep(WAITING)
    store.waiting.drop(WAITING.name, first)
    assert [each.number for each in store.waiting.all()] == [second]
    store.waiting.drop(ListName("other"), second)
    store.waiting.drop(WAITING.name, second)
    assert store.waiting.all() == ()
    assert store.waiting.keep(WAITING) > second, "a number is never given again"


def test_so_many_feeds_may_wait_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FEEDS_WAITING_MAX", 2)
    for name in ("a", "b"):
        store.waiting.keep(replace(WAITING, name=ListName(name)))
    with pytest.raises(RefusedError, match="into 2 feeds are already waiting"):
        store.waiting.keep(replace(WAITING, name=ListName("c")))
    newest = store.waiting.keep(replace(WAITING, name=ListName("a"), content=b"new"))
    assert {each.name: each.number for each in store.waiting.all()}[ListName("a")] == newest
