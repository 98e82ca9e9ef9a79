"""What takes the place of an output: means and donors, counted out by hand."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.measures.ablation.substitutes import mean, mean_per_position, resampled
from auditor.measures.untouched import Untouched
from auditor.seeds import numpy_generator
from tests.handmade import TASK, inputs_for, inputs_from, random_model

ROUNDING = 1e-12


@torch.no_grad()
def test_means_are_over_real_positions() -> None:
    model = random_model()
    inputs = inputs_for(model, 9)
    for site in (Site.Z, Site.NEURON, Site.ATTENTION_OUT, Site.MLP_OUT):
        _, cache = run_with_cache(model, inputs.tokens, sites=(site,))
        means = mean(Untouched(model, inputs), site)(torch.tensor([0]), 3)
        tables = mean_per_position(Untouched(model, inputs), site)(torch.tensor([0]), 5)
        for layer in range(2):
            values = cache[site, layer]
            torch.testing.assert_close(means[layer], values[inputs.not_padding].mean(0), rtol=0, atol=ROUNDING)
            by_position = torch.stack([values[inputs.not_padding[:, j], j].mean(0) for j in range(5)])
            torch.testing.assert_close(tables[layer], by_position, rtol=0, atol=ROUNDING)


@torch.no_grad()
def test_a_donor_is_another_sequence_read_round_and_round() -> None:
    model = random_model()
    inputs = inputs_from(TASK, ["()", "([])[]"])
    z = [run_with_cache(model, inputs.tokens[row : row + 1, :n], sites=(Site.Z,))[1] for row, n in ((0, 3), (1, 7))]
    substitute = resampled(Untouched(model, inputs), Site.Z, numpy_generator(0, "donors"))
    for layer in range(2):
        torch.testing.assert_close(substitute(torch.tensor([0]), 3)[layer][0], z[1][Site.Z, layer][0, :3])
        round_and_round = z[0][Site.Z, layer][0][torch.tensor([0, 1, 2, 0, 1, 2, 0])]
        torch.testing.assert_close(substitute(torch.tensor([1]), 7)[layer][0], round_and_round)


def test_equal_sequences_share_a_donor_and_no_sequence_is_its_own() -> None:
    model = random_model()
    inputs = inputs_from(TASK, ["()", "[]", "()", "(())", "()"])
    for seed in range(5):
        z = (
            resampled(Untouched(model, inputs), Site.Z, numpy_generator(seed, "donors"))(torch.arange(5), 3)[0]
            .detach()
            .numpy()
        )
        own = resampled(Untouched(model, inputs.rows(slice(0, 1))), Site.Z, numpy_generator(0, ""))(
            torch.tensor([0]), 3
        )
        np.testing.assert_array_equal(z[0], z[2])
        np.testing.assert_array_equal(z[0], z[4])
        assert np.abs(z[0] - own[0][0].detach().numpy()).max() > 1e-6
