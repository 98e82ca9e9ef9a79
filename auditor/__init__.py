"""dyck-audit: which interpretations of a Dyck Transformer survive a change of weights that keeps its function?

    model = auditor.load("lm.params", config="run.yaml")
    report = auditor.audit(model, plan="quick", seed=0)

Public names are imported when they are first used, so that ``import auditor`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import AuditorError

if TYPE_CHECKING:
    from auditor.canonical.model import CanonicalTransformer
    from auditor.pipeline import audit
    from auditor.records import AuditReport

__all__ = ["AuditReport", "AuditorError", "CanonicalTransformer", "audit", "load"]

_HOMES = {
    "AuditReport": "auditor.records",
    "CanonicalTransformer": "auditor.canonical.model",
    "audit": "auditor.pipeline",
}


def load(
    path: str | Path,
    *,
    config: str | Path | None = None,
    format: str = "auto",  # noqa: A002 - as in --format
    entry: str | None = None,
) -> CanonicalTransformer:
    """Read a checkpoint safely into a canonical model. ``config`` is the file that describes it, where its format
    needs one; ``entry`` names the entry that holds the weights, where several do.

    Raises:
        CheckpointError: the file is unsafe, damaged, of no known format, or contradicts its description.
    """
    from auditor.checkpoints.intake.detection import load as load_file

    return load_file(Path(path), config=None if config is None else Path(config), format=format, entry=entry).model


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'auditor' has no attribute {name!r}")
