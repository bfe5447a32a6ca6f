"""TLS between control and nodes: 1.3 only, both sides by certificate, one authority, no resumption.

Resumption is off so that every connection shows its certificate anew. Nothing here reads a
certificate store of the system: only the fleet's own authority counts.
"""

import asyncio.sslproto
import ssl
from pathlib import Path
from typing import cast

from seawall import limits

_Tls = asyncio.sslproto.SSLProtocol


def server_context(certificate: Path, key: Path, authority: bytes) -> ssl.SSLContext:
    """For control's nodes port; a client without a certificate may connect, to join.

    Raises:
        OSError: a file cannot be read, or holds no pair of certificate and key (`SSLError`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0
    context.load_verify_locations(cadata=authority.decode("ascii"))
    context.load_cert_chain(certificate, key)
    return context


def client_context(
    authority: bytes, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """For a node that talks to control; without a certificate, to join.

    Raises:
        OSError: a file cannot be read, or holds no pair of certificate and key (`SSLError`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority.decode("ascii"))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def unverified_context() -> ssl.SSLContext:
    """For the one question whose answer is checked against a fingerprint: which authority is it?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def web_context() -> ssl.SSLContext:
    """For a mirror on https: the system's authorities. What a mirror sends is checked anyway."""
    return ssl.create_default_context()


def keep_small() -> None:
    """Give every TLS connection of this process a small read buffer.

    asyncio takes 256 KiB for each and writes zeros into it, and has no setting for it.
    """
    asyncio.sslproto.SSLProtocol.max_size = limits.NODE_TLS_READ_SIZE_BYTES


def bound_handshakes(most: int = limits.NODE_HANDSHAKES_MAX) -> None:
    """Let no more than `most` handshakes with this process be under way: the oldest ends then.

    Before its handshake nothing is known of a connection and no server counts it. asyncio waits a
    minute for it, and has no bound. Whoever means it takes moments.
    """
    under_way: dict[_Tls, asyncio.Transport] = {}

    class Bounded(_Tls):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if self._server_side:
                under_way[self] = cast("asyncio.Transport", transport)
                while len(under_way) > most:
                    under_way.pop(next(iter(under_way))).abort()

        def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
            under_way.pop(self, None)
            super()._on_handshake_complete(handshake_exc)

        def connection_lost(self, exc: BaseException | None) -> None:
            under_way.pop(self, None)
            super().connection_lost(exc)

    # The loop looks it up there for each connection.
    asyncio.sslproto.SSLProtocol = Bounded  # type: ignore[misc]  # - there is no setting for it
