"""Logit lens: what the model would predict if it stopped after each layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from auditor.behaviour.closing import log_p_right_closing
from auditor.behaviour.effects import mean_where
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import with_open_bracket
from auditor.measures.expectations import WHOLE_SCORES
from auditor.measures.streams import lens_logits, stream_components, streams_and_writes
from auditor.measures.untouched import untouched
from auditor.records import Interpretation
from auditor.records.theory import Dependence


class LogitLens(InterpretationMethod):
    """log p(right closing bracket) read from the stream after each layer through the last norm and the unembedding.

    Mean over the positions with an open bracket. The last layer's is the model's own.
    """

    version = 1
    family = "direct logits"
    summary = "log p(right closing bracket) as read from the residual stream after each layer"
    unit = "nats"
    higher_means = "the layer's stream already holds the answer where the unembedding reads it"
    source = "nostalgebraist 2020, interpreting GPT: the logit lens; Belrose et al. 2023, arXiv 2303.08112, section 2"
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs next-token outputs."""
        return "a classifier gives no probability of a closing bracket" if model.architecture.is_classifier else None

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]. Sequences whose inputs never leave a bracket open are left out."""
        model, components = request.model, stream_components(request.model)
        values = np.empty((len(request.inputs), len(components)))
        for piece in untouched(request).pieces():
            found, where = streams_and_writes(model, piece), with_open_bracket(piece.part)
            for column, component in enumerate(components):
                is_last = column == len(components) - 1
                logits = model.unembed(found[component]) if is_last else lens_logits(model, found[component])
                values[piece.rows.numpy(), column] = mean_where(log_p_right_closing(logits, piece.part), where).numpy()
        has_open = with_open_bracket(request.inputs).any(1).numpy()
        return Interpretation(self.name, ("sequence", "part"), components, values[has_open])
