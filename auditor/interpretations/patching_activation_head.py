"""Activation patching of a head, denoising: the clean z in the corrupt run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.measures.patching.activation import patched_head_effects
from auditor.measures.patching.method import HeadPatchingMethod
from auditor.measures.patching.runs import SharedPairs


class HeadPatching(HeadPatchingMethod):
    """Margin of the clean type that a head's clean z, at all positions, restores in the corrupt run.

    The two inputs differ in the type of one bracket pair; the margin is the logit of the clean closing bracket minus
    that of the corrupt one where that pair is on top of the stack. Shows what is sufficient, not what is necessary.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much of the bracket's type the head restores when its z is taken from the clean input"
    source = "Zhang & Nanda 2024, arXiv 2309.16042; Meng et al. 2022, arXiv 2202.05262, section 2"

    def effects(self, pairs: SharedPairs) -> NDArray[np.float64]:
        """[sequence, head]."""
        return patched_head_effects(pairs, "denoising")
