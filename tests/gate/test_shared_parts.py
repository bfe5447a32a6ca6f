"""What is read once of snapshots that follow each other is what reading each of them gives."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler import build
from gate import made
from seawall.compiler.check import References, _references, check
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import Reader, contents
from seawall.compiler.names import ROUTES_HTTP, UNKNOWN_HOST
from seawall.compiler.remember import Kept
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.tables import Table, name_of
from seawall.errors import SeawallError
from seawall.gate.parts import Parts
from tls_material import TlsAuthority


def test_what_was_asked_for_in_the_last_pass_is_remembered() -> None:
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        if text == "bad":
            raise ValueError(text)
        return len(text)

    kept = Kept(length)
    for passed in (("a", "b", "a"), ("a",), ("b", "a"), ("b",)):
        kept.begin()
        assert [kept(text) for text in passed] == [1] * len(passed)
    assert asked == ["a", "b", "b"], "b was not asked for in the second pass"
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            kept("bad")
    assert asked[3:] == ["bad", "bad"]


def _two_schemes() -> Snapshot:
    chain, key = TlsAuthority().issue("s0.test")
    sites = [build.site(f"s{n}", certificate="c" if n % 2 else None) for n in range(4)]
    certificates = (build.certificate("c", chain, key),)
    return compile_edge(build.edge(*sites, https=(8443,), certificates=certificates))


BASES = (made.snapshot(6, 3), _two_schemes())


def _answer(table: Any, host: int) -> None:
    table.virtual_hosts[host].routes[-1].direct_response.status = 418


def _domain(table: Any, host: int) -> None:
    table.virtual_hosts[host].domains.append("s2.test")


def _name(table: Any, host: int) -> None:
    table.virtual_hosts[host].name = "s2"


def _gone(table: Any, host: int) -> None:
    del table.virtual_hosts[host]


def _all_gone(table: Any, _: int) -> None:
    del table.virtual_hosts[:]


def _elsewhere(table: Any, host: int) -> None:
    table.virtual_hosts[host].routes[-1].route.cluster = "nowhere"


def _named(table: Any, _: int) -> None:
    table.name = "other"


def _for_all(table: Any, _: int) -> None:
    table.request_headers_to_remove.append("x-a")


def _routes_twice(table: Any, host: int) -> None:
    table.virtual_hosts[host].routes.append(table.virtual_hosts[host].routes[-1])


EDITS: tuple[Callable[[Any, int], None], ...] = (
    *(_answer, _domain, _name, _gone, _all_gone, _elsewhere, _named, _for_all, _routes_twice),
)


def _without_endpoints(cluster: Any) -> None:
    cluster.ClearField("load_assignment")


_EDITED = st.tuples(
    st.integers(0, len(BASES) - 1),
    st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 2)), max_size=2),
    st.sampled_from(["", "", "", "", "no endpoint", "cut off"]),
)


def _edited(base: int, edits: list[Any], wrong: str) -> Snapshot:
    def spoil(table: Any) -> None:
        for edit, host in edits:
            if len(table.virtual_hosts) > host:
                edit(table, host)

    whole = made.spoilt(BASES[base], TypeUrl.ROUTES, ROUTES_HTTP, spoil)
    if wrong == "no endpoint":
        name = whole.of_type(TypeUrl.CLUSTER)[0].name
        whole = made.spoilt(whole, TypeUrl.CLUSTER, name, _without_endpoints)
    if wrong == "cut off":
        whole = Snapshot.of(
            Resource(r.type_url, r.name, r.body[:-1], r.owner) if r.name == ROUTES_HTTP else r
            for r in whole.resources
        )
    return whole


def _said(work: Callable[[], object]) -> object:
    try:
        return work()
    except SeawallError as error:
        return error.code, error.message


@settings(deadline=None, max_examples=80)
@given(st.lists(_EDITED, min_size=2, max_size=4))
def test_snapshots_one_after_the_other_are_what_each_is(given: list[Any]) -> None:
    references, parts, reader = References(), Parts(), Reader()
    for base, edits, wrong in given:
        whole = _edited(base, edits, wrong)
        fine = _said(partial(check, whole, references))
        assert fine == _said(partial(check, whole))
        found = _said(partial(parts.features, whole))
        assert found == _said(partial(Parts().features, whole))
        if fine is None:
            assert reader.contents(whole) == contents(whole)


@pytest.mark.parametrize("whole", BASES, ids=["one table", "two tables"])
def test_a_table_taken_apart_is_the_table(whole: Snapshot) -> None:
    for resource in whole.resources:
        assert list(References().of(resource)) == list(_references(resource))
    for resource in whole.of_type(TypeUrl.ROUTES):
        table = RouteConfiguration.FromString(resource.body)
        assert [name_of(host) for host in resource.table.hosts] == [
            host.name for host in table.virtual_hosts
        ]
        assert resource.table is resource.table
        assert resource.table == Table.read(resource.body)
    assert name_of(b"") == ""


def test_a_site_over_two_schemes_differs_when_it_does_over_one() -> None:
    whole = BASES[1]
    other = made.spoilt(whole, TypeUrl.ROUTES, "https", lambda table: _answer(table, 0))
    before, after = contents(whole), contents(other)
    assert {name for name, text in after.sites.items() if before.sites[name] != text} == {"s1"}
    changed = {name for name, text in after.routes.items() if before.routes[name] != text}
    assert len(changed) == 1
    assert UNKNOWN_HOST not in after.sites
