"""Attribution patching of a head: activation patching to first order, from one gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.measures.patching.gradient import approximate_head_effects
from auditor.measures.patching.method import HeadPatchingMethod
from auditor.measures.patching.runs import SharedPairs


class HeadAttributionPatching(HeadPatchingMethod):
    """Σ over positions and d_v of (z_clean − z_corrupt) · ∂ margin / ∂z, the gradient taken at the corrupt input.

    What denoising activation patching would restore if the rest of the model were linear; softmax and norms are not.
    """

    version = 1
    summary = "first-order estimate of what activation patching of the head restores"
    source = "Syed et al. 2023, arXiv 2310.10348, section 3; Nanda 2023, Attribution patching"

    def effects(self, pairs: SharedPairs) -> NDArray[np.float64]:
        """[sequence, head]."""
        return approximate_head_effects(pairs)
