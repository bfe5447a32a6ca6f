"""What the store remembers beside releases: who did what, who may, and small facts.

The audit log is bounded and ordered by number. An API token is shown once, when it is made; the
store keeps its SHA-256 only, which suffices because the token is 256 random bits, not a password.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from seawall import limits
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, RefusedError, UnreachableError, UsageError
from seawall.release.database import Database
from seawall.release.rows import plain_text
from seawall.release.tables import AUDIT, META, TOKENS
from seawall.release.upsert import upsert
from seawall.secret import Secret

_TOKEN: Final = re.compile(r"swt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_LAST_USED_PRECISION_S: Final = 60.0
"""How exact `last_used_s` is: a write for each request would wear the disk for nothing."""


class Scope(StrEnum):
    """What a token may do."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. `number` orders; `at_s` (Unix seconds) is for people."""

    number: int
    at_s: float
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret; times in Unix seconds, None for never."""

    name: str
    scopes: frozenset[Scope]
    created_s: float
    last_used_s: float | None
    expires_s: float | None


def record_deed(
    connection: Connection, at_s: float, *, actor: str, action: str, subject: str, detail: str = ""
) -> None:
    """Add an audit entry in the caller's transaction, and drop what is over the bound."""
    result = connection.execute(
        insert(AUDIT).values(
            at_s=at_s,
            actor=_clip(actor),
            action=_clip(action),
            subject=_clip(subject),
            detail=_clip(detail),
        )
    )
    newest = result.inserted_primary_key[0] if result.inserted_primary_key else 0
    connection.execute(delete(AUDIT).where(AUDIT.c.number <= newest - limits.AUDIT_ENTRIES_MAX))


