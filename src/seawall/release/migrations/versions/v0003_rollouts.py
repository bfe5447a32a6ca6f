"""The third schema: rollouts and their history, trials in assignments, and the fleet's target."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_BIG = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Create the tables; the fleet's target is what its first node was assigned."""
    for column in (
        sa.Column("trial_release", sa.Integer),
        sa.Column("trial_share_permille", sa.Integer),
        sa.Column("trial_baseline", sa.Integer),
        sa.Column("trial_taste_deadline_s", sa.Float),
    ):
        op.add_column("assignments", column)
    _create_fleet()
    op.create_table(
        "rollouts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("release", sa.Integer, nullable=False),
        sa.Column("before", sa.Integer),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("started_s", sa.Float, nullable=False),
        sa.Column("ended_s", sa.Float),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("rollouts_by_release", "rollouts", ["release"])
    op.create_table(
        "rollout_events",
        sa.Column("number", _BIG, primary_key=True, autoincrement=False),
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("release", sa.Integer),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("rollout_events_by_rollout", "rollout_events", ["rollout"])
    op.execute(
        "INSERT INTO fleet (id, version, generation, target, target_bake_s, target_feed, "
        "target_unproven, target_before) SELECT 1, 1, (SELECT MAX(generation) FROM assignments), "
        "release, bake_s, '', 0, previous FROM assignments ORDER BY node LIMIT 1"
    )


def _create_fleet() -> None:
    op.create_table(
        "fleet",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", _BIG, nullable=False),
        sa.Column("generation", _BIG, nullable=False),
        sa.Column("target", sa.Integer),
        sa.Column("target_bake_s", sa.Float),
        sa.Column("target_feed", sa.Text, nullable=False),
        sa.Column("target_base", sa.Integer),
        sa.Column("target_unproven", sa.Integer, nullable=False),
        sa.Column("target_before", sa.Integer),
        sa.Column("frozen_by", sa.Text),
        sa.Column("frozen_reason", sa.Text),
        sa.Column("frozen_s", sa.Float),
    )
