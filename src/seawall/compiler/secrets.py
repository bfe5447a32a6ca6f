"""Certificates become SDS secrets, named by their slot so that a rotation is an update in place."""

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import body_of
from seawall.model import Certificate


def compile_certificate(certificate: Certificate) -> Resource:
    """The secret that holds chain and key of `certificate`."""
    secret = secret_pb2.Secret(
        name=str(certificate.name),
        tls_certificate=common_pb2.TlsCertificate(
            certificate_chain=base_pb2.DataSource(inline_bytes=certificate.chain_pem),
            private_key=base_pb2.DataSource(inline_bytes=certificate.key_pem.reveal()),
        ),
    )
    owner = f"certificate {certificate.name}"
    return Resource(TypeUrl.SECRET, str(certificate.name), body_of(secret), owner)
