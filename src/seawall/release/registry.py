"""What the store remembers of a fleet: which nodes belong to it, and the tokens that let one in.

A node is its name and one key: a certificate that holds another key does not speak for it, however
valid it is, and a removed node speaks for nobody. A join token is shown once; the store keeps its
SHA-256, which suffices because it is 256 random bits. It lets in one key, once: the same key may
ask again, because an answer can be lost on the way, but only as the node that it is by then.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from seawall import limits
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, RefusedError, UsageError
from seawall.ids import NodeName
from seawall.release.database import Database
from seawall.release.ledger import record_deed
from seawall.release.tables import FLEET_NODES, JOIN_TOKENS
from seawall.release.upsert import upsert

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TOKEN: Final = re.compile(r"([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A node that may ask and report; times in Unix seconds."""

    name: NodeName
    groups: tuple[str, ...]
    key_sha256: str
    joined_s: float
    certificate_ends_s: float


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A join token without its secret; `node` is empty when the node names itself."""

    id: str
    node: str
    groups: tuple[str, ...]
    expires_s: float
    used: bool


class Registry:
    """Nodes and join tokens; every change is one transaction with its audit entry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_token(
        self, *, node: str, groups: tuple[str, ...], ttl_s: float, actor: str
    ) -> tuple[JoinToken, str]:
        """A new join token and its text without the fingerprint, which exists nowhere else.

        Raises:
            UsageError: a bad name or group, or a life that is too short or too long.
            ConflictError: too many tokens.
        """
        if node:
            require_name(node, "node")
        _require_groups(groups)
        if not 0 < ttl_s <= limits.JOIN_TOKEN_TTL_S_MAX:
            raise UsageError(
                "join-token-ttl-invalid",
                f"A join token cannot live {ttl_s:g} s.",
                remedy="Choose a --ttl of more than 0 s and at most "
                f"{limits.JOIN_TOKEN_TTL_S_MAX / 86_400:.0f} days.",
            )
        now_s = self._clock.now_s()
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(delete(JOIN_TOKENS).where(JOIN_TOKENS.c.expires_s <= now_s))
            _require_room(connection, JOIN_TOKENS, limits.JOIN_TOKENS_MAX, "join tokens")
            connection.execute(
                insert(JOIN_TOKENS).values(
                    id=token_id,
                    sha256=_sha256(secret),
                    node=node,
                    groups=" ".join(groups),
                    actor=actor,
                    created_s=now_s,
                    expires_s=now_s + ttl_s,
                )
            )
            record_deed(
                connection,
                now_s,
                actor=actor,
                action="join-token-created",
                subject=node or "any node",
                detail=_in_words(groups),
            )
        return JoinToken(token_id, node, groups, now_s + ttl_s, used=False), f"{token_id}_{secret}"

    def admit(self, token: str, *, name: str, key_sha256: str, ends_s: float) -> FleetNode:
        """Let a node in, or back in with a new key.

        Args:
            token: the text that was made by `create_token`.
            name: what the node calls itself; a token that names a node wins.
            key_sha256: of the key in the certificate it is about to get.
            ends_s: when that certificate ends.

        Raises:
            RefusedError: the token is unknown, over, or used by another key; it says which to
                nobody but its holder.
            UsageError: the name cannot be one.
            ConflictError: the name belongs to another node, or there are too many.
        """
        now_s = self._clock.now_s()
        # Anybody who reaches the port may ask, and one transaction writes at a time.
        with self._database.read() as connection:
            _valid_token(connection, token, key_sha256, now_s)
        with self._database.write() as connection:
            row = _valid_token(connection, token, key_sha256, now_s)
            chosen = row.node or name
            require_name(chosen, "node")
            if row.used_key_sha256 is not None:
                _require_same(connection, key_sha256, chosen)
            found = _node_row(connection, chosen)
            if found is not None and not row.node and found.key_sha256 != key_sha256:
                raise ConflictError(
                    "node-name-taken",
                    f"There is already a node named {chosen}.",
                    remedy="Choose another with --name; to replace that node, make a token for "
                    f"it: seawall token join --name {chosen}.",
                )
            if found is None:
                _require_room(connection, FLEET_NODES, limits.NODES_MAX, "nodes")
            groups = tuple(row.groups.split())
            node = FleetNode(NodeName(chosen), groups, key_sha256, now_s, ends_s)
            _write_node(connection, node)
            used = update(JOIN_TOKENS).where(JOIN_TOKENS.c.id == row.id)
            connection.execute(used.values(used_key_sha256=key_sha256))
            again = "-again" if found is not None else ""
            _deed(connection, now_s, row.actor, f"node-joined{again}", node)
        return node

    def renewed(self, name: NodeName, ends_s: float) -> None:
        """Note the end of a node's newest certificate.

        Raises:
            NotFoundError: it was removed.
        """
        with self._database.write() as connection:
            statement = update(FLEET_NODES).where(FLEET_NODES.c.name == name)
            if not connection.execute(statement.values(certificate_ends_s=ends_s)).rowcount:
                raise unknown_node(name)

    def remove(self, name: str, *, actor: str) -> None:
        """Let a node speak no more; what it serves, it serves on.

        The token that let it in is over for its key, too; see `admit`.

        Raises:
            NotFoundError: there is none of that name.
        """
        with self._database.write() as connection:
            row = _node_row(connection, name)
            if row is None:
                raise unknown_node(name)
            connection.execute(delete(FLEET_NODES).where(FLEET_NODES.c.name == name))
            _deed(connection, self._clock.now_s(), actor, "node-removed", _node(row))

    def nodes(self) -> tuple[FleetNode, ...]:
        """All nodes, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(FLEET_NODES).order_by(FLEET_NODES.c.name))
            return tuple(_node(row) for row in rows)


def require_name(name: str, what: str) -> None:
    """Refuse what cannot name a node or a group.

    Raises:
        UsageError: it is no DNS label.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{what}-name-invalid",
            f"{name[:80]!r} cannot name a {what}: 1 to 63 lower-case letters, digits and dashes.",
            remedy="For example edge-1.",
        )


