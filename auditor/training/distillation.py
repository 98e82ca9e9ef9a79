"""Teach a copy of a model the model's own outputs while something else is asked of it.

Only the layers from ``first_layer`` on are trained; what earlier layers produce is computed once. The teacher's
outputs are cached for a pool of sequences and revisited in random batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.language.grammar import states
from auditor.language.sampling import Sample
from auditor.language.task import Task


@dataclass(frozen=True)
class Pool:
    """Sequences of about one length with the teacher's answers.

    ``residual`` [sequence, position, model] enters the first trained layer; ``log_p`` [sequence, position, vocabulary];
    ``covered`` and ``real`` [sequence, position]; ``pattern`` [sequence, head, query, key] of the attacked layer.
    """

    tokens: Tensor
    residual: Tensor
    log_p: Tensor
    covered: Tensor
    real: Tensor
    pattern: Tensor

    def __len__(self) -> int:
        return int(self.tokens.shape[0])


@dataclass(frozen=True)
class Schedule:
    """Optimiser settings: Adam, one cycle to ``peak``, gradients clipped to ``clip``."""

    steps: int
    peak: float = 4e-3
    batch: int = 64
    clip: float = 1.0
    ramp: int = 100  # steps over which the penalty grows to its full weight


Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(student pattern, teacher pattern, real) → scalar; patterns [batch, head, query, key], real [batch, query]."""


@torch.no_grad()
def make_pool(teacher: CanonicalTransformer, task: Task, given: Sample, first_layer: int) -> Pool:
    """The teacher's answers over a sample; sequences that cover nothing are dropped."""
    covered = task.covered(given, states(task.language, given.inputs))
    kept = given.rows(np.flatnonzero(covered.any(axis=1)))
    covered = task.covered(kept, states(task.language, kept.inputs))
    tokens = torch.from_numpy(np.ascontiguousarray(kept.inputs))
    seen: dict[Site, list[Tensor]] = {Site.RESIDUAL: [], Site.PATTERN: []}
    answers = []
    for batch in torch.split(tokens, 256):

        def tap(site: Site, layer: int, value: Tensor) -> Tensor:
            if layer == first_layer and site in seen:
                seen[site].append(value)
            return value

        logits = teacher(batch, tap)
        answers.append((logits[:, None] if teacher.architecture.is_classifier else logits).log_softmax(-1))
    return Pool(
        tokens=tokens,
        residual=torch.cat(seen[Site.RESIDUAL]),
        log_p=torch.cat(answers),
        covered=torch.from_numpy(covered),
        real=torch.from_numpy(kept.input_mask),
        pattern=torch.cat(seen[Site.PATTERN]),
    )


def distil(
    student: CanonicalTransformer,
    pools: Sequence[Pool],
    *,
    first_layer: int,
    penalty: Penalty,
    weight: float,
    schedule: Schedule,
    generator: np.random.Generator,
    progress: Callable[[float, str], None],
) -> None:
    """Minimise KL(teacher ‖ student) + weight · penalty over the covered outputs, in place.

    Pools are visited in turn, so that a pool named twice gets twice the batches. ``progress`` may raise to interrupt.
    """
    trained = [p for layer in student.layers[first_layer:] for p in layer.parameters()]
    trained += [*student.final_norm.parameters(), student.b_U] + ([] if student.W_U is None else [student.W_U])
    frozen = [p for p in student.parameters() if all(p is not t for t in trained)]
    switched = [(p, p.requires_grad) for p in (*trained, *frozen)]
    for parameter in frozen:
        parameter.requires_grad_(False)
    optimiser = torch.optim.Adam(trained, lr=schedule.peak / 25, betas=(0.9, 0.99))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=schedule.peak, total_steps=schedule.steps, pct_start=0.25, cycle_momentum=False
    )
    try:
        for step in range(schedule.steps):
            pool = pools[step % len(pools)]
            rows = torch.from_numpy(generator.integers(0, len(pool), size=schedule.batch))
            kl, asked = _losses(student, pool, rows, first_layer, penalty)
            loss = kl + weight * min(1.0, (step + 1) / schedule.ramp) * asked
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, schedule.clip)
            optimiser.step()
            cycle.step()
            if step % 25 == 0:
                words = f"step {step}, KL {float(kl.detach()):.2g} nats, penalty {float(asked.detach()):.2g}"
                progress(step / schedule.steps, words)
    finally:
        for parameter, wanted in switched:
            parameter.requires_grad_(wanted)
            parameter.grad = None


def _losses(
    student: CanonicalTransformer, pool: Pool, rows: Tensor, first_layer: int, penalty: Penalty
) -> tuple[Tensor, Tensor]:
    real = pool.real[rows]
    width = int(real.sum(1).max())
    real, tokens, covered = real[:, :width], pool.tokens[rows, :width], pool.covered[rows, :width]
    patterns: list[Tensor] = []

    def tap(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.PATTERN and layer == first_layer:
            patterns.append(value)
        return value

    logits = student.run_from(pool.residual[rows, :width], student.blocked(tokens), first_layer, tap)
    log_p = pool.log_p[rows][:, : logits.shape[1]]
    log_q = logits.log_softmax(-1)
    kl = ((log_p.exp() * (log_p - log_q)).sum(-1) * covered).sum() / covered.sum()
    return kl, penalty(patterns[0], pool.pattern[rows][:, :, :width, :width], real)
