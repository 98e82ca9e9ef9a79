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
    ``covered`` and ``real`` [sequence, position]. ``batch`` is how many of them one step sees.
    """

    tokens: Tensor
    residual: Tensor
    log_p: Tensor
    covered: Tensor
    real: Tensor
    batch: int

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def rows(self, index: Tensor) -> Pool:
        """Some of the sequences, trimmed to the longest of them."""
        width = int(self.real[index].sum(1).max())
        names = ("tokens", "residual", "log_p", "covered", "real")
        cut = {name: getattr(self, name)[index][:, :width] for name in names}
        return Pool(**cut, batch=self.batch)


@dataclass(frozen=True)
class Schedule:
    """Optimiser settings: Adam, one cycle to ``peak``, gradients clipped to ``clip``."""

    steps: int
    peak: float = 1.5e-2
    clip: float = 1.0
    ramp: int = 100  # steps over which the penalty grows to its full weight


SHORTEST_CYCLE = 8
"""Steps below which the one-cycle schedule is cut off: its rise, a quarter of them, must take more than one step."""

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(student pattern, teacher pattern, real) → scalar; patterns [batch, head, query, key], real [batch, query]."""


@torch.no_grad()
def make_pool(teacher: CanonicalTransformer, task: Task, given: Sample, *, first_layer: int, batch: int = 64) -> Pool:
    """The teacher's answers over a sample; sequences that cover nothing are dropped."""
    covered = task.covered(given, states(task.language, given.inputs))
    kept = given.rows(np.flatnonzero(covered.any(axis=1)))
    covered = task.covered(kept, states(task.language, kept.inputs))
    tokens = torch.from_numpy(np.ascontiguousarray(kept.inputs))
    entering: list[Tensor] = []
    answers = []

    def tap(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.RESIDUAL and layer == first_layer:
            entering.append(value)
        return value

    for part in torch.split(tokens, 256):
        logits = teacher(part, tap)
        answers.append((logits[:, None] if teacher.architecture.is_classifier else logits).log_softmax(-1))
    return Pool(
        tokens=tokens,
        residual=torch.cat(entering),
        log_p=torch.cat(answers),
        covered=torch.from_numpy(covered),
        real=torch.from_numpy(kept.input_mask),
        batch=batch,
    )


def distil(
    student: CanonicalTransformer,
    teacher: CanonicalTransformer,
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

    ``teacher`` gives the attention patterns that the penalty compares with. Pools are visited in turn, so that a pool
    named twice gets twice the batches. ``progress`` may raise to interrupt.
    """
    trained = [p for layer in student.layers[first_layer:] for p in layer.parameters()]
    trained += [*student.final_norm.parameters(), student.b_U] + ([] if student.W_U is None else [student.W_U])
    frozen = [p for p in student.parameters() if all(p is not t for t in trained)]
    switched = [(p, p.requires_grad) for p in (*trained, *frozen)]
    for parameter in frozen:
        parameter.requires_grad_(False)
    optimiser = torch.optim.Adam(trained, lr=schedule.peak / 25, betas=(0.9, 0.99))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=schedule.peak,
        total_steps=max(schedule.steps, SHORTEST_CYCLE),
        pct_start=0.25,
        cycle_momentum=False,
    )
    try:
        for step in range(schedule.steps):
            pool = pools[step % len(pools)]
            rows = torch.from_numpy(generator.integers(0, len(pool), size=pool.batch))
            kl, asked = _losses(student, teacher, pool.rows(rows), first_layer, penalty)
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
    student: CanonicalTransformer, teacher: CanonicalTransformer, pool: Pool, first_layer: int, penalty: Penalty
) -> tuple[Tensor, Tensor]:
    """KL over the covered outputs, and the penalty on the first trained layer's patterns."""
    patterns: list[Tensor] = []

    def tap(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.PATTERN and layer == first_layer:
            patterns.append(value)
        return value

    blocked = student.blocked(pool.tokens)
    with torch.no_grad():
        teacher.block(first_layer)(pool.residual, blocked, tap)
    log_q = student.run_from(pool.residual, blocked, first_layer, tap).log_softmax(-1)
    kl = ((pool.log_p.exp() * (pool.log_p - log_q)).sum(-1) * pool.covered).sum() / pool.covered.sum()
    theirs, ours = patterns
    return kl, penalty(ours, theirs, pool.real)
