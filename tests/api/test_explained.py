"""What the store knows beside a record: the model by its digest, and with which release it came."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot_models import random_content
from clocks import HandClock
from compiler import build
from release import made
from seawall.api import explained
from seawall.api.explained import known_bots
from seawall.bots.features import FEATURES, to_text
from seawall.compiler.compile import compile_edge
from seawall.ids import ReleaseId
from seawall.model import BotDo, BotMode, BotPolicy, BotRule
from seawall.model.bots import BotAction
from seawall.release.bundle import FileDigest
from seawall.release.release import Kind
from seawall.release.store import Store
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, Pushed
from seawall.telemetry.records import AccessRecord

CONTENT = random_content(5)
OTHER = random_content(6)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "seawall.db", clock=HandClock()) as opened:
        yield opened


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _release(
    store: Store, kind: Kind, *contents: bytes, file: Path | None = None, model: bytes = b""
) -> ReleaseId:
    """A release that carries pushed models, on top of the newest."""
    newest = next(iter(store.list(count_max=1)), None)
    policy = BotPolicy(
        mode=BotMode.ENFORCE, rules=(BotRule("slow", "score <= 9", BotAction(BotDo.BLOCK)),)
    )
    number = store.count() + 1
    content = replace(
        made.bundle(f"version: {number}\n"),
        kind=kind,
        snapshot=compile_edge(build.edge(build.site("shop", bots=policy))),
        feeds=tuple(Pushed(BOT_MODEL, content) for content in contents),
        files=(FileDigest(str(file), _digest(model)),) if file else (),
    )
    parent = newest.id if newest else None
    added = store.add(content, signer=made.key(), author="ada", message="", parent=parent)
    return added.id


def _record(release: str, model: str, route: str = "shop/all") -> AccessRecord:
    vector = to_text((0,) * len(FEATURES))
    bots = f"50 observe - - - {model[:8]} {vector} 6a3ab9e47dcda54b.1"
    return AccessRecord(time="t", release=release, route=route, bots=bots)


def test_a_pushed_model_is_found_with_the_release_that_brought_it(store: Store) -> None:
    _release(store, Kind.SITE)
    _release(store, Kind.FEED, OTHER)
    brought = _release(store, Kind.FEED, CONTENT)
    _release(store, Kind.FEED, CONTENT)
    newest = _release(store, Kind.SITE, CONTENT)
    found = known_bots(store, _record(newest, _digest(CONTENT)))
    assert found.model is not None
    assert found.model.model.name == "random"
    assert found.model.came == f"release {brought} brought it"
    assert found.policy is not None
    assert found.policy.enforced
    assert found.policy.action_of("slow") is BotDo.BLOCK


def test_a_model_whose_beginning_is_not_kept_is_said_to_be_carried(store: Store) -> None:
    for _ in range(explained.WHY_BUNDLES_MAX + 2):
        newest = _release(store, Kind.FEED, CONTENT)
    found = known_bots(store, _record(newest, _digest(CONTENT)))
    assert found.model is not None
    assert "earlier ones may too" in found.model.came


def test_a_model_in_a_file_is_found_while_the_file_still_is_that_model(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "current.json"
    file.write_bytes(CONTENT)
    release = _release(store, Kind.SITE, file=file, model=CONTENT)
    record = _record(release, _digest(CONTENT))
    found = known_bots(store, record).model
    assert found is not None
    assert found.came == f"it is the file {file}"
    file.write_bytes(OTHER)
    assert known_bots(store, record).model is None
    file.unlink()
    assert known_bots(store, record).model is None


def test_the_shipped_model_is_known_also_for_a_release_that_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explained, "starter_content", lambda: CONTENT)
    found = known_bots(store, _record("r99", _digest(CONTENT)))
    assert found.model is not None
    assert found.model.came == "it is the model that Seawall ships"
    assert found.policy is None


@pytest.mark.parametrize("release", ["", "r99", "nonsense", "r" * 5000, "r-1"])
def test_what_no_release_carries_is_unknown(store: Store, release: str) -> None:
    _release(store, Kind.FEED, OTHER)
    found = known_bots(store, _record(release, _digest(CONTENT)))
    assert (found.model, found.policy) == (None, None)


def test_a_record_without_a_verdict_still_has_a_policy(store: Store) -> None:
    release = _release(store, Kind.SITE)
    silent = AccessRecord(time="t", release=release, route="shop/all")
    found = known_bots(store, silent)
    assert found.model is None
    assert found.policy is not None
    assert found.policy.watched


def test_a_damaged_model_is_unknown(store: Store) -> None:
    torn = CONTENT[:-20]
    release = _release(store, Kind.FEED, torn)
    assert known_bots(store, _record(release, _digest(torn))).model is None


def _shadowed(release: str, shadow: str) -> AccessRecord:
    vector = to_text((0,) * len(FEATURES))
    bots = f"50 observe - - - {_digest(CONTENT)[:8]} 40:{shadow[:8]} {vector} 6a3ab9e47dcda54b.1"
    return AccessRecord(time="t", release=release, route="shop/all", bots=bots)


def test_a_shadow_is_named_by_what_the_release_pushed_or_read(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "next.json"
    file.write_bytes(OTHER)
    named = _release(store, Kind.SITE, CONTENT, file=file, model=OTHER)
    assert known_bots(store, _shadowed(named, _digest(OTHER))).shadow == "random"
    plain = store.get(_release(store, Kind.FEED, CONTENT))
    content = replace(
        made.bundle("version: 9\n"),
        feeds=(Pushed(BOT_MODEL, CONTENT), Pushed(BOT_SHADOW, OTHER)),
    )
    pushed = store.add(content, signer=made.key(), author="ada", message="", parent=plain.id).id
    found = known_bots(store, _shadowed(pushed, _digest(OTHER)))
    assert found.shadow == "random"
    assert found.model is not None
    assert known_bots(store, _shadowed(pushed, "0" * 8)).shadow == ""
    assert known_bots(store, _record(pushed, _digest(CONTENT))).shadow == ""
