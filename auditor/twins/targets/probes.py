"""Linear probes: ridge regression in closed form, differentiable through its solution."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.probing import RIDGE, Probe
from auditor.measures.streams import streams_and_writes
from auditor.measures.untouched import Piece
from auditor.twins.targets.surrogate import Components, Scores

SHARPNESS = 10.0
"""Factor on the probe's predictions, which lie between 0 and 1, before softmax: its accuracy, made smooth."""


def probe(method: Probe) -> Scores:
    """Smoothed accuracy on one half of the batch of a probe that is fitted on the other, [1, component].

    The control of the method is left out: its random labels do not depend on the weights.
    """

    def scores(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        task, streams = method.task(piece.part), streams_and_writes(model, piece)
        fitted = torch.arange(len(piece.rows))[:, None].expand(task.where.shape)[task.where] % 2 == 0
        kinds, answers = torch.unique(task.labels[task.where], return_inverse=True)
        targets = torch.nn.functional.one_hot(answers, len(kinds)).to(piece.logits.dtype)
        columns = []
        for component in components:
            x = streams[component][task.where]
            given = _predicted(x[fitted], targets[fitted], x[~fitted])
            right = (SHARPNESS * given).softmax(1).gather(1, answers[~fitted, None])
            columns.append(right.mean())
        return torch.stack(columns)[None]

    return scores


def _predicted(features: Tensor, targets: Tensor, others: Tensor) -> Tensor:
    """The predictions of ``auditor.measures.probing`` on ``others``, [other, label]."""
    centre, mean = features.mean(0), targets.mean(0)
    x = features - centre
    gram = x.T @ x
    penalty = RIDGE * gram.diagonal().mean().clamp_min(1e-9)
    identity = torch.eye(len(gram), dtype=gram.dtype)
    predicted: Tensor = (others - centre) @ torch.linalg.solve(gram + penalty * identity, x.T @ (targets - mean)) + mean
    return predicted
