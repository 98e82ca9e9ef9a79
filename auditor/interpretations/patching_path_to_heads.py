"""Path patching, head → later heads."""

from __future__ import annotations

from auditor.measures.patching.method import PathPatchingMethod
from auditor.measures.patching.paths import no_later_head, to_later_heads


class HeadToHeadsPatching(PathPatchingMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches queries, keys and values of later layers.

    Each later head sees the corrupt head directly, every other head and MLP clean; what reads those heads is computed
    anew. 0 for the heads of the last layer.
    """

    version = 1
    summary = "margin lost when the head's corrupt output reaches later heads directly"
    path = staticmethod(to_later_heads)
    no_path = staticmethod(no_later_head)
