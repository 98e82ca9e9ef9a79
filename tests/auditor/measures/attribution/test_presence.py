"""Games: with all players present the score is the model's; the numbering moves with the players."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.canonical.sites import Site
from auditor.contracts import TransformRequest, equivalences
from auditor.measures.attribution.method import attributed
from auditor.measures.attribution.presence import component_game, mean_activations, numbering, token_game
from auditor.measures.attribution.score import explained
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model

MOVES = {Site.Z: ("exact_head_permutation", "head"), Site.NEURON: ("exact_neuron_permutation", "neuron")}


@pytest.mark.parametrize("site", [None, *MOVES])
@torch.no_grad()
def test_with_all_players_present_the_game_is_the_model(site: Site | None) -> None:
    model = random_model()
    seen = attributed(model, inputs_for(model))
    batch = explained(model, seen)
    players = {None: seen.tokens.shape[1], Site.Z: len(PLAIN.heads), Site.NEURON: len(PLAIN.neurons)}[site]
    play = token_game(batch) if site is None else component_game(batch, site, mean_activations(model, seen, site))
    full = torch.ones(len(seen), players, dtype=torch.float64)
    torch.testing.assert_close(play(full, batch.row), batch.of_rows(batch.row), rtol=0, atol=1e-12)
    empty = play(0 * full, batch.row)
    assert (empty - batch.of_rows(batch.row)).abs().min() > 1e-4


@pytest.mark.parametrize("site", MOVES)
def test_the_numbering_moves_with_the_players(site: Site) -> None:
    model = random_model()
    seen = attributed(model, inputs_for(model))
    move, axis = MOVES[site]
    made = equivalences()[move].transform(TransformRequest(model, seen, numpy_generator(0, "permute"), parameters={}))
    old_of_new = [old for (old,) in made.relabelling.moves[axis]]
    assert old_of_new != sorted(old_of_new)
    ours, theirs = (numbering(m, seen, site, mean_activations(m, seen, site)) for m in (model, made.model))
    np.testing.assert_array_equal(ours, [old_of_new[new] for new in theirs])
