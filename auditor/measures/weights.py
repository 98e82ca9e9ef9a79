"""Methods that read weights only: one number per head, or one for each pair of heads."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import composition_scores, ov_circuits, qk_circuits
from auditor.measures.expectations import HEAD_READINGS, HEAD_SCORES
from auditor.records import Expected, Interpretation
from auditor.records.axes import TO_HEAD
from auditor.records.theory import Aspect, Dependence

READS_AND_WRITES: Dependence = {Aspect.STREAM_READS: Expected.CHANGES, Aspect.STREAM_WRITES: Expected.CHANGES}
"""Raw weights: a norm's gain or null direction goes into how they read, the mean into what they write."""

ELHAGE = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, "


class HeadWeights(InterpretationMethod):
    """A number per head, read from its weights."""

    family = "weights"
    claims = ("value", "rank")
    distance = "relative_change"

    @abstractmethod
    def scores(self, model: CanonicalTransformer) -> Tensor:
        """[head], in flat order."""

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head]."""
        scores = self.scores(request.model).double().numpy()
        return Interpretation(self.name, ("head",), request.model.architecture.heads, scores)


class CircuitNorm(HeadWeights):
    """A norm of a head's circuit, a matrix [model, model] between residual streams."""

    circuits: ClassVar[staticmethod[[CanonicalTransformer], Tensor]]
    norm: ClassVar[staticmethod[[Tensor], Tensor]]

    def scores(self, model: CanonicalTransformer) -> Tensor:
        """[head], in flat order."""
        return self.norm(self.circuits(model))


class OvCircuitNorm(CircuitNorm):
    """Norms of W_V W_O; without an output map of W_V, as the head then writes its values unchanged."""

    circuits = staticmethod(ov_circuits)
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, **READS_AND_WRITES}


class QkCircuitNorm(CircuitNorm):
    """Norms of W_Q W_Kᵀ."""

    circuits = staticmethod(qk_circuits)
    depends_on: ClassVar[Dependence] = {**HEAD_READINGS, Aspect.STREAM_READS: Expected.CHANGES}


class Composition(InterpretationMethod):
    """‖W_V¹ W_O¹ M²‖_F / (‖W_V¹ W_O¹‖_F ‖M²‖_F), from each head to each later one, 0 to all others.

    On raw weights: the norm between the two is left out.
    """

    family = "weights"
    unit = "share of the norms"
    claims = ("pattern", "rank")
    distance = "frobenius"
    second_axis = TO_HEAD
    source = ELHAGE + "Q-, K- and V-Composition"
    depends_on: ClassVar[Dependence] = {**HEAD_READINGS, **READS_AND_WRITES}

    @abstractmethod
    def reads(self, model: CanonicalTransformer) -> Tensor:
        """M of the later head, [head, model, model]."""

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a later layer that reads what an earlier one writes."""
        architecture = model.architecture
        if architecture.layers == 1:
            return "with one layer no head reads another"
        if architecture.mlp == "two_layer" and not architecture.mlp_residual:
            return "what a head writes reaches later heads through the MLP only"
        return None

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head, to_head]. Heads of the last layer are undefined."""
        model = request.model
        heads, last = model.architecture.heads, model.architecture.layers - 1
        scores = composition_scores(model, self.reads(model)).double().numpy()
        undefined = {index: "no later head reads it" for index, head in enumerate(heads) if head.layer == last}
        scores[list(undefined)] = np.nan
        return Interpretation(self.name, ("head", "to_head"), heads, scores, undefined)
