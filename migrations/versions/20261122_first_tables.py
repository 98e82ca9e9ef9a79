"""The first tables: models and their weights, audits and their cells, and what the cells found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_first_tables"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the seven tables, those that are referred to first."""
    _create_blob()
    _create_model()
    _create_audit()
    _create_cell()
    _create_variant()
    _create_interpretation()
    _create_finding()


def downgrade() -> None:
    """Drop them, and with them every model, audit and finding."""
    for table in ("finding", "interpretation", "variant", "cell", "audit", "model", "blob"):
        op.drop_table(table)


def _create_blob() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
    )


def _create_model() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("architecture", sa.JSON(), nullable=False),
        sa.Column("task", sa.JSON(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("function_fingerprint", sa.Text(), nullable=True),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("identity", name="uq_model_identity"),
        sa.ForeignKeyConstraint(["weights_sha256"], ["blob.sha256"], name="fk_model_weights_sha256_blob"),
    )
    op.create_index("ix_model_name", "model", ["name"])
    op.create_index("ix_model_weights_sha256", "model", ["weights_sha256"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cells_total", sa.Integer(), nullable=False),
        sa.Column("cells_done", sa.Integer(), nullable=False),
        sa.Column("cells_failed", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("behaviour", sa.JSON(), nullable=True),
        sa.Column("headline", sa.Text(), nullable=True),
        sa.Column("report", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_audit_model_id_model"),
    )
    op.create_index("ix_audit_created_at", "audit", ["created_at"])
    op.create_index("ix_audit_model_id_request", "audit", ["model_id", "request"])
    op.create_index("ix_audit_state", "audit", ["state"])


def _create_cell() -> None:
    op.create_table(
        "cell",
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("skipped", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", "key", name="pk_cell"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_cell_audit_id_audit", ondelete="CASCADE"),
    )
    op.create_index("ix_cell_state_lease_until", "cell", ["state", "lease_until"])


def _create_variant() -> None:
    op.create_table(
        "variant",
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("equivalence", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", "key", name="pk_variant"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_variant_audit_id_audit", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["weights_sha256"], ["blob.sha256"], name="fk_variant_weights_sha256_blob"),
    )
    op.create_index("ix_variant_weights_sha256", "variant", ["weights_sha256"])


def _create_interpretation() -> None:
    op.create_table(
        "interpretation",
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("variant_key", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("not_applicable", sa.Text(), nullable=False),
        sa.Column("axes", sa.JSON(), nullable=True),
        sa.Column("components", sa.JSON(), nullable=True),
        sa.Column("undefined", sa.JSON(), nullable=True),
        sa.Column("dtype", sa.Text(), nullable=True),
        sa.Column("shape", sa.JSON(), nullable=True),
        sa.Column("scores", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", "variant_key", "method", name="pk_interpretation"),
        sa.ForeignKeyConstraint(
            ["audit_id"], ["audit.id"], name="fk_interpretation_audit_id_audit", ondelete="CASCADE"
        ),
    )


def _create_finding() -> None:
    op.create_table(
        "finding",
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("equivalence", sa.Text(), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("head", sa.Integer(), nullable=True),
        sa.Column("neuron", sa.Integer(), nullable=True),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", "id", name="pk_finding"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_finding_audit_id_audit", ondelete="CASCADE"),
    )
    op.create_index("ix_finding_id", "finding", ["id"])
    op.create_index("ix_finding_layer_head", "finding", ["layer", "head"])
    op.create_index("ix_finding_method_equivalence", "finding", ["method", "equivalence"])
    op.create_index("ix_finding_verdict_effect", "finding", ["verdict", "effect"])
