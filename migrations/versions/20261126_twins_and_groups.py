"""Twins by their recipe, cells with a group of methods, scores with their error and not stored twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261126_twins_and_groups"
down_revision = "20261122_rates_of_calibration"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of twins; a cell of one method becomes one of a group that holds just this method."""
    op.create_table(
        "twin",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "recipe", name="pk_twin"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_twin_model_id_model", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["weights_sha256"], ["blob.sha256"], name="fk_twin_weights_sha256_blob"),
    )
    op.create_index("ix_twin_weights_sha256", "twin", ["weights_sha256"])
    with op.batch_alter_table("interpretation") as batch:
        batch.add_column(sa.Column("numerical_error", sa.Double(), nullable=True))
        batch.add_column(sa.Column("largest_difference", sa.Double(), nullable=True))
        batch.add_column(sa.Column("equal_on", sa.Integer(), nullable=True))
    with op.batch_alter_table("cell") as batch:
        batch.add_column(sa.Column("methods", sa.JSON(), nullable=False, server_default="[]"))
    cell = sa.table("cell", sa.column("method", sa.Text()), sa.column("methods", sa.JSON()))
    session = op.get_bind()
    for method in session.execute(sa.select(cell.c.method).distinct()).scalars().all():
        if method is not None:
            session.execute(sa.update(cell).where(cell.c.method == method).values(methods=[method]))
    with op.batch_alter_table("cell") as batch:
        batch.alter_column("methods", existing_type=sa.JSON(), existing_nullable=False, server_default=None)
        batch.drop_column("method")


def downgrade() -> None:
    """Drop the twins; a cell keeps the first method of its group, so that unfinished audits must be submitted again."""
    interpretation = sa.table("interpretation", sa.column("largest_difference", sa.Double()))
    op.get_bind().execute(sa.delete(interpretation).where(interpretation.c.largest_difference.is_not(None)))
    with op.batch_alter_table("interpretation") as batch:
        batch.drop_column("equal_on")
        batch.drop_column("largest_difference")
        batch.drop_column("numerical_error")
    with op.batch_alter_table("cell") as batch:
        batch.add_column(sa.Column("method", sa.Text(), nullable=True))
    cell = sa.table(
        "cell", *(sa.column(name, sa.Text()) for name in ("audit_id", "key", "method")), sa.column("methods", sa.JSON())
    )
    session = op.get_bind()
    for row in session.execute(sa.select(cell.c.audit_id, cell.c.key, cell.c.methods)).all():
        if row.methods:
            this = (cell.c.audit_id == row.audit_id) & (cell.c.key == row.key)
            session.execute(sa.update(cell).where(this).values(method=row.methods[0]))
    with op.batch_alter_table("cell") as batch:
        batch.drop_column("methods")
    op.drop_index("ix_twin_weights_sha256", "twin")
    op.drop_table("twin")
