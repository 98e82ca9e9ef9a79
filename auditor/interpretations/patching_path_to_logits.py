"""Path patching, head → logits."""

from __future__ import annotations

from auditor.measures.patching.method import PathPatchingMethod
from auditor.measures.patching.paths import no_direct_path, to_logits


class HeadToLogitsPatching(PathPatchingMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches the logits alone, past all heads and MLPs.

    The direct effect. Norms on the way are computed anew.
    """

    version = 1
    summary = "margin lost when the head's corrupt output reaches the logits directly"
    path = staticmethod(to_logits)
    no_path = staticmethod(no_direct_path)
