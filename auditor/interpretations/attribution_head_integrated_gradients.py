"""Integrated gradients of each head's output, by Captum's LayerIntegratedGradients at the z site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod
from auditor.expectations import head_scores
from auditor.records import Expected, Interpretation
from auditor.tensors import Tokens

STEPS = 16
"""Gauss–Legendre points on the path. Invariance holds at any number; 16 keep completeness within about 1 % here."""

MAX_SEQUENCES = 48
"""Sequences attributed: the gradient is the dearest of all methods."""

STEP_TOKENS = 8_192
"""Tokens × steps per backward pass; bounds memory."""


class HeadIntegratedGradients(InterpretationMethod):
    """Σ over positions and d_v of LayerIntegratedGradients at z, for log p(correct closing bracket).

    The path runs from the z of a baseline input (every bracket replaced by MASK, else PAD) to the z of the real one.
    The scalar is the mean log-probability of the right closing bracket over the positions with an open one, in nats.
    """

    version = 1
    smallest_plan = "quick"
    family = "attribution"
    summary = "integrated gradients of log p(correct closing bracket) along the head's output z"
    unit = "nats"
    higher_means = "the head raises the probability of the right bracket"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, equation 1; Captum LayerIntegratedGradients"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs next-token outputs and a token that is no bracket for the baseline."""
        vocabulary = model.task.language.vocabulary
        if model.architecture.is_classifier:
            return "a classifier gives no probability of a closing bracket"
        if vocabulary.mask is None and vocabulary.pad is None:
            return "the vocabulary has neither MASK nor PAD for the baseline input"
        return None

    def interpret(
        self, model: CanonicalTransformer, evidence: Evidence, generator: np.random.Generator
    ) -> Interpretation:
        """Scores [sequence, head]."""
        del generator
        heads = model.architecture.heads
        is_open = evidence.real & (evidence.depth > 0)
        seen = evidence.rows(is_open.any(1))
        seen = seen.rows(slice(0, min(MAX_SEQUENCES, len(seen))))
        values = np.empty((len(seen), len(heads)))
        for rows, part in seen.batches(tokens=STEP_TOKENS // STEPS):
            columns = [_attribute(model, part, layer) for layer in range(model.architecture.layers)]
            values[rows.numpy()] = torch.cat(columns, dim=1).numpy()
        return Interpretation(self.name, ("sequence", "head"), heads, values)


def _attribute(model: CanonicalTransformer, part: Evidence, layer: int) -> Tensor:
    """Attribution of one layer's heads, [batch, head]."""
    vocabulary = part.task.language.vocabulary
    closing = torch.tensor(vocabulary.closing)
    where = part.real & (part.depth > 0)
    target = closing[part.top.clamp_min(0)]

    def scalar(tokens: Tokens, target: Tensor, where: Tensor) -> Tensor:
        log_p = model(tokens).log_softmax(-1).gather(2, target[:, :, None]).squeeze(2)
        mean: Tensor = (log_p * where).sum(1) / where.sum(1)
        return mean

    brackets = torch.tensor([*vocabulary.opening, *vocabulary.closing])
    blank = vocabulary.pad if vocabulary.mask is None else vocabulary.mask
    baseline = torch.where(torch.isin(part.tokens, brackets), torch.tensor(blank), part.tokens)
    method = LayerIntegratedGradients(scalar, model.attentions[layer].z_site)
    attributed = method.attribute(
        part.tokens, baselines=baseline, additional_forward_args=(target, where), n_steps=STEPS
    )
    per_head: Tensor = attributed.detach().sum(dim=(1, 3))
    return per_head