class Audit:
    """The audit log; deeds of the store itself are added by the store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, *, actor: str, action: str, subject: str = "", detail: str = "") -> None:
        """Record a deed that no other operation of the store records; long texts are cut."""
        with self._database.write() as connection:
            record_deed(
                connection,
                self._clock.now_s(),
                actor=actor,
                action=action,
                subject=subject,
                detail=detail,
            )

    def entries(
        self, *, count_max: int = limits.PAGE_SIZE_MAX, before: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """Newest first; `before` pages on below a number."""
        query = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(page_size(count_max))
        if before is not None:
            query = query.where(AUDIT.c.number < before)
        with self._database.read() as connection:
            return tuple(AuditEntry(*row) for row in connection.execute(query))


class Tokens:
    """API tokens."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, name: str, scopes: frozenset[Scope], *, actor: str, expires_s: float | None = None
    ) -> tuple[Token, Secret]:
        """A new token and its text, which exists nowhere else.

        Raises:
            UsageError: no name or no scope, or an end that has passed.
            ConflictError: the name is taken, or there are too many tokens.
        """
        now_s = self._clock.now_s()
        _check_new_token(name, scopes, expires_s, now_s)
        token_id, text = secrets.token_hex(8), secrets.token_urlsafe(32)
        token = Token(name, scopes, now_s, None, expires_s)
        with self._database.write() as connection:
            names = set(connection.execute(select(TOKENS.c.name)).scalars())
            if name in names:
                raise ConflictError(
                    "token-name-taken",
                    f"There is already an API token named {name!r}.",
                    remedy="Choose another name, or revoke that one first.",
                )
            if len(names) >= limits.API_TOKENS_MAX:
                raise ConflictError(
                    "too-many-tokens",
                    f"There are {len(names)} API tokens, the maximum.",
                    remedy="Revoke one that is no longer used.",
                )
            connection.execute(
                insert(TOKENS).values(
                    id=token_id,
                    name=name,
                    sha256=_sha256(text),
                    scopes=" ".join(sorted(scopes)),
                    created_s=now_s,
                    expires_s=expires_s,
                )
            )
            record_deed(
                connection,
                now_s,
                actor=actor,
                action="token-created",
                subject=name,
                detail=" ".join(sorted(scopes)),
            )
        return token, Secret(f"swt_{token_id}_{text}".encode())

    def verify(self, offered: Secret) -> Token:
        """The token behind the text somebody brought.

        Raises:
            RefusedError: unknown, revoked or expired; it does not say which to a stranger.
        """
        match = _TOKEN.fullmatch(offered.reveal().decode("ascii", errors="replace"))
        token_id, text = match.groups() if match else ("", "")
        with self._database.read() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.id == token_id)).first()
        # An unknown id compares too, so that both ways take the same time.
        known = hmac.compare_digest(row.sha256 if row else "0" * 64, _sha256(text))
        now_s = self._clock.now_s()
        if row is None or not known or (row.expires_s is not None and row.expires_s <= now_s):
            raise RefusedError(
                "token-refused",
                "The API token is unknown, revoked or expired.",
                remedy="Make a new one: seawall token create NAME.",
            )
        self._note_use(row, now_s)
        return _token(row)

    def list(self) -> tuple[Token, ...]:
        """All tokens by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(TOKENS).order_by(TOKENS.c.name))
            return tuple(_token(row) for row in rows)

    def revoke(self, name: str, *, actor: str) -> None:
        """End a token at once.

        Raises:
            NotFoundError: there is none of that name.
        """
        with self._database.write() as connection:
            gone = connection.execute(delete(TOKENS).where(TOKENS.c.name == name)).rowcount
            if not gone:
                raise NotFoundError(
                    "token-unknown",
                    f"There is no API token named {name!r}.",
                    remedy="See `seawall token list`.",
                )
            record_deed(
                connection, self._clock.now_s(), actor=actor, action="token-revoked", subject=name
            )

    def _note_use(self, row: Row[Any], now_s: float) -> None:
        if row.last_used_s is not None and abs(now_s - row.last_used_s) < _LAST_USED_PRECISION_S:
            return
        try:
            with self._database.write() as connection:
                connection.execute(
                    update(TOKENS).where(TOKENS.c.id == row.id).values(last_used_s=now_s)
                )
        except (UnreachableError, ConflictError):
            # A full disk must not lock the operator out, nor must a control process that may not
            # write because another one leads: the time of use is only a courtesy.
            return


class Meta:
    """Small facts by name, for example the last accepted Envoy version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> str | None:
        """The value, or None."""
        with self._database.read() as connection:
            return connection.execute(select(META.c.value).where(META.c.key == key)).scalar()

    def set(self, key: str, value: str) -> None:
        """Write or overwrite.

        Raises:
            UsageError: the value is too long, or there are too many keys.
        """
        if len(value) > limits.META_VALUE_LENGTH_CHARS_MAX:
            raise UsageError("meta-too-long", f"The value of {key!r} is too long to keep.")
        with self._database.write() as connection:
            others = select(func.count()).select_from(META).where(META.c.key != key)
            if connection.execute(others).scalar_one() >= limits.META_KEYS_MAX:
                raise UsageError("meta-too-many", "The store has too many small entries.")
            statement = upsert(connection, META).values(key=key, value=value)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[META.c.key], set_={"value": value})
            )


def page_size(asked: int) -> int:
    """A page of at least one entry and at most `PAGE_SIZE_MAX`."""
    return max(1, min(asked, limits.PAGE_SIZE_MAX))


def _check_new_token(
    name: str, scopes: frozenset[Scope], expires_s: float | None, now_s: float
) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise UsageError(
            "token-name-invalid",
            "An API token needs a name of 1 to 63 letters, digits, dots, dashes or underscores.",
            remedy="Name it after the person or script that has it.",
        )
    if not scopes:
        raise UsageError("token-scope-missing", "An API token needs a scope: read or write.")
    if expires_s is None:
        return
    if expires_s <= now_s:
        raise UsageError(
            "token-expired",
            "The expiry date of the API token is in the past.",
            remedy="Choose a later date, or none.",
        )
    if not expires_s <= now_s + limits.API_TOKEN_LIFETIME_S_MAX:  # NaN, too
        days = limits.API_TOKEN_LIFETIME_S_MAX / 86_400
        raise UsageError(
            "token-end-too-far",
            f"The expiry date of the API token is more than {days:,.0f} days away.",
            remedy="Choose an earlier date, or none.",
        )


def _token(row: Row[Any]) -> Token:
    return Token(
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created_s=row.created_s,
        last_used_s=row.last_used_s,
        expires_s=row.expires_s,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _clip(text: str) -> str:
    return plain_text(text, limits.AUDIT_TEXT_LENGTH_CHARS_MAX)
