"""The first two stages: limits and schema of every part, and who can read the release."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate import made, poison
from release.made import bundle as plain_bundle
from seawall import limits
from seawall.compiler.contents import Contents, contents
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.gate import compat
from seawall.gate.compat import Recipient, require_compatible
from seawall.gate.features import FEATURES
from seawall.gate.parts import Parts
from seawall.ids import SiteName
from seawall.model import Golden
from seawall.release.bundle import FORMAT, Bundle, decode, encode

GOLDEN = Golden(SiteName("s0"), "s0.test", "/")
HISTORY = Path(__file__).parents[1] / "golden" / "history"


def bundle(snapshot: Snapshot | None = None, **changes: Any) -> Bundle:
    return replace(plain_bundle(), snapshot=snapshot or made.snapshot(), **changes)


def looked_at(content: Bundle, held: Contents | None = None) -> list[str]:
    return Parts().check(content, held or contents(content.snapshot))


def refusal(content: Bundle, held: Contents | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        looked_at(content, held)
    assert caught.value.remedy
    return caught.value


def test_an_ordinary_release_passes_with_its_counts() -> None:
    lines = looked_at(bundle())
    assert f"3 sites of at most {limits.SITES_MAX:,}." in lines
    assert any("kinds of Envoy features, all known" in line for line in lines)


def test_too_many_of_a_kind_are_refused_with_both_numbers() -> None:
    held = contents(made.snapshot())
    crowd = {f"s{number}": "" for number in range(limits.SITES_MAX + 1)}
    error = refusal(bundle(), replace(held, sites=crowd))
    assert error.code == "gate-over-limit"
    assert "has 2,001 sites; at most 2,000" in error.message


def test_a_feature_that_seawall_never_writes_is_refused_by_name() -> None:
    error = refusal(bundle(poison.with_crashing_access_log(made.snapshot(), "/dev/null")))
    assert error.code == "gate-unknown-feature"
    assert "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" in error.message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(number: float) -> None:
    def spoil(cluster: Any) -> None:
        cluster.circuit_breakers.thresholds[0].retry_budget.budget_percent.value = number

    error = refusal(bundle(made.spoilt(made.snapshot(), TypeUrl.CLUSTER, "o1", spoil)))
    assert error.code == "gate-bad-part"
    assert "Cluster o1 of the release has a number in `value` that is not finite" in error.message


def test_the_same_part_is_looked_at_once() -> None:
    parts, content = Parts(), bundle()
    first = parts.features(content.snapshot)
    parts._seen = dict.fromkeys(parts._seen, frozenset())
    assert parts.features(content.snapshot) < first


def test_every_known_feature_needs_an_envoy_that_exists() -> None:
    assert all(version >= (1, 40) for version in FEATURES.values())


# --- Who can read it ------------------------------------------------------------------------------


def compatible(content: Bundle, *recipients: Recipient) -> list[str]:
    features = Parts().features(content.snapshot)
    return require_compatible(content, encode(content), features, recipients)


def test_nodes_of_this_version_read_everything() -> None:
    lines = compatible(bundle(golden=(GOLDEN,)), Recipient("a", "1.40.0", FORMAT))
    assert lines == [
        "Bundle format 2; this version reads up to 2.",
        "1 node(s) read format 2 or newer.",
        "Envoy 1.40 is needed, the oldest node has 1.40.",
    ]


def test_an_older_node_reads_what_its_version_could_have_made() -> None:
    old = Recipient("old", "1.40.0", 1)
    assert compatible(bundle(), old)
    with pytest.raises(RefusedError, match="format 2; 1 of 2 node") as caught:
        compatible(bundle(golden=(GOLDEN,)), old, Recipient("new", "1.41.0", 3))
    assert caught.value.code == "gate-node-too-old"
    assert "for example old" in caught.value.message


def test_a_node_with_an_older_envoy_is_named() -> None:
    with pytest.raises(RefusedError, match=r"needs Envoy 1\.40 .* node b has 1\.39") as caught:
        compatible(bundle(), Recipient("a", "1.40.1", 2), Recipient("b", "1.39.9", 2))
    assert caught.value.code == "gate-envoy-too-old"


def test_what_nobody_has_told_is_said() -> None:
    assert "No node has connected yet" in compatible(bundle())[1]
    lines = compatible(bundle(golden=(GOLDEN,)), Recipient("a", "", 0), Recipient("b", "dev", 0))
    assert "2 node(s) have not reported which formats they read" in lines[1]
    assert "no node has reported its version" in lines[2]


def test_a_release_that_reads_back_otherwise_is_refused() -> None:
    one, other = bundle(), bundle(envoy_version="1.41.0")
    with pytest.raises(RefusedError, match="differs after it was encoded"):
        require_compatible(one, encode(other), frozenset(), ())


@pytest.mark.parametrize("version", sorted(p.name for p in HISTORY.iterdir() if p.is_dir()))
def test_what_older_versions_stored_passes_both_stages(version: str) -> None:
    encoded = (HISTORY / version / "newest.bundle").read_bytes()
    content = decode(encoded)
    assert looked_at(content)
    features = Parts().features(content.snapshot)
    assert compat.require_compatible(content, encoded, features, ())


def test_two_parts_of_one_name_are_refused() -> None:
    whole = made.snapshot()
    twin = Resource(TypeUrl.CLUSTER, "o1", b"", "origin o1")
    twice = Snapshot((*whole.resources, twin))
    with pytest.raises(Exception, match="two resources share type and name"):
        looked_at(bundle(twice), contents(whole))


def test_bytes_that_were_good_as_one_kind_are_not_as_another() -> None:
    parts = Parts()
    good = made.snapshot(1, 1)
    parts.features(good)
    (cluster, *_) = good.of_type(TypeUrl.CLUSTER)
    with pytest.raises(RefusedError):
        parts.features(Snapshot.of([replace(cluster, type_url=TypeUrl.BOOTSTRAP)]))
