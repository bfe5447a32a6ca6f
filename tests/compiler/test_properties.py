"""What holds for every edge: compiling is a function, results are whole, diffs are honest."""

from dataclasses import replace

from hypothesis import HealthCheck as Slow
from hypothesis import given, settings

from compiler.edges import edges
from seawall.compiler import clusters, hosts
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.diff import diff
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.static import static_bootstrap
from seawall.gate.features import FEATURES
from seawall.gate.parts import Parts
from seawall.model import Edge

quick = settings(max_examples=40, deadline=None, suppress_health_check=[Slow.too_slow])


def _forgetful(edge: Edge) -> Snapshot:
    for remembered in (hosts.host, hosts.redirecting_host, clusters.compile_origin):
        remembered.cache_clear()
    return compile_edge(edge)


def _compiling_is_deterministic_and_remembering_changes_nothing(edge: Edge) -> None:
    first = _forgetful(edge)
    assert compile_edge(edge).digest == first.digest
    assert _forgetful(edge).digest == first.digest


def _what_is_compiled_is_consistent(edge: Edge) -> None:
    snapshot = compile_edge(edge)
    check(snapshot)
    assert static_bootstrap(snapshot, admin_path="admin.sock")


def _contents_name_everything_that_was_written(edge: Edge) -> None:
    held = contents(compile_edge(edge))
    assert set(held.sites) == {site.name for site in edge.sites}
    assert set(held.origins) == {origin.name for origin in edge.origins}
    assert len(held.endpoints) == sum(len(origin.endpoints) for origin in edge.origins)
    secure = any(site.certificate for site in edge.sites)
    listeners = len(edge.listen.http) + (len(edge.listen.https) if secure else 0)
    assert len(held.listeners) == listeners
    served = [s for s in edge.sites if not (s.redirect_to_https and s.certificate)]
    assert {r.id for site in served for r in site.routes} <= set(held.routes)


def _it_uses_features_that_the_gate_knows(edge: Edge) -> None:
    assert Parts().features(compile_edge(edge)) <= FEATURES.keys(), "add it to gate/features.py"


def _nothing_changes_between_equal_edges(edge: Edge) -> None:
    assert diff(compile_edge(edge), _forgetful(edge)) == ()


@settings(quick, max_examples=60)
@given(edges())
def test_what_holds_for_every_edge(edge: Edge) -> None:
    """In one test, because to draw an edge takes longer than all of it."""
    _compiling_is_deterministic_and_remembering_changes_nothing(edge)
    _what_is_compiled_is_consistent(edge)
    _contents_name_everything_that_was_written(edge)
    _it_uses_features_that_the_gate_knows(edge)
    _nothing_changes_between_equal_edges(edge)


def _every_difference_is_told(old: Edge, new: Edge) -> None:
    before, after = compile_edge(old), compile_edge(new)
    assert bool(diff(before, after)) == (before.digest != after.digest)


def _a_difference_in_one_part_is_told_of_that_part(old: Edge, other: Edge) -> None:
    """Take one part of another edge at a time: its subject must show up when the bytes differ."""
    for kind, part, prefix in (
        (TypeUrl.CLUSTER, {"origins": other.origins}, "origin"),
        (TypeUrl.LISTENER, {"trusted_proxies": other.trusted_proxies}, "listener"),
        (TypeUrl.RUNTIME, {"access_log": other.access_log}, ""),
        (TypeUrl.BOOTSTRAP, {"limits": other.limits}, "edge"),
    ):
        new = replace(old, **part)  # type: ignore[arg-type] - one field at a time
        if kind is TypeUrl.CLUSTER and {o.name for o in old.origins} - {
            o.name for o in new.origins
        }:
            continue  # routes would name an origin that is gone
        before, after = compile_edge(old), compile_edge(new)
        told = diff(before, after)
        if before.of_type(kind) != after.of_type(kind):
            assert any(change.subject.startswith(prefix) for change in told)
            if kind is TypeUrl.BOOTSTRAP:
                assert any(change.restarts for change in told)


@quick
@given(edges(), edges())
def test_what_holds_for_every_two_edges(old: Edge, new: Edge) -> None:
    """In one test for the same reason."""
    _every_difference_is_told(old, new)
    _a_difference_in_one_part_is_told_of_that_part(old, new)
