"""The small parts: consistency, what Envoy's words mean, and what never reaches a snapshot."""

from dataclasses import replace

import pytest

from compiler.build import certificate, edge, forward, origin, route, site
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.nack import explain
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import InternalError, RefusedError, SeawallError
from seawall.model import Edge, PathPrefix, PathRegex
from tls_material import TlsAuthority


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return compile_edge(_whole())


def _whole() -> Edge:
    shop = site(
        "shop",
        route("shop/api", PathPrefix("/api")),
        route("shop/odd", PathRegex("/odd(1|2)"), forward("pool.main")),
        certificate="shop",
    )
    chain, key = TlsAuthority().issue("shop.test")
    return edge(
        shop,
        site("blog"),
        origins=(origin(), origin("pool.main")),
        https=(8443,),
        certificates=(certificate("shop", chain, key),),
    )


def _without(snapshot: Snapshot, type_url: TypeUrl, name: str) -> Snapshot:
    return Snapshot(
        tuple(r for r in snapshot.resources if (r.type_url, r.name) != (type_url, name))
    )


def test_a_compiled_edge_is_consistent(whole: Snapshot) -> None:
    check(whole)


@pytest.mark.parametrize(
    ("type_url", "name", "why"),
    [
        (TypeUrl.CLUSTER, "app", "Cluster 'app'"),
        (TypeUrl.SECRET, "shop", "Secret 'shop'"),
        (TypeUrl.ROUTES, "https", "RouteConfiguration 'https'"),
        (TypeUrl.RUNTIME, "seawall", "Runtime 'seawall'"),
        (TypeUrl.BOOTSTRAP, "bootstrap", "no Bootstrap"),
    ],
)
def test_a_missing_part_is_found(whole: Snapshot, type_url: TypeUrl, name: str, why: str) -> None:
    with pytest.raises(InternalError, match=why):
        check(_without(whole, type_url, name))


def test_damaged_and_misnamed_bodies_are_found(whole: Snapshot) -> None:
    good = whole.by_key[TypeUrl.CLUSTER, "app"]
    rest = _without(whole, TypeUrl.CLUSTER, "app").resources
    for bad in (replace(good, body=b"\xff\xff"), replace(good, name="other")):
        with pytest.raises(InternalError):
            check(Snapshot((*rest, bad)))
    with pytest.raises(InternalError, match="share"):
        check(Snapshot((*whole.resources, good)))
    empty = Resource(TypeUrl.CLUSTER, "app", b"\x0a\x03app", "origin app")
    with pytest.raises(InternalError, match="no endpoint"):
        check(Snapshot((*rest, empty)))


def test_a_gigantic_snapshot_is_refused(whole: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seawall.limits.BUNDLE_SIZE_BYTES_MAX", 100)
    with pytest.raises(RefusedError) as caught:
        check(whole)
    assert isinstance(caught.value, SeawallError)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("type_url", "words", "owner", "resource"),
    [
        (
            TypeUrl.CLUSTER,
            "Error adding/updating cluster(s) pool.main: cluster: MAGLEV table",
            "origin pool.main",
            "pool.main",
        ),
        (
            TypeUrl.LISTENER,
            "Error adding/updating listener(s) http 127.0.0.1:8080: cannot bind",
            "listener http 127.0.0.1:8080",
            "http 127.0.0.1:8080",
        ),
        (TypeUrl.SECRET, "Failed to load certificate chain of shop", "certificate shop", "shop"),
        (TypeUrl.ROUTES, "route: unknown cluster in shop/api", "route shop/api", "http"),
        (TypeUrl.ROUTES, "Only unique values for domains: blog.test", "site blog", "http"),
        (TypeUrl.ROUTES, "regex '/odd(1|2)' is too big", "route shop/odd", "http"),
        (TypeUrl.CLUSTER, "shopping carts appear", "edge", ""),
        (TypeUrl.CLUSTER, "", "edge", ""),
    ],
)
def test_envoys_words_lead_to_what_was_written(
    whole: Snapshot, type_url: TypeUrl, words: str, owner: str, resource: str
) -> None:
    found_owner, found_resource = explain(whole, type_url.value, words)
    assert found_owner == owner
    assert found_resource in (resource, "https" if resource == "http" else resource)


def test_words_without_a_type_are_still_explained(whole: Snapshot) -> None:
    assert explain(whole, "", "cluster pool.main: bad")[0] == "origin pool.main"


def test_a_certificate_that_no_site_shows_is_not_told_to_envoy() -> None:
    unused = certificate("spare", b"chain", b"key")
    assert not compile_edge(edge(certificates=(unused,))).of_type(TypeUrl.SECRET)


def test_contents_hold_no_secret_and_no_guard_route(whole: Snapshot) -> None:
    held = contents(whole)
    assert set(held.routes) == {"shop/api", "shop/odd", "blog/all"}
    assert set(held.endpoints) == {"app 127.0.0.1:3000", "pool.main 127.0.0.1:3000"}
    assert "BEGIN" not in repr(held)
