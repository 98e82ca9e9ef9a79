"""An index by which a monitor finds the cells that ended since it last looked."""

from __future__ import annotations

from alembic import op

revision = "20261127_when_cells_end"
down_revision = "20261127_priority"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_cell_finished_at", "cell", ["finished_at"])


def downgrade() -> None:
    """Drop it; no row changes."""
    op.drop_index("ix_cell_finished_at", "cell")
