"""The audit's own error rates: one row per calibration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_rates_of_calibration"
down_revision = "20261122_first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "calibration",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calibration"),
    )
    op.create_index("ix_calibration_request_created_at", "calibration", ["request", "created_at"])


def downgrade() -> None:
    """Drop it, and with it every calibration."""
    op.drop_table("calibration")
