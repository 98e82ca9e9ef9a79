"""Direct logit attribution: what components write along the logit of the right closing bracket.

The target is that logit minus the mean of the other closing brackets', over the positions with an open bracket.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.closing import closing_contrast, no_closing_contrast
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import with_open_bracket
from auditor.measures.direct_paths import DirectPaths, direct_paths
from auditor.measures.untouched import untouched
from auditor.records import Component, Interpretation


class DirectLogits(InterpretationMethod):
    """What a component writes along the logit of the right closing bracket minus the others' mean, logits.

    Mean over the positions with an open bracket; the scale of every norm is frozen.
    """

    family = "direct logits"
    unit = "logits"
    source = "nostalgebraist 2020, interpreting GPT: the logit lens; Wang et al. 2022, arXiv 2211.00593, section 3.1"
    claims = ("value", "rank")
    distance = "relative_change"
    axis: ClassVar[str]

    @abstractmethod
    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """What writes, layer by layer."""

    @abstractmethod
    def writes(self, model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
        """What the components of a layer write along the direction, [batch, position, component]."""

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets."""
        return no_closing_contrast(model)

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, component]. Sequences that leave no bracket open are left out."""
        model, components = request.model, self.components(request.model)
        values = np.empty((len(request.inputs), len(components)))
        contrast = closing_contrast(model)
        for piece in untouched(request).pieces():
            paths = direct_paths(model, piece.cache, contrast[piece.part.stack_top_type.clamp_min(0)])
            where = with_open_bracket(piece.part)[:, :, None]
            written = torch.cat([self.writes(model, paths, layer) for layer in range(model.architecture.layers)], dim=2)
            values[piece.rows.numpy()] = ((written * where).sum(1) / where.sum(1)).numpy()
        has_open = with_open_bracket(request.inputs).any(1).numpy()
        return Interpretation(self.name, ("sequence", self.axis), components, values[has_open])
