"""Interactive audits go before those of a batch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_priority"
down_revision = "20261127_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Audits that are there count as waited for."""
    with op.batch_alter_table("audit") as batch:
        batch.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """All audits are alike again."""
    with op.batch_alter_table("audit") as batch:
        batch.drop_column("priority")
