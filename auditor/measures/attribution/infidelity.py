"""How badly an attribution forecasts what perturbations of the input or of the model do to the score.

For φ an attribution and I a random set of players (tokens, heads or neurons) that is taken away, infidelity is the
least mean over I of (β φ·I − (score − score without I))² over scales β (Yeh et al. 2019, arXiv 1901.09392, definition
2.1, with the optimal scaling of section 2.3). The falls of the score are the same for all attributions to one kind of
player, and are measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request, Shared
from auditor.measures.attribution.memory import tokens_at_once
from auditor.measures.attribution.method import Attribution
from auditor.measures.attribution.monte_carlo import jackknife_error
from auditor.measures.attribution.presence import Game, component_game, mean_activations, numbering, token_game
from auditor.measures.attribution.score import Explained, explained

Array = NDArray[np.float64]

DRAWS = 32
"""Perturbations of each sequence."""

JUDGED = (
    "attribution_head_feature_ablation",
    "attribution_head_gradient_x_activation",
    "attribution_head_integrated_gradients",
    "attribution_head_shapley",
    "attribution_neuron_conductance",
    "attribution_neuron_internal_influence",
    "attribution_token_feature_ablation",
    "attribution_token_input_x_gradient",
    "attribution_token_integrated_gradients",
    "attribution_token_integrated_gradients_zero",
    "attribution_token_occlusion",
    "attribution_token_saliency",
    "attribution_token_shapley_sampling",
)
"""The attributions that are judged: another one in the registry changes none of the scores."""


@dataclass(frozen=True)
class Judged:
    """Infidelity of several attributions and the standard error of their means."""

    values: Array  # [sequence, attribution], NaN where the attribution has no scores
    undefined: Mapping[int, str]
    numerical_error: float


def judge(request: Request, attributions: Sequence[Attribution]) -> Judged:
    """How badly each attribution forecasts the falls of the score on the inputs."""
    streams = request.generator.spawn(len(_PLAYERS) + len(attributions))
    kinds = {method.features for method in attributions}
    asked = replace(request, shared=Shared())
    sets = {
        features: perturbations(replace(asked, generator=stream), features)
        for features, stream in zip(_PLAYERS, streams, strict=False)
        if features in kinds
    }
    values, left_out, undefined = [], [], {}
    for index, (method, stream) in enumerate(zip(attributions, streams[len(_PLAYERS) :], strict=True)):
        given = method.interpret(replace(asked, generator=stream))
        if given.undefined:
            undefined[index] = next(iter(given.undefined.values()))
        found, without_one = sets[method.features].infidelity(given.values.reshape(len(request.inputs), -1))
        values.append(found)
        left_out.append(without_one.mean(axis=1))
    scores, known = np.stack(values, axis=1), [i for i in range(len(values)) if i not in undefined]
    error = jackknife_error(scores.mean(axis=0)[known], np.stack(left_out, axis=1)[:, known])
    return Judged(scores, undefined, error)


@dataclass(frozen=True)
class Perturbations:
    """Sets of players that are taken away, and what each set does to the score."""

    removed: Array  # [draw, player], 1 is removed
    falls: Array  # score − score without the set, [sequence, draw]

    def infidelity(self, given: Array) -> tuple[Array, Array]:
        """Of attributions [sequence, player]: [sequence], and without one draw each [draw, sequence]."""
        forecast = given @ self.removed.T  # NaN where a player has no score
        products = np.stack([np.square(self.falls), self.falls * forecast, np.square(forecast)])  # [3, sequence, draw]
        count = products.shape[2]
        total = products.sum(axis=2)
        others = (total[:, :, None] - products) / (count - 1)
        return _least(*(total / count)), _least(*others).T


def _least(falls: Array, both: Array, forecasts: Array) -> Array:
    """mean fall² − (mean fall·forecast)² / mean forecast², the mean square at the best scale."""
    explained = np.square(both) / np.where(forecasts == 0, 1.0, forecasts)
    return np.maximum(falls - explained, 0.0)


def perturbations(request: Request, features: str) -> Perturbations:
    """Random sets of the positions, heads or neurons, of random size.

    Positions are made blank, heads and neurons are set to their mean. Sets of heads and of neurons are drawn over them
    as a fact of the function sorts them, so that no numbering enters.
    """
    model, seen = request.model, request.inputs
    order, game = _PLAYERS[features](model, seen)
    removed = removals(order, request.generator)
    return Perturbations(removed, falls_of(model, seen, game, removed))


def removals(order: NDArray[np.int64], generator: np.random.Generator) -> Array:
    """Random sets of the players, [draw, player]: each is taken away with a chance that is drawn for the set."""
    chance = generator.uniform(size=(DRAWS, 1))
    removed = np.empty((DRAWS, len(order)))
    removed[:, order] = generator.uniform(size=(DRAWS, len(order))) < chance
    return removed


@torch.no_grad()
def falls_of(model: CanonicalTransformer, seen: InputBatch, game: Callable[[Explained], Game], removed: Array) -> Array:
    """What taking each set away does to the score of each sequence, [sequence, draw]."""
    falls = np.empty((len(seen), len(removed)))
    for rows, part in seen.batches(tokens=tokens_at_once(model, seen.tokens.shape[1], len(removed))):
        batch = explained(model, part)
        players = part.tokens.shape[1] if game is token_game else removed.shape[1]
        present = 1 - torch.from_numpy(removed[:, :players]).to(model.dtype)
        play, row = game(batch), batch.row
        whole = play(torch.ones(len(row), players, dtype=model.dtype), row)
        without = play(present.repeat(len(row), 1), row.repeat_interleave(len(removed))).view(len(row), -1)
        falls[rows.numpy()] = (whole[:, None] - without).double().numpy()
    return falls


def _tokens(_model: CanonicalTransformer, seen: InputBatch) -> tuple[NDArray[np.int64], Callable[[Explained], Game]]:
    return np.arange(seen.tokens.shape[1]), token_game


def _components(
    site: Site, model: CanonicalTransformer, seen: InputBatch
) -> tuple[NDArray[np.int64], Callable[[Explained], Game]]:
    means: tuple[Tensor, ...] = mean_activations(model, seen, site)
    return numbering(model, seen, site, means), lambda batch: component_game(batch, site, means)


_Players = Callable[[CanonicalTransformer, InputBatch], tuple[NDArray[np.int64], Callable[[Explained], Game]]]

_PLAYERS: Mapping[str, _Players] = {
    "position": _tokens,
    "head": partial(_components, Site.Z),
    "neuron": partial(_components, Site.NEURON),
}
"""By what an attribution attributes to: the players in an order that no numbering moves, and their game."""
