"""The shared sweep gives the numbers of TransformerLens hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.sites import Site
from auditor.measures.ablation.substitutes import mean, zero
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.untouched import Untouched
from tests.benchmarks.ablation import CLASSIFIER, LANGUAGE_MODEL, components, hooked_sweep, mean_table, subject

SAME = 1e-5
"""Nats, in float32."""

EVERY = {Site.Z: 1, Site.NEURON: 29}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("architecture", [CLASSIFIER, LANGUAGE_MODEL], ids=["classifier", "language model"])
@torch.no_grad()
def test_a_sweep_is_that_of_transformer_lens(architecture: Architecture) -> None:
    from tests.hooked_transformer import hooked_transformer

    model, inputs = subject(architecture, sequences=40)
    hooked = hooked_transformer(model)
    logits = hooked(inputs.tokens)[:, 0] if architecture.is_classifier else hooked(inputs.tokens)[inputs.not_padding]
    ours = model(inputs.tokens) if architecture.is_classifier else model(inputs.tokens)[inputs.not_padding]
    torch.testing.assert_close(ours, logits, rtol=0, atol=SAME)
    for site, every in EVERY.items():
        chosen = components(model, site)[::every]
        ablations = [Ablation(chosen, site, made) for made in (zero(model), mean(Untouched(model, inputs), site))]
        theirs = hooked_sweep(hooked, inputs, site, chosen, mean_table(model, inputs, site))
        for one, other in zip(sweep(model, inputs, ablations), theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=SAME)
            assert other.max() > 100 * SAME