def unknown_node(name: str) -> NotFoundError:
    """The answer to a node that does not belong to the fleet."""
    return NotFoundError(
        "node-unknown",
        f"There is no node {name[:80]!r} in this fleet.",
        remedy="See `seawall nodes list`; add one with `seawall token join`.",
    )


def _require_groups(groups: tuple[str, ...]) -> None:
    for group in groups:
        require_name(group, "group")
    if len(groups) > limits.NODE_GROUPS_MAX:
        raise UsageError(
            "too-many-groups",
            f"{len(groups)} groups were given; a node may have at most {limits.NODE_GROUPS_MAX}.",
        )


def _require_room(connection: Connection, table: Any, count_max: int, what: str) -> None:
    if connection.execute(select(func.count()).select_from(table)).scalar_one() >= count_max:
        raise ConflictError(
            "fleet-full",
            f"There are {count_max} {what}, the maximum.",
            remedy="Remove those that are gone: seawall nodes remove NAME.",
        )


def _node_row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(FLEET_NODES).where(FLEET_NODES.c.name == name)).first()


def _valid_token(connection: Connection, token: str, key_sha256: str, now_s: float) -> Row[Any]:
    match = _TOKEN.fullmatch(token)
    token_id, secret = match.groups() if match else ("", "")
    row = connection.execute(select(JOIN_TOKENS).where(JOIN_TOKENS.c.id == token_id)).first()
    known = hmac.compare_digest(row.sha256 if row else "0" * 64, _sha256(secret))
    if row is None or not known or row.expires_s <= now_s:
        raise _token_over()
    if row.used_key_sha256 not in {None, key_sha256}:
        raise RefusedError(
            "join-token-used",
            "Another node has already used this join token.",
            remedy="Make a new one on control: seawall token join. If you do not know that node, "
            "remove it: seawall nodes remove NAME.",
        )
    return row


def _require_same(connection: Connection, key_sha256: str, name: str) -> None:
    """A key that asks again is the node that it was let in as, or was removed or replaced since."""
    by_key = select(FLEET_NODES.c.name).where(FLEET_NODES.c.key_sha256 == key_sha256)
    names = set(connection.execute(by_key.order_by(FLEET_NODES.c.name)).scalars())
    if not names:
        raise _token_over()
    if name not in names:
        own = min(names)
        raise ConflictError(
            "joined-already",
            f"This machine has already used this join token, as node {own}.",
            remedy=f"Join with --name {own}. For another name, remove that node (seawall nodes "
            f"remove {own}) and make a new token on control: seawall token join.",
        )


def _token_over() -> RefusedError:
    return RefusedError(
        "join-token-refused",
        "The join token is unknown or has expired.",
        remedy="Make a new one on control: seawall token join.",
    )


def _write_node(connection: Connection, node: FleetNode) -> None:
    values = {
        "groups": " ".join(node.groups),
        "key_sha256": node.key_sha256,
        "joined_s": node.joined_s,
        "certificate_ends_s": node.certificate_ends_s,
    }
    statement = upsert(connection, FLEET_NODES).values(name=node.name, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[FLEET_NODES.c.name], set_=values)
    )


def _node(row: Row[Any]) -> FleetNode:
    return FleetNode(
        name=NodeName(row.name),
        groups=tuple(row.groups.split()),
        key_sha256=row.key_sha256,
        joined_s=row.joined_s,
        certificate_ends_s=row.certificate_ends_s,
    )


def _deed(connection: Connection, at_s: float, actor: str, action: str, node: FleetNode) -> None:
    record_deed(
        connection,
        at_s,
        actor=actor,
        action=action,
        subject=node.name,
        detail=_in_words(node.groups),
    )


def _in_words(groups: tuple[str, ...]) -> str:
    return f"groups: {' '.join(groups)}" if groups else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
