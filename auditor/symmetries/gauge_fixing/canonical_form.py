"""The canonical form: a convention fixes every freedom that an exact symmetry leaves.

Norms stand as plain normalisation with gain and bias in the maps that read them, nothing is written along or read
from directions that a LayerNorm removes, E[z] = 0 for every head (so zero ablation is mean ablation), queries and keys
as well as values and outputs share their singular values evenly, ReLU neurons have unit input weights, and heads and
neurons stand in the order of their size. Sources: Elhage et al. 2021 (QK and OV circuits); TransformerLens' weight
processing; Entezari et al. 2022 (arXiv 2110.06296) for neurons. Conventions that an architecture has no room for are
skipped.
"""

from __future__ import annotations

from typing import Final

import torch

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import CheckpointError
from auditor.fingerprint.probes import Interface, probe_strings
from auditor.seeds import numpy_generator
from auditor.symmetries.gauge_fixing.attention import (
    balance_queries_and_keys,
    balance_values_and_outputs,
    centre_head_outputs,
    drop_key_biases,
    sort_heads,
)
from auditor.symmetries.gauge_fixing.neurons import scale_neurons, sort_neurons
from auditor.symmetries.gauge_fixing.norms import drop_null_directions
from auditor.symmetries.gauge_fixing.writes import centre_position_table, centre_writes
from auditor.symmetries.norm_readers import fold_norms, norm_readings
from auditor.tensors import EXACT_LOGITS

REFERENCE_SEQUENCES: Final = 256
"""Strings of the model's own task over which E[z] is taken; the same for every model of a task."""


@torch.no_grad()
def canonicalise(model: CanonicalTransformer) -> CanonicalTransformer:
    """The canonical form in float64, certified; the model stays as it is.

    Two models that differ by the symmetries named above get the same weights up to rounding, unless heads, neurons or
    singular values tie.

    Raises:
        CheckpointError: the form's logits differ by more than the bound of exact symmetries.
    """
    form = model.clone(dtype=torch.float64).cpu()
    reference = draw_inputs(form.task, REFERENCE_SEQUENCES, numpy_generator(0, "gauge fixing", "reference"))
    fold_norms(norm_readings(form))
    drop_null_directions(form)
    centre_position_table(form)
    centre_writes(form)
    drop_key_biases(form)
    balance_queries_and_keys(form)
    centre_head_outputs(form, reference)
    balance_values_and_outputs(form)
    scale_neurons(form)
    sort_heads(form)
    sort_neurons(form)
    certify(model, form)
    return form


@torch.no_grad()
def largest_logit_difference(one: CanonicalTransformer, other: CanonicalTransformer) -> float:
    """max|Δlogit| in float64 over the probe strings, which no training distribution covers."""
    first, second = (model.clone(dtype=torch.float64).cpu() for model in (one, other))
    strings = probe_strings(Interface.of(one.architecture, one.task.language.vocabulary))
    return max(float((first(tokens) - second(tokens)).abs().max()) for tokens in map(torch.from_numpy, strings))


def certify(model: CanonicalTransformer, form: CanonicalTransformer) -> None:
    """Raise CheckpointError unless the two agree to the bound of exact symmetries."""
    difference = largest_logit_difference(model, form)
    if not difference <= EXACT_LOGITS:
        raise CheckpointError(
            f"a canonical form whose logits differ by {difference:.1e}",
            expected=f"at most {EXACT_LOGITS:.0e}",
            action="keep the model as it is: its weights are scaled too badly for an exact rewrite",
        )
