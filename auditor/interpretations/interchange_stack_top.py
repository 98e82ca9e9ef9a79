"""Interchange interventions on a learned subspace for the type on top of the stack, against an untrained model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import RAW_STREAM
from auditor.measures.patching.interchange import interchange_accuracy
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.runs import SharedPairs, shared_pairs
from auditor.measures.probing import FOLDS, folds_of
from auditor.measures.streams import stream_components
from auditor.measures.untouched import Untouched
from auditor.records import Expected, Interpretation
from auditor.records.theory import Aspect, Dependence, Expectation
from auditor.seeds import torch_generator
from auditor.training.initialisation import initialise

MAX_SEQUENCES = 64
"""Pairs of inputs: a subspace is learned for every part and fold."""

OTHER_CONTROL = Expectation(
    Expected.OPEN, "the untrained control has the model's shape, and another shape other weights"
)


class StackTopInterchange(InterpretationMethod):
    """Interchange accuracy of the best subspace for the top type, minus that in an untrained model of the same shape.

    The corrupt run takes the clean input's part in the subspace at the positions read; it counts where the closing
    bracket of the clean type is then preferred. One direction fewer than there are types, for the stream as embedded
    and after each layer; held-out sequences. An alignment that is free enough can be found in any model, so what the
    same search finds in random weights is taken away.
    """

    version = 1
    family = "interchange"
    summary = "held-out interchange accuracy of a learned subspace for the top type, above an untrained model's"
    unit = "accuracy above control"
    higher_means = "the stack top can be set there through a few directions"
    source = "Geiger et al. 2024, arXiv 2303.02536, section 3 (DAS); Sutter et al. 2025, arXiv 2507.08802 (the control)"
    draws_at_random = True  # the weights of the control
    share = 8
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = {
        Aspect.NORM_OUTPUTS: RAW_STREAM[Aspect.NORM_OUTPUTS],
        Aspect.STREAM_WRITES: Expectation(Expected.OPEN, "the search starts elsewhere and may find the same"),
        Aspect.HEAD_COUNT: OTHER_CONTROL,
        Aspect.NEURON_COUNT: OTHER_CONTROL,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]; one distinct sequence cannot be held out."""
        pairs = shared_pairs(request, most=MAX_SEQUENCES)
        components = stream_components(request.model)
        folds, width = folds_of(pairs.clean.inputs), max(1, request.model.task.language.types - 1)
        axes = ("sequence", "part")
        if len(set(folds.tolist())) < FOLDS:
            reason = "fewer than two distinct sequences: none can be held out"
            blank = np.full((max(1, len(folds)), len(components)), np.nan)
            return Interpretation(self.name, axes, components, blank, dict.fromkeys(range(len(components)), reason))
        values, undefined = interchange_accuracy(pairs, folds, width)
        control = _untrained(request)
        by_chance, _ = interchange_accuracy(
            SharedPairs(Untouched(control, pairs.clean.inputs), Untouched(control, pairs.corrupt.inputs)), folds, width
        )
        return Interpretation(self.name, axes, components, values - np.nan_to_num(by_chance), undefined)


def _untrained(request: Request) -> CanonicalTransformer:
    """A model of the same shape with random weights."""
    model = request.model
    seed = int(request.generator.integers(2**31))
    blank = model.clone(architecture=model.architecture, dtype=torch.float32)
    return initialise(blank, torch_generator(seed, "interchange control")).to(model.dtype)
