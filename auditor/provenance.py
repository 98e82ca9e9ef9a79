"""What a report says about where it comes from: versions, hashes, times."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import weights_bytes
from auditor.contracts import ArchitectureAdapter, Equivalence, InterpretationMethod, adapters, equivalences, methods
from auditor.fingerprint.function import function_fingerprint
from auditor.plans.cells import planned_equivalences, planned_methods
from auditor.plans.plan import Plan
from auditor.readings import reading_of
from auditor.records import AuditHeader, AuditState, CalibrationFacts, Json, ModelHeader, StringsFacts
from auditor.registry import own_origin

Plugin = InterpretationMethod | Equivalence | ArchitectureAdapter

PACKAGES = ("torch", "captum", "numpy", "scipy")
"""Libraries whose version can change a number."""


def dyck_audit_version() -> str:
    """Version of this package as installed."""
    return own_origin().version


def versions(used: Iterable[Plugin] = ()) -> dict[str, Json]:
    """Versions of this package, of the libraries and of every plug-in of its own.

    Of the plug-ins of other packages only those ``used`` are named, with their packages: others change no number.
    """
    foreign = [one for one in used if not one.origin.is_own]
    packages = {one.origin.package: one.origin.version for one in foreign}
    return {
        **library_versions(),
        "methods": {name: one.version for name, one in methods().items() if one.origin.is_own or one in foreign},
        "equivalences": {
            name: one.version for name, one in equivalences().items() if one.origin.is_own or one in foreign
        },
        **({"plugins": packages} if packages else {}),
    }


def library_versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that decide numbers."""
    return {
        "dyck-audit": dyck_audit_version(),
        "python": platform.python_version(),
        **_packages(),
    }


@cache
def _packages() -> dict[str, str]:
    """Installed packages do not change while a process runs, and reading what they say takes milliseconds."""
    return {name: version(name) for name in PACKAGES}


def plugins_of(plan: Plan, format_name: str = "") -> tuple[Plugin, ...]:
    """What an audit by a plan uses of the registry, and the format that its model was read by, where it is known."""
    return plugins_named(
        methods_used=planned_methods(plan), equivalences_used=planned_equivalences(plan), format_name=format_name
    )


def plugins_named(
    *, methods_used: Iterable[str] = (), equivalences_used: Iterable[str] = (), format_name: str = ""
) -> tuple[Plugin, ...]:
    """The plug-ins of these names that are installed; others are left out."""
    asked: tuple[tuple[Mapping[str, Plugin], Iterable[str]], ...] = (
        (methods(), dict.fromkeys(reading_of(name).method for name in methods_used)),
        (equivalences(), equivalences_used),
        (adapters(), (format_name,)),
    )
    return tuple(known[name] for known, names in asked for name in names if name in known)


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
    format_name: str = "",
    device: str = "cpu",
    calibration: CalibrationFacts | None = None,
    strings: StringsFacts | None = None,
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
        versions=versions(plugins_of(plan, format_name)),
        weights_sha256=weights_sha256,
        sequences=plan.sequences,
        device=device,
        calibration=calibration,
        strings=strings,
    )


def local_audit_header(plan: Plan, seed: int, strings: StringsFacts | None = None) -> AuditHeader:
    """The header of an audit that no store knows; its id is "local"."""
    return audit_header(
        audit_id="local", created_at=timestamp(), plan=plan, seed=seed, weights_sha256="", strings=strings
    )


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
