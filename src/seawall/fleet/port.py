"""Control's port for nodes, put together: authority, certificate, gateway, server, desk.

The server's certificate is renewed while it serves: a TLS context takes a new one for the
connections that come after. Nothing here decides what a node shall run.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from seawall import limits
from seawall.api.fleet import FleetDesk, Heard, Lead, elsewhere
from seawall.api.record_desk import RecordDesk
from seawall.api.server import ApiServer
from seawall.clock import Clock
from seawall.errors import SeawallError, UnreachableError, UsageError
from seawall.fleet.ca import Authority, load_or_create_authority
from seawall.fleet.gateway import Gateway, Parts
from seawall.fleet.join import token_text
from seawall.fleet.members import Members
from seawall.fleet.peer import peer_protocol
from seawall.fleet.tls import server_context
from seawall.ids import NodeName
from seawall.node.files import write_atomic
from seawall.release.signing import PublicKey
from seawall.release.store import Store
from seawall.rollout.ports import ControlPort
from seawall.tasks import Background

_RENEW_SHARE: Final = 3
"""Renewed when one part in so many of its life is left."""
_FINGERPRINT_FACT: Final = "fleet-ca"


@dataclass(frozen=True)
class PortParts:
    """What the port needs of the rest of control.

    Attributes:
        home: directory of control's keys.
        listen: HOST:PORT to listen on.
        advertise: HOST:PORT that nodes use; `listen` when empty.
        control: polls, bundles and reports.
        heard: what is known of a node.
        lead: whether this process leads, and who does otherwise.
        age_s: how old what this process knows of the fleet is.
        forget: told that a node was removed; whether anything was known of it.
        reachable: whether a node was heard lately, or polls now.
        nudge: ends a node's polls, since there is something to ask it.
    """

    home: Path
    listen: str
    advertise: str
    store: Store
    control: ControlPort
    signing_key: PublicKey
    heard: Callable[[NodeName], Heard | None]
    lead: Lead
    age_s: Callable[[], float]
    forget: Callable[[NodeName], Awaitable[bool]]
    reachable: Callable[[NodeName], bool]
    nudge: Callable[[NodeName], None]
    clock: Clock
    rng: Random
    log: Callable[[str, str], None]
    log_error: Callable[[str, BaseException], None]


@contextlib.asynccontextmanager
async def nodes_port(parts: PortParts) -> AsyncIterator[FleetDesk]:
    """Listen for nodes until the block ends.

    Raises:
        SeawallError: keys, store or address cannot be used.
    """
    authority = load_or_create_authority(parts.home, parts.clock.now_s())
    require_same_authority(parts.store, authority)
    certificate = _ServerCertificate(parts.home, authority, parts.clock)
    context = certificate.context()
    members = Members(parts.store.fleet, parts.clock)
    await members.refresh()
    records = _record_desk(parts, members)
    gateway = Gateway(
        Parts(
            control=parts.control,
            records=records,
            registry=parts.store.fleet,
            members=members,
            authority=authority,
            signing_key=parts.signing_key,
            clock=parts.clock,
            rng=parts.rng,
            elsewhere=lambda: elsewhere(parts.lead),
            behind=lambda: not parts.lead.leading and parts.age_s() > limits.FOLLOWER_BEHIND_S,
            log=parts.log,
            log_error=parts.log_error,
        )
    )
    server = ApiServer(
        gateway.app(),
        protocol=peer_protocol(),
        tls=context,
        connections_max=limits.NODE_CONNECTIONS_MAX + limits.NODE_STRANGERS_MAX,
    )
    listener = listen_tcp(parts.listen, "listen-nodes")
    with contextlib.closing(listener):
        async with Background(parts.log_error) as background:
            serving = background.spawn(server.run_on(listener), name="nodes port")
            background.keep(members.run, parts.clock, name="members")
            renewals = partial(certificate.keep, context, parts.log)
            background.keep(renewals, parts.clock, name="server certificate")

            async def forget(name: NodeName) -> bool:
                await members.refresh()  # first, so that it says nothing that is kept
                return await parts.forget(name)

            yield FleetDesk(
                registry=parts.store.fleet,
                clock=parts.clock,
                control=parts.advertise or parts.listen,
                token_text=lambda secret: token_text(secret, authority.fingerprint),
                heard=parts.heard,
                records=records,
                lead=parts.lead,
                forget=forget,
            )
            serving.cancel()


def _record_desk(parts: PortParts, members: Members) -> RecordDesk:
    async def nodes() -> tuple[NodeName, ...]:
        with contextlib.suppress(SeawallError):  # a store that is away takes no node from us
            await members.refresh(older_than_s=limits.FOLLOWER_REFRESH_S)
        return members.names

    return RecordDesk(
        nodes,
        reachable=parts.reachable,
        nudge=parts.nudge,
        clock=parts.clock,
        rng=parts.rng,
        log=parts.log,
        groups=members.groups_of,
    )


def require_same_authority(store: Store, authority: Authority) -> None:
    """Refuse to be a second authority over the nodes of one store.

    Raises:
        UsageError: another authority let in the nodes of this store.
    """
    mine = authority.fingerprint.hex()
    found = store.meta.get(_FINGERPRINT_FACT)
    if found is None:
        with contextlib.suppress(SeawallError):  # another process may lead, and note it
            store.meta.set(_FINGERPRINT_FACT, mine)
    elif found != mine:
        raise UsageError(
            "ca-of-another-fleet",
            f"The nodes of this store trust the authority {found[:16]}, and this control process "
            f"has {mine[:16]}.",
            remedy="All control processes of a fleet need the same keys: copy ca.key, ca.pem and "
            "signing.key from the `control` directory of the first one.",
        )


def listen_tcp(address: str, option: str) -> socket.socket:
    """A listening socket on HOST:PORT.

    Raises:
        UsageError: it is no address, or cannot be used.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise UsageError(
            f"{option}-address-invalid",
            f"{address!r} is not HOST:PORT.",
            remedy=f"For example --{option} 127.0.0.1:7070.",
        )
    try:
        listener = socket.create_server(
            (host.strip("[]"), int(port)),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=limits.TCP_BACKLOG_MAX,
        )
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{option}-address-unusable",
            f"Cannot listen on {address}: {error}.",
            remedy=f"Choose another address or port with --{option}.",
        ) from error
    # Its connections have it too. Without, the body of an answer waits until the other end has
    # acknowledged the head, 40 ms; asyncio sees to it only where it made the socket.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _ServerCertificate:
    """The certificate of this control process, in files beside the authority's."""

    def __init__(self, home: Path, authority: Authority, clock: Clock) -> None:
        self._key = home / "server.key"
        self._certificate = home / "server.pem"
        self._authority = authority
        self._clock = clock
        self._due_s = 0.0
        self._starts_s = 0.0

    def context(self) -> ssl.SSLContext:
        """A TLS context with a new certificate; with the last one where none can be written.

        Control on a full disk is needed all the more: it can still withdraw what it released.

        Raises:
            UnreachableError: none can be written, and there is no last one.
            RefusedError: the authority's own certificate is over.
        """
        unwritten: OSError | None = None
        try:
            self._issue()
        except OSError as error:
            unwritten = error  # tried again by `keep`
        try:
            return server_context(self._certificate, self._key, self._authority.pem)
        except OSError as error:
            raise UnreachableError(
                "server-certificate-unwritable",
                f"The certificate of control cannot be saved in {self._key.parent}: "
                f"{unwritten or error}.",
                remedy="Check that the directory is writable and that the disk is not full.",
            ) from error

    async def keep(self, context: ssl.SSLContext, log: Callable[[str, str], None]) -> None:
        """Put a new certificate into `context` in time, until cancelled.

        Also when the clock was set: a machine whose clock was wrong when it booted has one of
        another year, which no node takes.
        """
        while True:
            await self._clock.sleep(limits.SERVER_CERTIFICATE_CHECK_S)
            if self._starts_s <= self._clock.now_s() < self._due_s:
                continue
            try:
                await asyncio.to_thread(self._issue)
                context.load_cert_chain(self._certificate, self._key)
            except (OSError, SeawallError) as error:
                log("server-certificate-not-renewed", str(error))

    def _issue(self) -> None:
        now_s = self._clock.now_s()
        key, issued = self._authority.server_identity(now_s)
        write_atomic(self._key, key.reveal())
        write_atomic(self._certificate, issued.pem)
        self._starts_s = now_s - limits.CERTIFICATE_BACKDATE_S
        self._due_s = issued.ends_s - (issued.ends_s - now_s) / _RENEW_SHARE
