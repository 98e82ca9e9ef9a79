"""What an audit is of, as one text: equal for two runs of the same request, so that their findings have equal ids."""

from __future__ import annotations

import hashlib
import json

from auditor.records import AuditHeader, ModelHeader

_NOT_CONTENT = ("continues",)
"""Settings of a plan that name another audit."""


def content_of(audit: AuditHeader, model: ModelHeader) -> str:
    """SHA-256 in hex over the model, the plan, the seed and the versions of all that computes."""
    document = {
        "weights": audit.weights_sha256 or model.sha256,
        "architecture": model.architecture,
        "task": model.task,
        "plan": {name: value for name, value in audit.plan_settings.items() if name not in _NOT_CONTENT},
        "seed": audit.seed,
        "versions": {name: value for name, value in audit.versions.items() if name != "python"},
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
