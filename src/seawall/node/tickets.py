"""The keys of TLS session tickets: the same for every Envoy of this node, over swaps and restarts.

A client that comes back with a ticket may meet any slot, so all must be able to read it. The newest
key makes tickets; older ones still read them for as long as tickets live. The file is private: who
has a key can read recorded TLS 1.2 sessions that were resumed with it, so keys are short-lived.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from envoy.config.core.v3.base_pb2 import DataSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsSessionTicketKeys
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of
from seawall.limits import (
    NODE_STATE_SIZE_BYTES_MAX,
    TICKET_KEY_LIFE_S,
    TICKET_KEYS_KEPT,
)
from seawall.node.files import Writer, read_bounded, write_atomic

TICKETS: Final = "seawall_session_tickets"
"""The name of the secret; certificates come from a site file, where no name has an underscore."""
PLACEHOLDER: Final = Resource(TypeUrl.SECRET, TICKETS, b"", "edge")
"""Stands in a stamped snapshot for the keys of the moment."""
_KEY_SIZE_BYTES: Final = 80
"""What Envoy asks for: a name of 16 bytes, 32 for the HMAC, 32 for AES."""


class Tickets:
    """The keys, newest first, in `path`.

    Args:
        entropy: gives that many random bytes.
        write: replaces a file durably.
    """

    def __init__(
        self,
        path: Path,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        write: Writer = write_atomic,
    ) -> None:
        self._path = path
        self._entropy = entropy
        self._write = write
        self._keys: tuple[bytes, ...] = (entropy(_KEY_SIZE_BYTES),)
        self._made_s: float | None = None

    def refresh(self, now_s: float) -> bool:
        """Read the file the first time; make a new key when it is due. True when keys changed.

        A file that cannot be read or written costs clients one full handshake each, no more.
        """
        loaded = self._made_s is None and self._load()
        if self._made_s is not None and 0 <= now_s - self._made_s < TICKET_KEY_LIFE_S:
            return loaded
        kept = self._keys if self._made_s is not None else ()
        self._keys = (self._entropy(_KEY_SIZE_BYTES), *kept)[:TICKET_KEYS_KEPT]
        self._made_s = now_s
        self._save()
        return True

    def dress(self, snapshot: Snapshot) -> Snapshot:
        """`snapshot` with the keys where it wants some."""
        if (TypeUrl.SECRET, TICKETS) not in snapshot.by_key:
            return snapshot
        keys = TlsSessionTicketKeys(keys=[DataSource(inline_bytes=key) for key in self._keys])
        body = body_of(Secret(name=TICKETS, session_ticket_keys=keys))
        secret = Resource(TypeUrl.SECRET, TICKETS, body, "edge")
        return Snapshot(
            tuple(
                secret if r.type_url is TypeUrl.SECRET and r.name == TICKETS else r
                for r in snapshot.resources
            )
        )

    def _load(self) -> bool:
        try:
            record = json.loads(read_bounded(self._path, NODE_STATE_SIZE_BYTES_MAX))
            keys = tuple(base64.b64decode(key, validate=True) for key in record["keys"])
            made_s = float(record["made_s"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not keys or any(len(key) != _KEY_SIZE_BYTES for key in keys):
            return False
        self._keys, self._made_s = keys[:TICKET_KEYS_KEPT], made_s
        return True

    def _save(self) -> None:
        keys = [base64.b64encode(key).decode() for key in self._keys]
        record = json.dumps({"made_s": self._made_s, "keys": keys})
        try:
            self._write(self._path, record.encode())
        except OSError:
            return
