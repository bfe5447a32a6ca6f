"""Audit log, API tokens and small facts."""

from pathlib import Path

import pytest
from sqlalchemy import select

from clocks import HandClock
from release import made
from seawall import limits
from seawall.errors import ConflictError, NotFoundError, RefusedError, UnreachableError, UsageError
from seawall.release.ledger import Scope
from seawall.release.store import Store
from seawall.release.tables import AUDIT, TOKENS
from seawall.secret import Secret

BOTH = frozenset({Scope.READ, Scope.WRITE})


@pytest.fixture(params=made.DATABASES)
def where(request: pytest.FixtureRequest, path: Path) -> Path | str:
    return made.every_database(request, path)


def test_deeds_are_listed_newest_first_and_cut(store: Store) -> None:
    for number in range(5):
        store.audit.add(actor="ada", action="froze", subject=str(number), detail="x" * 9000)
    listed = store.audit.entries(count_max=2)
    assert [entry.subject for entry in listed] == ["4", "3"]
    assert len(listed[0].detail) == limits.AUDIT_TEXT_LENGTH_CHARS_MAX
    older = store.audit.entries(before=listed[-1].number)
    assert [entry.subject for entry in older] == ["2", "1", "0"]


def test_the_audit_log_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AUDIT_ENTRIES_MAX", 3)
    for number in range(10):
        store.audit.add(actor="\ud800\0", action="froze", subject=str(number))
    assert [entry.subject for entry in store.audit.entries()] == ["9", "8", "7"]


def test_a_token_opens_until_it_is_revoked(store: Store) -> None:
    token, text = store.tokens.create("ci", BOTH, actor="ada")
    assert store.tokens.verify(text).name == "ci"
    assert store.tokens.list()[0].scopes == token.scopes == BOTH
    store.tokens.revoke("ci", actor="ada")
    with pytest.raises(RefusedError, match="unknown, revoked or expired"):
        store.tokens.verify(text)
    with pytest.raises(NotFoundError):
        store.tokens.revoke("ci", actor="ada")
    assert [e.action for e in store.audit.entries()] == ["token-revoked", "token-created"]


def test_the_text_of_a_token_is_nowhere_in_the_store(store: Store, path: Path) -> None:
    _, text = store.tokens.create("ci", BOTH, actor="ada")
    secret = text.reveal().split(b"_", 2)[2]
    with store._database.read() as connection:
        tables = [connection.execute(select(table)).all() for table in (TOKENS, AUDIT)]
    store.close()
    assert all(tables)
    assert secret.decode() not in repr(tables)
    if path.parent.exists():
        assert all(secret not in entry.read_bytes() for entry in path.parent.iterdir())
    assert secret.decode() not in repr(text)


@pytest.mark.parametrize("change", ["", "swt_", "swt_0000000000000000_", "bytes", "other"])
def test_a_token_that_is_not_exact_is_refused(store: Store, change: str) -> None:
    _, text = store.tokens.create("ci", BOTH, actor="ada")
    _, other = store.tokens.create("other", BOTH, actor="ada")
    offered = {
        "bytes": b"\xff\xfe",
        "other": text.reveal()[:21] + other.reveal()[21:],
    }.get(change, change.encode() + text.reveal()[len(change) + 1 :])
    with pytest.raises(RefusedError):
        store.tokens.verify(Secret(offered))


def test_a_token_expires(store: Store, clock: HandClock) -> None:
    _, text = store.tokens.create("ci", BOTH, actor="ada", expires_s=clock.time_s + 10)
    assert store.tokens.verify(text).expires_s == clock.time_s + 10
    clock.time_s += 10
    with pytest.raises(RefusedError, match="expired"):
        store.tokens.verify(text)


def test_the_last_use_is_noted_once_a_minute(store: Store, clock: HandClock) -> None:
    _, text = store.tokens.create("ci", BOTH, actor="ada")
    assert store.tokens.list()[0].last_used_s is None
    first = clock.time_s
    store.tokens.verify(text)
    clock.time_s += 59
    store.tokens.verify(text)
    assert store.tokens.list()[0].last_used_s == first
    clock.time_s += 2
    store.tokens.verify(text)
    assert store.tokens.list()[0].last_used_s == clock.time_s


def test_a_token_opens_even_when_its_use_cannot_be_noted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = store.tokens.create("ci", BOTH, actor="ada")

    def full() -> None:
        raise UnreachableError("store-full", "full")

    monkeypatch.setattr(store._database, "write", full)
    assert store.tokens.verify(text).name == "ci"


@pytest.mark.parametrize("name", ["", " ci", "a/b", "x" * 64, "-x"])
def test_a_token_needs_a_plain_name(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="needs a name"):
        store.tokens.create(name, BOTH, actor="ada")


def test_a_token_needs_a_scope_and_a_future(store: Store, clock: HandClock) -> None:
    with pytest.raises(UsageError, match="scope"):
        store.tokens.create("ci", frozenset(), actor="ada")
    with pytest.raises(UsageError, match="in the past"):
        store.tokens.create("ci", BOTH, actor="ada", expires_s=clock.time_s)


def test_token_names_are_unique_and_their_number_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.tokens.create("ci", BOTH, actor="ada")
    with pytest.raises(ConflictError, match="already"):
        store.tokens.create("ci", BOTH, actor="ada")
    monkeypatch.setattr(limits, "API_TOKENS_MAX", 1)
    with pytest.raises(ConflictError, match="the maximum"):
        store.tokens.create("other", BOTH, actor="ada")


def test_small_facts_are_kept_and_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.meta.get("envoy") is None
    store.meta.set("envoy", "1.40.0")
    store.meta.set("envoy", "1.41.0")
    assert store.meta.get("envoy") == "1.41.0"
    with pytest.raises(UsageError, match="too long"):
        store.meta.set("envoy", "x" * (limits.META_VALUE_LENGTH_CHARS_MAX + 1))
    monkeypatch.setattr(limits, "META_KEYS_MAX", 1)
    store.meta.set("envoy", "1.42.0")
    with pytest.raises(UsageError, match="too many"):
        store.meta.set("other", "1")


@pytest.mark.parametrize("after_s", [limits.API_TOKEN_LIFETIME_S_MAX + 60, 1e300, float("nan")])
def test_a_token_ends_within_what_a_calendar_holds(
    store: Store, clock: HandClock, after_s: float
) -> None:
    with pytest.raises(UsageError, match="more than 3,653 days away") as refused:
        store.tokens.create("ci", BOTH, actor="ada", expires_s=clock.time_s + after_s)
    assert refused.value.remedy
    assert not store.tokens.list()
