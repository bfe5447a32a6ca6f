"""The tables of the store, as the newest schema has them.

A new store is created from here; an older one is brought here by `release/migrations`. A test
holds the two equal. Order is always by number, never by time: a clock may be set back.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA: Final = MetaData()
BIG: Final = Integer().with_variant(BigInteger(), "postgresql")
"""A number that may grow over 31 bits; SQLite knows one size only."""

META: Final = Table(
    "meta",
    METADATA,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)
BUNDLES: Final = Table(
    "bundles",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("compressed_size_bytes", Integer, nullable=False),
    Column("compressed", LargeBinary, nullable=False),
)
RELEASES: Final = Table(
    "releases",
    METADATA,
    # AUTOINCREMENT: the number of a dropped release is never given again.
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), ForeignKey("bundles.digest"), nullable=False),
    Column("kind", String, nullable=False),
    # Not a foreign key: the parent may be dropped by retention.
    Column("parent", Integer),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("gate_report", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("releases_by_digest", RELEASES.c.digest)
QUARANTINE: Final = Table(
    "quarantine",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_s", Float, nullable=False),
)
ASSIGNMENTS: Final = Table(
    "assignments",
    METADATA,
    Column("node", String, primary_key=True),
    Column("generation", BIG, nullable=False),
    Column("release", Integer, ForeignKey("releases.number"), nullable=False),
    # The rollback point; retention keeps it, but a foreign key would forbid a restored store.
    Column("previous", Integer),
    Column("bake_s", Float, nullable=False),
    Column("at_s", Float, nullable=False),
    # What it shall try beside `release`; all four are null when it tries nothing.
    Column("trial_release", Integer),
    Column("trial_share_permille", Integer),
    Column("trial_baseline", Integer),
    Column("trial_taste_deadline_s", Float),
)
FLEET: Final = Table(
    "fleet",
    METADATA,
    # One row, 1, from the first rollout on.
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Grows with every write; a writer that read another one is refused.
    Column("version", BIG, nullable=False),
    # The largest that any node was ever assigned.
    Column("generation", BIG, nullable=False),
    # What nodes run when no rollout says otherwise, and what that was before.
    Column("target", Integer),
    Column("target_bake_s", Float),
    Column("target_feed", Text, nullable=False),
    Column("target_base", Integer),
    Column("target_unproven", Integer, nullable=False),
    Column("target_before", Integer),
    Column("frozen_by", Text),
    Column("frozen_reason", Text),
    Column("frozen_s", Float),
)
ROLLOUTS: Final = Table(
    "rollouts",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("release", Integer, nullable=False),
    Column("before", Integer),
    Column("stage", String, nullable=False),
    Column("started_s", Float, nullable=False),
    # Null while it goes on.
    Column("ended_s", Float),
    # All of it, as JSON.
    Column("state", Text, nullable=False),
)
Index("rollouts_by_release", ROLLOUTS.c.release)
ROLLOUT_EVENTS: Final = Table(
    "rollout_events",
    METADATA,
    Column("number", BIG, primary_key=True, autoincrement=False),
    # 0 for the fleet as a whole.
    Column("rollout", Integer, nullable=False),
    Column("release", Integer),
    Column("at_s", Float, nullable=False),
    Column("code", String, nullable=False),
    Column("text", Text, nullable=False),
)
Index("rollout_events_by_rollout", ROLLOUT_EVENTS.c.rollout)
KNOWN_GOOD: Final = Table(
    "known_good",
    METADATA,
    Column("node", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("release", Integer, nullable=False),
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)
WAITING_FEEDS: Final = Table(
    "waiting_feeds",
    METADATA,
    # Orders pushes. AUTOINCREMENT: what somebody works on is never taken for a newer one.
    Column("number", Integer, primary_key=True),
    # Of one feed only the newest push waits.
    Column("name", String, nullable=False, unique=True),
    Column("content", LargeBinary, nullable=False),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    # A list of names, as JSON.
    Column("force", Text, nullable=False),
    Column("at_s", Float, nullable=False),
    sqlite_autoincrement=True,
)
TOKENS: Final = Table(
    "tokens",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("scopes", String, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("last_used_s", Float),
    Column("expires_s", Float),
)
FLEET_NODES: Final = Table(
    "fleet_nodes",
    METADATA,
    Column("name", String, primary_key=True),
    # Group names, separated by spaces.
    Column("groups", Text, nullable=False),
    # SHA-256 of the SubjectPublicKeyInfo in its certificate: no other key speaks for it.
    Column("key_sha256", String(64), nullable=False),
    Column("joined_s", Float, nullable=False),
    Column("certificate_ends_s", Float, nullable=False),
)
JOIN_TOKENS: Final = Table(
    "join_tokens",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("sha256", String(64), nullable=False),
    # The only name it joins; empty when the node names itself.
    Column("node", String, nullable=False),
    Column("groups", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("expires_s", Float, nullable=False),
    # Who used it; the same key may ask again when the first answer was lost.
    Column("used_key_sha256", String(64)),
)
