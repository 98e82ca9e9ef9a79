"""Activation patching of a head, noising: the corrupt z in the clean run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.measures.patching.activation import patched_head_effects
from auditor.measures.patching.method import HeadPatchingMethod
from auditor.measures.patching.runs import SharedPairs


class HeadNoisePatching(HeadPatchingMethod):
    """Margin of the clean type that a head's corrupt z, at all positions, destroys in the clean run.

    Pairs and margin as in denoising. Shows what is necessary, not what is sufficient: redundant heads all score
    low.
    """

    version = 1
    summary = "how much of the bracket's type the head destroys when its z is taken from the corrupt input"
    source = "Heimersheim & Nanda 2024, arXiv 2404.15255"

    def effects(self, pairs: SharedPairs) -> NDArray[np.float64]:
        """[sequence, head]."""
        return patched_head_effects(pairs, "noising")
