"""Path patching, head → later MLPs."""

from __future__ import annotations

from auditor.measures.patching.method import PathPatchingMethod
from auditor.measures.patching.paths import no_later_mlp, to_later_mlps


class HeadToMlpsPatching(PathPatchingMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches the MLPs of its own and all later layers.

    Each MLP sees the corrupt head directly, every other head and MLP clean; what reads the MLPs is computed anew.
    """

    version = 1
    summary = "margin lost when the head's corrupt output reaches later MLPs directly"
    path = staticmethod(to_later_mlps)
    no_path = staticmethod(no_later_mlp)
