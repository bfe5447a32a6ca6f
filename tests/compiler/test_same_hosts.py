"""Hosts whose bytes are the same are passed over in a comparison, and nothing is missed by it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate import made
from seawall.compiler import site_words
from seawall.compiler.diff import diff
from seawall.compiler.names import ROUTES_HTTP
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.tables import Table

BASE = made.spoilt(made.snapshot(6, 3), TypeUrl.ROUTES, ROUTES_HTTP, lambda _: None)


def _answer(table: Any, host: int) -> None:
    table.virtual_hosts[host].routes[-1].direct_response.status = 418


def _name(table: Any, host: int) -> None:
    table.virtual_hosts[host].domains.append("more.test")


def _gone(table: Any, host: int) -> None:
    del table.virtual_hosts[host]


def _unlike(table: Any, host: int) -> None:
    table.virtual_hosts[host].metadata.filter_metadata["seawall.bots"].Clear()


def _for_all(table: Any, _: int) -> None:
    table.request_headers_to_remove.append("x-a")


def _bots_for_all(table: Any, _: int) -> None:
    table.typed_per_filter_config.pop("seawall.bots", None)


EDITS = st.lists(
    st.tuples(
        st.sampled_from([_answer, _name, _gone, _unlike, _for_all, _bots_for_all]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=3,
)


def _edited(edits: list[Any]) -> Snapshot:
    def spoil(table: Any) -> None:
        for edit, host in edits:
            edit(table, host)

    return made.spoilt(BASE, TypeUrl.ROUTES, ROUTES_HTTP, spoil)


@settings(deadline=None, max_examples=60)
@given(EDITS, EDITS)
def test_a_difference_is_told_as_if_every_host_had_been_read(one: Any, other: Any) -> None:
    old, new = _edited(one), _edited(other)
    for before, after in ((BASE, new), (old, new), (new, old)):
        found = diff(before, after)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(site_words, "_same_hosts", lambda *_: frozenset())
            assert found == diff(before, after)


def test_a_table_is_its_hosts_and_the_rest() -> None:
    body = BASE.by_key[TypeUrl.ROUTES, ROUTES_HTTP].body
    table = Table.read(body)
    assert len(table.hosts) == 7
    assert all(host in body for host in table.hosts)
    assert b"more.test" not in table.rest
    for cut in range(1, len(body), 97):
        try:
            assert len(Table.read(body[:cut]).hosts) < 7
        except ValueError:
            continue
    with pytest.raises(ValueError, match="ends after its message"):
        Table.read(b"\xff" * 4)
    with pytest.raises(ValueError, match="no known sort"):
        Table.read(b"\x03")
