"""The tables, the same on SQLite and PostgreSQL.

    model ──< audit ──< cell            blob: bytes by their SHA-256 (weights of models, variants and twins,
          │       ├──< variant                  strings of audits)
          │       ├──< interpretation
          │       └──< finding
          ├─< twin                      a trained variant by its recipe, for the audits to come
          └── baseline                  the audit that later ones of the model are compared with

    calibration: the audit's own error rates, by versions and settings
    token: who may use the web server

Rows are keyed by what they are, (audit, key), so that doing a cell twice can only write the same rows again. Names of
methods, equivalences and states are text: a new one needs no migration.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Named,
    Table,
    TypedColumns,
)

from auditor.store.columns import CleanJson, CleanText, FiniteFloat, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class _BlobColumns(TypedColumns):
    sha256: Named[str] = Column(CleanText, primary_key=True)
    media_type: Named[str] = Column(CleanText)
    size: Named[int] = Column(BigInteger)  # bytes
    data: Named[bytes] = Column(LargeBinary)
    created_at: Named[datetime] = Column(UtcDateTime)


class _ModelColumns(TypedColumns):
    id: Named[str] = Column(CleanText, primary_key=True)  # "m…"
    identity: Named[str] = Column(CleanText, unique=True)  # SHA-256 over weights, architecture and task
    name: Named[str] = Column(CleanText)
    sha256: Named[str] = Column(CleanText)  # of the file the model came from
    format: Named[str] = Column(CleanText)
    architecture: Named[Any] = Column(CleanJson, nullable=False)
    task: Named[Any] = Column(CleanJson, nullable=False)
    weights_sha256: Named[str] = Column(CleanText, ForeignKey("blob.sha256"))
    function_fingerprint: Named[str | None] = Column(CleanText)
    parameters: Named[int] = Column(BigInteger)
    created_at: Named[datetime] = Column(UtcDateTime)


class _TwinColumns(TypedColumns):
    model_id: Named[str] = Column(CleanText, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    recipe: Named[str] = Column(CleanText, primary_key=True)  # SHA-256 over all that its weights follow from
    weights_sha256: Named[str] = Column(CleanText, ForeignKey("blob.sha256"))
    body: Named[Any] = Column(CleanJson, nullable=False)  # what it was made with, and its relabelling
    made_by: Named[str] = Column(CleanText)  # the audit, which may be gone
    created_at: Named[datetime] = Column(UtcDateTime)


class _AuditColumns(TypedColumns):
    id: Named[str] = Column(CleanText, primary_key=True)  # "a…"
    model_id: Named[str] = Column(CleanText, ForeignKey("model.id"))
    request: Named[str] = Column(CleanText)  # SHA-256 over plan, seed and versions: the same request is found again
    label: Named[str | None] = Column(CleanText)
    plan: Named[Any] = Column(CleanJson, nullable=False)
    plan_name: Named[str] = Column(CleanText)
    seed: Named[int] = Column(BigInteger)
    strings_sha256: Named[str | None] = Column(CleanText, ForeignKey("blob.sha256"))  # the user's file, where given
    versions: Named[Any] = Column(CleanJson, nullable=False)
    priority: Named[int] = Column(Integer, server_default="0")  # Priority
    state: Named[str] = Column(CleanText)  # AuditState
    cells_total: Named[int] = Column(Integer)
    cells_done: Named[int] = Column(Integer)
    cells_failed: Named[int] = Column(Integer)
    error: Named[str | None] = Column(CleanText)
    behaviour: Named[Any] = Column(CleanJson, nullable=True)
    headline: Named[str | None] = Column(CleanText)
    stable: Named[int | None] = Column(Integer)  # findings of each verdict; NULL before there is a report
    unstable: Named[int | None] = Column(Integer)
    inconclusive: Named[int | None] = Column(Integer)
    report: Named[bytes | None] = Column(LargeBinary)  # zlib over the report's JSON
    created_at: Named[datetime] = Column(UtcDateTime)
    started_at: Named[datetime | None] = Column(UtcDateTime)
    finished_at: Named[datetime | None] = Column(UtcDateTime)


class _BaselineColumns(TypedColumns):
    model_id: Named[str] = Column(CleanText, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    audit_id: Named[str] = Column(CleanText, ForeignKey("audit.id", ondelete="CASCADE"))
    created_at: Named[datetime] = Column(UtcDateTime)


class _CellColumns(TypedColumns):
    audit_id: Named[str] = Column(CleanText, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True)
    key: Named[str] = Column(CleanText, primary_key=True)
    position: Named[int] = Column(Integer)  # order of the plan
    stage: Named[str] = Column(CleanText)  # Stage
    needs: Named[str | None] = Column(CleanText)
    variant: Named[str] = Column(CleanText)
    methods: Named[Any] = Column(CleanJson, nullable=False)  # names, of a cell that measures; else none
    state: Named[str] = Column(CleanText)  # CellState
    skipped: Named[bool] = Column(Boolean)  # done because its variant does not exist
    attempt: Named[int] = Column(Integer)
    owner: Named[str | None] = Column(CleanText)  # one name per claim
    lease_until: Named[datetime | None] = Column(UtcDateTime)
    dispatched_at: Named[datetime | None] = Column(UtcDateTime)  # last time it was handed over for sending
    started_at: Named[datetime | None] = Column(UtcDateTime)
    finished_at: Named[datetime | None] = Column(UtcDateTime)
    error: Named[str | None] = Column(CleanText)


class _VariantColumns(TypedColumns):
    audit_id: Named[str] = Column(CleanText, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True)
    key: Named[str] = Column(CleanText, primary_key=True)
    equivalence: Named[str] = Column(CleanText)
    state: Named[str] = Column(CleanText)  # VariantState
    weights_sha256: Named[str | None] = Column(CleanText, ForeignKey("blob.sha256"))
    body: Named[Any] = Column(CleanJson, nullable=False)  # Variant.to_json


class _InterpretationColumns(TypedColumns):
    audit_id: Named[str] = Column(CleanText, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True)
    variant_key: Named[str] = Column(CleanText, primary_key=True)
    method: Named[str] = Column(CleanText, primary_key=True)
    not_applicable: Named[str] = Column(CleanText)  # why there are no scores; empty where there are
    axes: Named[Any] = Column(CleanJson, nullable=True)
    components: Named[Any] = Column(CleanJson, nullable=True)
    undefined: Named[Any] = Column(CleanJson, nullable=True)  # {component index: reason}
    dtype: Named[str | None] = Column(CleanText)  # NumPy's name with its byte order
    shape: Named[Any] = Column(CleanJson, nullable=True)
    scores: Named[bytes | None] = Column(LargeBinary)  # zlib over the values in C order
    numerical_error: Named[float | None] = Column(FiniteFloat)  # share of the size of the scores
    largest_difference: Named[float | None] = Column(FiniteFloat)  # in place of scores that are the original's
    equal_on: Named[int | None] = Column(Integer)  # how many sequences these were compared on


class _FindingColumns(TypedColumns):
    audit_id: Named[str] = Column(CleanText, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True)
    id: Named[str] = Column(CleanText, primary_key=True)  # given by the finding
    position: Named[int] = Column(Integer)  # order of the report
    method: Named[str] = Column(CleanText)
    equivalence: Named[str] = Column(CleanText)
    layer: Named[int] = Column(Integer)
    head: Named[int | None] = Column(Integer)
    neuron: Named[int | None] = Column(Integer)
    effect: Named[float | None] = Column(FiniteFloat)
    verdict: Named[str] = Column(CleanText)  # Verdict
    claim: Named[str] = Column(CleanText)  # its kind
    basis: Named[str] = Column(CleanText)  # Basis
    invariant: Named[bool | None] = Column(Boolean)
    resolved: Named[bool | None] = Column(Boolean)
    audit_created_at: Named[datetime] = Column(UtcDateTime)  # a copy, so that one index holds the order of lists
    body: Named[Any] = Column(CleanJson, nullable=False)  # Finding.to_json


class _CalibrationColumns(TypedColumns):
    id: Named[str] = Column(CleanText, primary_key=True)  # "c…"
    request: Named[str] = Column(CleanText)  # SHA-256 over the versions and settings that the rates hold for
    body: Named[Any] = Column(CleanJson, nullable=False)
    created_at: Named[datetime] = Column(UtcDateTime)


class _TokenColumns(TypedColumns):
    id: Named[str] = Column(CleanText, primary_key=True)  # "k…"
    hash: Named[str] = Column(CleanText, unique=True)  # SHA-256 of the token, which is not stored
    scope: Named[str] = Column(CleanText)  # Scope
    name: Named[str | None] = Column(CleanText)
    created_at: Named[datetime] = Column(UtcDateTime)
    expires_at: Named[datetime | None] = Column(UtcDateTime)
    revoked_at: Named[datetime | None] = Column(UtcDateTime)
    used_at: Named[datetime | None] = Column(UtcDateTime)


blob = Table("blob", metadata, _BlobColumns)
model = Table("model", metadata, _ModelColumns)
twin = Table("twin", metadata, _TwinColumns)
audit = Table("audit", metadata, _AuditColumns)
baseline = Table("baseline", metadata, _BaselineColumns)
cell = Table("cell", metadata, _CellColumns)
variant = Table("variant", metadata, _VariantColumns)
interpretation = Table("interpretation", metadata, _InterpretationColumns)
finding = Table("finding", metadata, _FindingColumns)
calibration = Table("calibration", metadata, _CalibrationColumns)
token = Table("token", metadata, _TokenColumns)

Index(None, model.c.name, postgresql_using="hash")  # a name may be longer than a row of another index
Index(None, model.c.weights_sha256)
Index(None, twin.c.weights_sha256)
Index(None, audit.c.model_id, audit.c.request)
Index(None, audit.c.state)
Index(None, audit.c.strings_sha256)
Index(None, baseline.c.audit_id)
Index(None, cell.c.state, cell.c.lease_until)
Index(None, cell.c.finished_at)
Index(None, variant.c.weights_sha256)
Index(None, finding.c.id, postgresql_ops={"id": "text_pattern_ops"})  # for the start of an id, in any locale
Index(None, finding.c.method, finding.c.equivalence)
Index(None, finding.c.equivalence)
Index(None, calibration.c.request, calibration.c.created_at)

Index(None, audit.c.plan_name, postgresql_using="hash")

# Whatever lists are sorted and filtered by, but for names, which may be too long for such an index. A page is found in
# the index alone, and only its own rows are read: rows are large, and no smaller index serves every set of conditions.
Index(
    "ix_audit_list",
    audit.c.created_at,
    audit.c.id,
    audit.c.model_id,
    audit.c.state,
    audit.c.finished_at,
    audit.c.stable,
    audit.c.unstable,
    audit.c.inconclusive,
)
_ORDER = (finding.c.audit_created_at, finding.c.audit_id, finding.c.position, finding.c.id)
_CONDITIONS = (
    finding.c.method,
    finding.c.equivalence,
    finding.c.layer,
    finding.c.head,
    finding.c.verdict,
    finding.c.claim,
    finding.c.basis,
    finding.c.invariant,
    finding.c.resolved,
)
Index("ix_finding_list", *_ORDER, *_CONDITIONS, finding.c.effect)  # newest first
Index("ix_finding_effect_list", finding.c.effect, *_ORDER, *_CONDITIONS)  # largest effect first
