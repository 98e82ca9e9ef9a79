"""KL to the original and what is missing of a wanted effect, of one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.language.grammar import states
from auditor.measures.untouched import SITES, Piece
from auditor.twins.distillation import Pool, kl_to_teacher
from auditor.twins.targets.target import Target


@dataclass(frozen=True)
class TargetLosses:
    """(KL of each sequence, what is missing of the ``wanted`` effect) of a batch.

    Batches longer than the training lengths only add to the KL: methods are asked about training lengths.
    """

    student: CanonicalTransformer
    teacher: CanonicalTransformer
    target: Target
    wanted: float

    def __call__(self, pool: Pool) -> tuple[Tensor, Tensor]:
        first = self.target.from_layer
        if pool.tokens.shape[1] > self.student.task.max_length + 1:
            answers = self.student.run_from(pool.residual, pool.tokens, first, fast=True)
            return kl_to_teacher(pool, answers.log_softmax(-1)), torch.zeros(())
        part = _inputs(self.student, pool)
        piece = _passed(self.student, pool, part, first)
        ours = self._scores(self.student, piece)
        theirs = ours
        if self.target.compares_arrays:
            theirs = [one.detach() for one in self._scores(self.teacher, _passed(self.teacher, pool, part, first))]
        kl = kl_to_teacher(pool, piece.logits.log_softmax(-1))
        effect = self.target.effect(ours, theirs)
        if not bool(torch.isfinite(effect)):  # a batch in which no output meets the method's condition
            return kl, torch.zeros(())
        return kl, (self.wanted - effect).clamp_min(0)

    def _scores(self, model: CanonicalTransformer, piece: Piece) -> list[Tensor]:
        pairs = zip(self.target.surrogates, self.target.aims, strict=True)
        return [surrogate.scores(model, piece, aim.components) for surrogate, aim in pairs]


def _inputs(model: CanonicalTransformer, pool: Pool) -> InputBatch:
    """A batch of a pool with what methods need to know about it."""
    found = states(model.task.language, pool.tokens.numpy())
    depth, top, opener = (torch.from_numpy(part) for part in (found.depth, found.top, found.opener))
    scored = pool.scored.expand_as(pool.tokens) & pool.not_padding  # of a classifier, one column
    return InputBatch(model.task, pool.tokens, pool.not_padding, scored, depth, top, opener)


def _passed(model: CanonicalTransformer, pool: Pool, part: InputBatch, first_layer: int) -> Piece:
    """The pass from a layer on, with gradients."""
    kept: dict[tuple[Site, int], Tensor] = {}
    logits = model.run_from(pool.residual, pool.tokens, first_layer, _keeping(kept))
    return Piece(torch.arange(len(pool)), part, logits, Cache(kept))


def _keeping(kept: dict[tuple[Site, int], Tensor]) -> Hook:
    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site in SITES:
            kept[site, layer] = value
        return value

    return hook
