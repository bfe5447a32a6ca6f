"""A certificate that has ended does not come back by a rollback that nobody meant so."""

import time

import pytest
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from seawall.api.going_back import FORCE, certificates_again, idle_force
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.ids import ReleaseId
from tls_material import TlsAuthority

AUTHORITY = TlsAuthority()
R1, R2 = ReleaseId("r1"), ReleaseId("r2")


def holding(**days: int) -> Snapshot:
    """A release with a certificate of each name, good for so many days; below zero it has ended."""
    resources = []
    for name, good in days.items():
        chain, key = AUTHORITY.issue(f"{name}.example.com", days=good)
        secret = Secret(name=name)
        secret.tls_certificate.certificate_chain.inline_bytes = chain + AUTHORITY.pem
        secret.tls_certificate.private_key.inline_bytes = key
        body = secret.SerializeToString(deterministic=True)
        resources.append(Resource(TypeUrl.SECRET, name, body, "edge"))
    return Snapshot.of(resources)


def going_back(then: Snapshot, now: Snapshot, *force: str) -> tuple[str, ...]:
    return certificates_again((R1, then), (R2, now), time.time(), force)


def test_one_that_has_ended_is_refused_while_that_of_today_is_good() -> None:
    with pytest.raises(RefusedError) as refused:
        going_back(holding(shop=-1, blog=9), holding(shop=80, blog=9))
    assert refused.value.code == "certificate-expired"
    assert "r1 would serve an older certificate" in refused.value.message
    assert "shop ended on" in refused.value.message
    assert "blog" not in refused.value.message
    assert "seawall show r1" in refused.value.remedy


def test_whoever_means_it_is_told_and_goes_back() -> None:
    notes = going_back(holding(shop=-1), holding(shop=80), FORCE)
    assert "Certificate shop is the one of r1 again" in notes[0]


def test_one_that_ends_earlier_is_told() -> None:
    (note,) = going_back(holding(shop=20, blog=80), holding(shop=80, blog=20))
    assert "Certificate shop is the one of r1 again" in note


def test_where_that_of_today_has_ended_too_the_way_back_is_open() -> None:
    going_back(holding(shop=-9), holding(shop=-1))


def test_what_did_not_change_or_is_not_there_today_is_no_news() -> None:
    same = holding(shop=-1)
    assert going_back(same, same) == ()
    assert going_back(holding(shop=-1), holding(blog=80)) == ()


def test_authorities_of_origins_are_no_certificates_of_the_edge() -> None:
    secret = Secret(name="origin-ca")
    secret.validation_context.trusted_ca.inline_bytes = AUTHORITY.pem
    ca = Snapshot.of([Resource(TypeUrl.SECRET, "origin-ca", secret.SerializeToString(), "edge")])
    assert going_back(ca, holding(shop=80)) == ()


def test_a_name_that_forces_nothing_is_told() -> None:
    (note,) = idle_force((FORCE, "0a1b2c3d4e5f", "certifcate-expired"))
    assert "forced with 'certifcate-expired'" in note
