"""Infidelity of every attribution of the score: how badly it says what perturbations do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from captum.metrics import infidelity
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request, methods
from auditor.measures.attribution.memory import tokens_at_once
from auditor.measures.attribution.method import Attribution, attributed
from auditor.measures.attribution.presence import Game, component_game, mean_activations, numbering, token_game
from auditor.measures.attribution.score import Explained, blank_token, explained, why_no_score
from auditor.measures.expectations import whole_scores
from auditor.records import Component, Expected, Interpretation

MAX_SEQUENCES = 12
"""Sequences on which every attribution is made and judged."""

DRAWS = 32
"""Perturbations of each sequence."""


class Infidelity(InterpretationMethod):
    """min over β of the mean over perturbations I of (β I·φ − (score − score without I))², per attribution φ.

    I takes away a random set of tokens (made blank), heads or neurons (set to their mean), of random size. β makes it
    blind to the scale of φ, so that slopes and shares compare. The sets of heads and of neurons are drawn over them as
    a fact of the function sorts them, so that no numbering enters.

    Not a claim about the model: a reading of how far to trust the other attributions, as stable as those.
    """

    version = 1
    draws_at_random = True
    family = "faithfulness"
    summary = "mean squared error of an attribution, at its best scale, as a forecast of what perturbations do"
    unit = "nats²"
    higher_means = "the attribution is less faithful to the model"
    source = "Yeh et al. 2019, arXiv 1901.09392, definition 2.1; Captum infidelity, normalised"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores(
        exact_value_bias_shift=Expected.CHANGES,  # gradient × activation
        exact_embedding_trade=Expected.CHANGES,  # input × gradient, integrated gradients from zero
        exact_neuron_rescaling=Expected.CHANGES,  # internal influence
        exact_head_splitting=Expected.CHANGES,  # more players, other sets
        exact_cancelling_heads=Expected.CHANGES,
        exact_neuron_splitting=Expected.CHANGES,
        exact_cancelling_neurons=Expected.CHANGES,
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a score, and a token to put in the place of brackets."""
        if blank_token(model.task.language.vocabulary) is None:
            return "the vocabulary has neither MASK nor PAD to perturb an input with"
        return why_no_score(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part], one part per attribution that applies to the model."""
        model, inputs, generator = request.model, request.inputs, request.generator
        seen = attributed(model, inputs)
        seen = seen.rows(slice(0, min(MAX_SEQUENCES, len(seen))))
        judged = [
            method
            for method in methods().values()
            if isinstance(method, Attribution) and method.not_applicable(model) is None
        ]
        streams = generator.spawn(len(_PLANS) + len(judged))
        plans = {
            axis: plan(model, seen, stream)
            for (axis, plan), stream in zip(_PLANS.items(), streams, strict=False)
            if any(method.features == axis for method in judged)
        }
        columns = []
        for method, stream in zip(judged, streams[len(_PLANS) :], strict=True):
            plan = plans[method.features]
            given = method.interpret(Request(model, seen, stream)).values.reshape(len(seen), plan.removed.shape[1])
            columns.append(_infidelity(model, seen, given, plan))
        parts = tuple(Component(0, part=method.name) for method in judged)
        return Interpretation(self.name, ("sequence", "part"), parts, np.stack(columns, axis=1))


@dataclass(frozen=True)
class _Perturbations:
    """How attributions to one kind of feature are put to the test."""

    game: Callable[[Explained], Game]
    removed: Tensor  # [draw, player], 1 is removed


def _of_tokens(model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> _Perturbations:
    del model
    return _Perturbations(token_game, _removals(np.arange(seen.tokens.shape[1]), generator))


def _of_components(
    site: Site, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator
) -> _Perturbations:
    means = mean_activations(model, seen, site)
    order = numbering(model, seen, site, means)
    return _Perturbations(lambda batch: component_game(batch, site, means), _removals(order, generator))


_PLANS: Mapping[str, Callable[[CanonicalTransformer, InputBatch, np.random.Generator], _Perturbations]] = {
    "position": _of_tokens,
    "head": partial(_of_components, Site.Z),
    "neuron": partial(_of_components, Site.NEURON),
}
"""By what an attribution attributes to."""


def _removals(order: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
    """Random sets of the players, of random size."""
    share = generator.uniform(size=(DRAWS, 1))
    removed = np.empty((DRAWS, len(order)))
    removed[:, order] = generator.uniform(size=(DRAWS, len(order))) < share
    return torch.from_numpy(removed)


def _infidelity(
    model: CanonicalTransformer, seen: InputBatch, given: NDArray[np.float64], plan: _Perturbations
) -> NDArray[np.float64]:
    """Captum's infidelity of attributions [sequence, player], [sequence]."""
    values = np.empty(len(seen))
    for rows, part in seen.batches(tokens=tokens_at_once(model, seen.tokens.shape[1], DRAWS)):
        batch = explained(model, part)
        play = plan.game(batch)
        players = part.tokens.shape[1] if plan.game is token_game else given.shape[1]
        sets = plan.removed[:, :players]

        def perturbed(presence: Tensor, sets: Tensor = sets) -> tuple[Tensor, Tensor]:
            taken = sets.repeat(len(presence) // DRAWS, 1)
            return taken, presence - taken

        def score(presence: Tensor, row: Tensor, play: Game = play) -> Tensor:
            return play(presence.to(model.dtype), row).double()

        found: Tensor = infidelity(
            score,
            perturbed,
            torch.ones(len(rows), players, dtype=torch.float64),
            torch.from_numpy(given[rows.numpy(), :players]),
            additional_forward_args=(batch.row,),
            n_perturb_samples=DRAWS,
            normalize=True,
        )
        values[rows.numpy()] = found.clamp_min(0).numpy()  # Captum takes a difference of sums of squares
    return values
