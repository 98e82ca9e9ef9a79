"""Mean ablation of a head: replace its output z by its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from auditor.behaviour.effects import head_ablation_effects, mean_head_outputs
from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod
from auditor.records import Expected, Interpretation


class HeadMeanAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is set to its mean over all positions of the evidence.

    Equals zero ablation in the canonical gauge where E[z] = 0.
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when the head's output z is set to its mean"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = {
        "exact_head_permutation": Expected.RELABELLED,
        "exact_query_key_gauge": Expected.INVARIANT,
        "exact_value_output_gauge": Expected.INVARIANT,
        "exact_value_bias_shift": Expected.INVARIANT,
        "exact_neuron_permutation": Expected.INVARIANT,
        "exact_neuron_rescaling": Expected.INVARIANT,
        "exact_key_bias_shift": Expected.INVARIANT,
        "exact_norm_folding": Expected.INVARIANT,
        "exact_centred_writing": Expected.INVARIANT,
        "exact_mean_direction_writing": Expected.INVARIANT,
        "exact_norm_null_shift": Expected.INVARIANT,
        "exact_residual_rotation": Expected.INVARIANT,
        "exact_embedding_trade": Expected.INVARIANT,
        "exact_logit_shift": Expected.INVARIANT,
        "exact_head_splitting": Expected.DILUTED,
        "exact_neuron_splitting": Expected.INVARIANT,
        "exact_cancelling_neurons": Expected.INVARIANT,
        "exact_cancelling_heads": Expected.RELABELLED,
        "exact_random_composition": Expected.RELABELLED,
    }

    def interpret(
        self, model: CanonicalTransformer, evidence: Evidence, generator: np.random.Generator
    ) -> Interpretation:
        """Scores [sequence, head]."""
        del generator
        effects = head_ablation_effects(model, evidence, mean_head_outputs(model, evidence))
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
