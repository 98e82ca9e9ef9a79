"""An audit may be of a user's own strings, whose file is kept as bytes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261126_user_strings"
down_revision = "20261126_twins_and_groups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Audits name the bytes of their strings; those that are there have none."""
    with op.batch_alter_table("audit") as batch:
        batch.add_column(sa.Column("strings_sha256", sa.Text(), nullable=True))
        batch.create_foreign_key("fk_audit_strings_sha256_blob", "blob", ["strings_sha256"], ["sha256"])
    op.create_index("ix_audit_strings_sha256", "audit", ["strings_sha256"])


def downgrade() -> None:
    """Forget which strings an audit was of; its report keeps their hash, and one that is not finished cannot go on."""
    op.drop_index("ix_audit_strings_sha256", "audit")
    with op.batch_alter_table("audit") as batch:
        batch.drop_constraint("fk_audit_strings_sha256_blob", type_="foreignkey")
        batch.drop_column("strings_sha256")
