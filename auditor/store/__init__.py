"""The SQL store: models, audits, their cells and what they found, the same on SQLite and PostgreSQL.

SQL is the only truth: a message between processes is a hint to look here. Functions take the session of a transaction
(:meth:`Database.transaction`) and return frozen records; rows and cursors never leave.
"""

from auditor.store.audits import (
    NOT_CANCELLED,
    StoredAudit,
    count_audits,
    count_matching_audits,
    create_audit,
    find_existing_audit,
    get_audit,
    list_audits,
    raise_priority,
    resolve_audit,
)
from auditor.store.baselines import Baseline, clear_baseline, get_baseline, list_baselines, set_baseline
from auditor.store.blobs import get_blob, put_blob
from auditor.store.calibrations import latest_calibration, save_calibration
from auditor.store.cells import (
    LIVE,
    MAX_ATTEMPTS,
    ClaimedCell,
    LostLeaseError,
    claim_cell,
    extend_lease,
    fail_cell,
    finish_cell,
)
from auditor.store.columns import UnstorableValueError
from auditor.store.dispatch import expired_cells, mark_dispatched, priorities, ready_cells, release_cells
from auditor.store.filters import AuditFilter, AuditSort, ClaimKind, FindingFilter, FindingSort
from auditor.store.findings import StoredFinding, count_findings, get_finding, list_findings
from auditor.store.functions import Function, list_functions
from auditor.store.interpretations import (
    StoredInterpretations,
    load_interpretation,
    load_interpretations,
    measured_methods,
    save_interpretation,
)
from auditor.store.lifecycle import REPORTED, RETRIED, Progress, cancel_audit, progress, retry_audit
from auditor.store.missing import load_missing
from auditor.store.models import (
    StoredModel,
    add_model,
    count_models,
    find_model,
    get_model,
    list_models,
    resolve_model,
)
from auditor.store.needs import skip_dependents
from auditor.store.paging import COUNTED, Page
from auditor.store.removal import Pruned, prune_audits, remove_audits, remove_model, remove_orphans
from auditor.store.reports import add_finding, load_report, save_report, with_twin_of
from auditor.store.results import (
    load_behaviour,
    load_variant,
    load_variants,
    load_weights,
    save_behaviour,
    save_variant,
)
from auditor.store.session import Database, Session, open_database
from auditor.store.twins import StoredTwin, find_twin, save_twin

__all__ = [
    "COUNTED",
    "LIVE",
    "MAX_ATTEMPTS",
    "NOT_CANCELLED",
    "REPORTED",
    "RETRIED",
    "AuditFilter",
    "AuditSort",
    "Baseline",
    "ClaimKind",
    "ClaimedCell",
    "Database",
    "FindingFilter",
    "FindingSort",
    "Function",
    "LostLeaseError",
    "Page",
    "Progress",
    "Pruned",
    "Session",
    "StoredAudit",
    "StoredFinding",
    "StoredInterpretations",
    "StoredModel",
    "StoredTwin",
    "UnstorableValueError",
    "add_finding",
    "add_model",
    "cancel_audit",
    "claim_cell",
    "clear_baseline",
    "count_audits",
    "count_findings",
    "count_matching_audits",
    "count_models",
    "create_audit",
    "expired_cells",
    "extend_lease",
    "fail_cell",
    "find_existing_audit",
    "find_model",
    "find_twin",
    "finish_cell",
    "get_audit",
    "get_baseline",
    "get_blob",
    "get_finding",
    "get_model",
    "latest_calibration",
    "list_audits",
    "list_baselines",
    "list_findings",
    "list_functions",
    "list_models",
    "load_behaviour",
    "load_interpretation",
    "load_interpretations",
    "load_missing",
    "load_report",
    "load_variant",
    "load_variants",
    "load_weights",
    "mark_dispatched",
    "measured_methods",
    "open_database",
    "priorities",
    "progress",
    "prune_audits",
    "put_blob",
    "raise_priority",
    "ready_cells",
    "release_cells",
    "remove_audits",
    "remove_model",
    "remove_orphans",
    "resolve_audit",
    "resolve_model",
    "retry_audit",
    "save_behaviour",
    "save_calibration",
    "save_interpretation",
    "save_report",
    "save_twin",
    "save_variant",
    "set_baseline",
    "skip_dependents",
    "with_twin_of",
]
