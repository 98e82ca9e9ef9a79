"""Stack-top mass: how much a head attends to the last unmatched opening bracket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from auditor.behaviour.effects import mean_where
from auditor.behaviour.evidence import Evidence
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod
from auditor.expectations import head_scores
from auditor.records import Expected, Interpretation


class StackTopMass(InterpretationMethod):
    """Attention weight on the last unmatched opener, mean over the queries with an open bracket."""

    version = 1
    smallest_plan = "quick"
    family = "attention"
    summary = "attention mass on the last unmatched opening bracket, where one is open"
    unit = "probability"
    higher_means = "the head looks more like a stack"
    source = "Ebrahimi et al. 2020, arXiv 2010.04303, section 5; Wen et al. 2023, arXiv 2312.01429"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    @torch.no_grad()
    def interpret(
        self, model: CanonicalTransformer, evidence: Evidence, generator: np.random.Generator
    ) -> Interpretation:
        """Scores [sequence, head]. Sequences whose inputs never leave a bracket open are left out."""
        del generator
        heads = model.architecture.heads
        is_open = evidence.real & (evidence.depth > 0)
        seen = evidence.rows(is_open.any(1))
        values = np.empty((len(seen), len(heads)))
        for rows, part in seen.batches():
            _, cache = run_with_cache(model, part.tokens, sites=(Site.PATTERN,))
            where = part.real & (part.depth > 0)
            opener = part.opener.clamp_min(0)[:, :, None]
            for column, head in enumerate(heads):
                mass = cache[Site.PATTERN, head.layer][:, head.head].gather(2, opener).squeeze(2)
                values[rows.numpy(), column] = mean_where(mass, where).numpy()
        return Interpretation(self.name, ("sequence", "head"), heads, values)
