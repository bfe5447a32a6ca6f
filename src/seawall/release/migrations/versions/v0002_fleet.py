"""The second schema: the nodes of a fleet, and the tokens that let them in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "fleet_nodes",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("joined_s", sa.Float, nullable=False),
        sa.Column("certificate_ends_s", sa.Float, nullable=False),
    )
    op.create_table(
        "join_tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("expires_s", sa.Float, nullable=False),
        sa.Column("used_key_sha256", sa.String(64)),
    )
