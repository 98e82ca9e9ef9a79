"""Lists of audits and findings are found in one index each; the audit that others are compared with is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_lists"
down_revision = "20261126_web_tokens"
branch_labels = None
depends_on = None

VERDICTS = ("stable", "unstable", "inconclusive")
AUDIT_LIST = ["created_at", "id", "model_id", "state", "finished_at", *VERDICTS]
ORDER = ["audit_created_at", "audit_id", "position", "id"]
CONDITIONS = ["method", "equivalence", "layer", "head", "verdict", "claim", "basis", "invariant", "resolved"]
OLD_INDEXES = {
    "ix_finding_id": ["id"],
    "ix_finding_layer_head": ["layer", "head"],
    "ix_finding_verdict_effect": ["verdict", "effect"],
}

audit = sa.table("audit", *(sa.column(name) for name in ("id", "created_at", *VERDICTS)), sa.column("report"))
finding = sa.table(
    "finding", *(sa.column(name) for name in ("audit_id", "verdict", "claim", "basis", "invariant", "resolved")),
    sa.column("audit_created_at"), sa.column("body", sa.JSON()),
)  # fmt: skip


def upgrade() -> None:
    """Audits get their counts of verdicts, and findings what lists filter by, from what is stored."""
    _name_index(postgresql_using="hash")
    op.create_table(
        "baseline",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="pk_baseline"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_baseline_model_id_model", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_baseline_audit_id_audit", ondelete="CASCADE"),
    )
    op.create_index("ix_baseline_audit_id", "baseline", ["audit_id"])
    with op.batch_alter_table("audit") as batch:
        for verdict in VERDICTS:
            batch.add_column(sa.Column(verdict, sa.Integer(), nullable=True))
        batch.drop_index("ix_audit_created_at")
    with op.batch_alter_table("finding") as batch:
        for name in OLD_INDEXES:
            batch.drop_index(name)
        batch.add_column(sa.Column("claim", sa.Text(), nullable=True))
        batch.add_column(sa.Column("basis", sa.Text(), nullable=True))
        batch.add_column(sa.Column("invariant", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("resolved", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("audit_created_at", sa.DateTime(timezone=True), nullable=True))
    _fill()
    with op.batch_alter_table("finding") as batch:
        batch.alter_column("claim", existing_type=sa.Text(), nullable=False)
        batch.alter_column("basis", existing_type=sa.Text(), nullable=False)
        batch.alter_column("audit_created_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index("ix_finding_id", "finding", ["id"], postgresql_ops={"id": "text_pattern_ops"})
    op.create_index("ix_finding_equivalence", "finding", ["equivalence"])
    op.create_index("ix_finding_list", "finding", [*ORDER, *CONDITIONS, "effect"])
    op.create_index("ix_finding_effect_list", "finding", ["effect", *ORDER, *CONDITIONS])
    op.create_index("ix_audit_plan_name", "audit", ["plan_name"], postgresql_using="hash")
    op.create_index("ix_audit_list", "audit", AUDIT_LIST)


def _name_index(**kind: str) -> None:
    """On PostgreSQL, a row of the usual kind of index holds no name of 10,000 letters."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_model_name", "model")
        op.create_index("ix_model_name", "model", ["name"], **kind)


def _fill() -> None:
    body = finding.c.body
    kind, expected = body["kind"].as_string(), body["expected"].as_string()
    inferred = sa.case((kind != "exact", kind), (expected == "open", "exact"), else_="theory")
    created_at = sa.select(audit.c.created_at).where(audit.c.id == finding.c.audit_id).scalar_subquery()
    facts = {
        "claim": body[("claim", "kind")].as_string(),
        "basis": sa.func.coalesce(body["basis"].as_string(), inferred),
        "invariant": body["invariant"].as_boolean(),
        "resolved": body["resolved"].as_boolean(),
        "audit_created_at": created_at,
    }
    session = op.get_bind()
    session.execute(sa.update(finding).values(facts))
    counts = {
        verdict: sa.select(sa.func.count())
        .select_from(finding)
        .where(finding.c.audit_id == audit.c.id, finding.c.verdict == verdict)
        .scalar_subquery()
        for verdict in VERDICTS
    }
    session.execute(sa.update(audit).where(audit.c.report.is_not(None)).values(counts))


def downgrade() -> None:
    """Forget the baselines; the rest is in the findings themselves."""
    for name in ("ix_audit_list", "ix_audit_plan_name"):
        op.drop_index(name, "audit")
    for name in ("ix_finding_list", "ix_finding_effect_list", "ix_finding_equivalence", "ix_finding_id"):
        op.drop_index(name, "finding")
    with op.batch_alter_table("finding") as batch:
        for name in ("claim", "basis", "invariant", "resolved", "audit_created_at"):
            batch.drop_column(name)
    with op.batch_alter_table("audit") as batch:
        for verdict in VERDICTS:
            batch.drop_column(verdict)
    for name, columns in OLD_INDEXES.items():
        op.create_index(name, "finding", columns)
    op.create_index("ix_audit_created_at", "audit", ["created_at"])
    op.drop_table("baseline")
    _name_index()
