"""The first schema: releases, bundles, quarantine, assignments, audit, tokens, meta."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "bundles",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("compressed_size_bytes", sa.Integer, nullable=False),
        sa.Column("compressed", sa.LargeBinary, nullable=False),
    )
    _create_releases()
    _create_rollout()
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("last_used_s", sa.Float),
        sa.Column("expires_s", sa.Float),
    )


def _create_releases() -> None:
    op.create_table(
        "releases",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), sa.ForeignKey("bundles.digest"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("parent", sa.Integer),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("gate_report", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("releases_by_digest", "releases", ["digest"])
    op.create_table(
        "quarantine",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
    )


def _create_rollout() -> None:
    op.create_table(
        "assignments",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column(
            "generation",
            sa.Integer().with_variant(sa.BigInteger(), "postgresql"),
            nullable=False,
        ),
        sa.Column("release", sa.Integer, sa.ForeignKey("releases.number"), nullable=False),
        sa.Column("previous", sa.Integer),
        sa.Column("bake_s", sa.Float, nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
    )
    op.create_table(
        "known_good",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("release", sa.Integer, nullable=False),
    )
