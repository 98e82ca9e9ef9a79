"""Zero ablation of a head: replace its output z by 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from auditor.behaviour.effects import head_ablation_effects
from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod
from auditor.records import Expected, Interpretation


class HeadZeroAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is set to zero, mean over the covered outputs of a sequence.

    Depends on where the value bias puts the zero: a value-bias shift moves it at will (Wen et al. 2023; Li & Janson
    2024).
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when the head's output z is set to zero"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = {
        "exact_head_permutation": Expected.RELABELLED,
        "exact_query_key_gauge": Expected.INVARIANT,
        "exact_value_output_gauge": Expected.INVARIANT,
        "exact_value_bias_shift": Expected.FREE,
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
        "exact_random_composition": Expected.OPEN,  # changes where the composition has a value-bias shift in it
    }

    def interpret(
        self, model: CanonicalTransformer, evidence: Evidence, generator: np.random.Generator
    ) -> Interpretation:
        """Scores [sequence, head]."""
        del generator
        zero = torch.zeros((), dtype=model.dtype)
        heads = model.architecture.heads
        effects = head_ablation_effects(model, evidence, dict.fromkeys(heads, zero))
        return Interpretation(self.name, ("sequence", "head"), heads, effects)
