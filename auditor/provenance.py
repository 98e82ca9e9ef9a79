"""What a report says about where it comes from: versions, hashes, times."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import weights_bytes
from auditor.contracts import equivalences, methods
from auditor.fingerprint.function import function_fingerprint
from auditor.plans.plan import Plan
from auditor.records import AuditHeader, AuditState, CalibrationFacts, Json, ModelHeader

PACKAGES = ("torch", "captum", "numpy", "scipy")
"""Libraries whose version can change a number."""


def dyck_audit_version() -> str:
    """Version of this package as installed."""
    try:
        return version("dyck-audit")
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, Json]:
    """Versions of this package, of the libraries, and of every plug-in."""
    return {
        "dyck-audit": dyck_audit_version(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "methods": {name: method.version for name, method in methods().items()},
        "equivalences": {name: equivalence.version for name, equivalence in equivalences().items()},
    }


def calibrated_for(*, draws: int, alpha: float, multiplicity: str) -> dict[str, Json]:
    """What error rates hold for: versions of everything that computes, and how verdicts are reached."""
    computing = {name: found for name, found in versions().items() if name != "python"}
    return {"versions": computing, "draws": draws, "alpha": alpha, "multiplicity": multiplicity}


def timestamp() -> str:
    """Now, UTC ISO-8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def audit_header(
    *,
    audit_id: str,
    created_at: str,
    plan: Plan,
    seed: int,
    weights_sha256: str,
    device: str = "cpu",
    calibration: CalibrationFacts | None = None,
) -> AuditHeader:
    """The ``audit`` part of a report that has just been finished."""
    return AuditHeader(
        id=audit_id,
        created_at=created_at,
        finished_at=timestamp(),
        plan=plan.name,
        plan_settings=plan.to_json(),
        seed=seed,
        state=AuditState.DONE,
        versions=versions(),
        weights_sha256=weights_sha256,
        sequences=plan.sequences,
        device=device,
        calibration=calibration,
    )


def local_audit_header(plan: Plan, seed: int) -> AuditHeader:
    """The header of an audit that no store knows; its id is "local"."""
    return audit_header(audit_id="local", created_at=timestamp(), plan=plan, seed=seed, weights_sha256="")


def local_model_header(model: CanonicalTransformer) -> ModelHeader:
    """The ``model`` part of a report for a model that no store knows."""
    return ModelHeader(
        id="local",
        name="model",
        format="memory",
        sha256=hashlib.sha256(weights_bytes(model)).hexdigest(),
        function_fingerprint=function_fingerprint(model),
        architecture=model.architecture.to_json(),
        task=model.task.to_json(),
    )
