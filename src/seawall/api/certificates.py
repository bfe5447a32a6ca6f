"""What a compiled release shows of itself: certificates as people read them, addresses, sites.

Only the workbench reads releases; control keeps what this says.
"""

from typing import Final

from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from seawall.api.status_views import CertificateView
from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.tables import name_of

_DAY_S: Final = 86_400


def certificates_of(snapshot: Snapshot, now_s: float) -> tuple[CertificateView, ...]:
    """The certificates a snapshot shows to clients, soonest to expire first."""
    views = []
    for resource in snapshot.of_type(TypeUrl.SECRET):
        secret = secret_pb2.Secret.FromString(resource.body)
        chain = secret.tls_certificate.certificate_chain.inline_bytes
        if not chain:
            continue
        leaf = x509.load_pem_x509_certificate(chain)
        not_after_s = leaf.not_valid_after_utc.timestamp()
        views.append(
            CertificateView(
                name=resource.name,
                dns_names=_dns_names(leaf),
                not_after_s=not_after_s,
                days_left=int((not_after_s - now_s) // _DAY_S),
                serial=f"{leaf.serial_number:x}",
                not_before_s=leaf.not_valid_before_utc.timestamp(),
            )
        )
    return tuple(sorted(views, key=lambda view: (view.not_after_s, view.name)))


def _dns_names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def listeners_of(snapshot: Snapshot) -> tuple[str, ...]:
    """The addresses a release listens on, as `http 0.0.0.0:80`."""
    return tuple(resource.name for resource in snapshot.of_type(TypeUrl.LISTENER))


def sites_of(snapshot: Snapshot) -> frozenset[str]:
    """The names of the sites of a release."""
    return frozenset(
        name
        for resource in snapshot.of_type(TypeUrl.ROUTES)
        for host in resource.table.hosts
        if (name := name_of(host)) != names.UNKNOWN_HOST
    )
