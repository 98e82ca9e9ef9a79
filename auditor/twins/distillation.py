"""Trains a copy of a model on the model's own outputs, with a penalty that changes something else.

Only the layers from ``first_layer`` on are trained; what earlier layers produce is computed once. The teacher's
outputs are cached for a pool of sequences and revisited in random batches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.tensors import Mask
from auditor.twins.optimiser import Soap


@dataclass(frozen=True)
class Pool:
    """Sequences of about one length with the teacher's answers.

    ``residual`` [sequence, position, model] enters the first trained layer; ``log_p`` [sequence, position, vocabulary];
    ``scored`` and ``not_padding`` [sequence, position]. A classifier has one answer a sequence: ``log_p`` [sequence, 1,
    class] and ``scored`` [sequence, 1]. ``batch`` is how many of them one step sees; ``is_trimmed`` whether padding is
    cut off a batch, which a model that reads padding would notice. ``patterns`` {layer: [sequence, head, query, key]}
    is the teacher's attention where it is kept.
    """

    tokens: Tensor
    residual: Tensor
    log_p: Tensor
    scored: Tensor
    not_padding: Tensor
    batch: int
    is_trimmed: bool = True
    patterns: Mapping[int, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def rows(self, index: Tensor) -> Pool:
        """Some of the sequences, trimmed to the longest of them."""
        width = int(self.not_padding[index].sum(1).max()) if self.is_trimmed else self.tokens.shape[1]
        names = ("tokens", "residual", "log_p", "scored", "not_padding")
        cut = {name: getattr(self, name)[:, :width][index] for name in names}
        patterns = {layer: found[..., :width, :width][index] for layer, found in self.patterns.items()}
        return replace(self, **cut, patterns=patterns)


@dataclass(frozen=True)
class Schedule:
    """One cycle to ``peak``, gradients clipped to ``clip``; optimised by SOAP, or by Adam if not ``preconditioned``."""

    steps: int
    peak: float = 1.5e-2
    clip: float = 1.0
    preconditioned: bool = True
    ramp: int = 100  # steps over which the penalty grows to its full weight
    hard_example_share: float = 0.0  # share of each batch drawn in proportion to a sequence's last seen KL


KEPT_NUMBERS = 75_000_000
"""Attention weights of the teacher that are kept, 4 bytes each."""

UNSEEN = 10.0
"""KL of a sequence that was not seen yet, nats: above what is left of any after a few steps."""

SHORTEST_CYCLE = 8
"""Steps below which the one-cycle schedule is cut off: its rise, a quarter of them, must take more than one step."""

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(student pattern, teacher pattern, not_padding) → scalar; patterns [batch, head, query, key], the last [batch,
query]."""

Losses = Callable[[Pool], tuple[Tensor, Tensor]]
"""A batch → (KL to the teacher of each sequence, as :func:`kl_to_teacher` gives it; penalty)."""


@torch.no_grad()
def make_pool(teacher: CanonicalTransformer, inputs: InputBatch, *, first_layer: int, batch: int) -> Pool:
    """The teacher's answers to some inputs; sequences without a scored output are dropped."""
    kept = inputs.rows(inputs.scored.any(1))
    is_classifier = teacher.architecture.is_classifier
    entering: list[Tensor] = []
    answers = []

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.RESIDUAL and layer == first_layer:
            entering.append(value)
        return value

    for part in torch.split(kept.tokens, 256):
        logits = teacher(part, hook)
        answers.append((logits[:, None] if is_classifier else logits).log_softmax(-1))
    return Pool(
        tokens=kept.tokens,
        residual=torch.cat(entering),
        log_p=torch.cat(answers),
        scored=torch.ones(len(kept), 1, dtype=torch.bool) if is_classifier else kept.scored,
        not_padding=kept.not_padding,
        batch=batch,
        is_trimmed=teacher.hides_padding,
    )


def with_patterns(
    teacher: CanonicalTransformer, pools: Sequence[Pool], first_layer: int, layers: Collection[int]
) -> tuple[Pool, ...]:
    """The pools with the teacher's attention in some layers, so that no step computes it again; as they are where that
    is more than :data:`KEPT_NUMBERS` in all.
    """
    heads = sum(teacher.architecture.blocks[layer].heads for layer in layers)
    distinct = {id(pool): pool for pool in pools}
    if sum(len(pool) * heads * pool.tokens.shape[1] ** 2 for pool in distinct.values()) > KEPT_NUMBERS:
        return tuple(pools)
    kept = {
        key: replace(pool, patterns=_all_patterns(teacher, pool, first_layer, layers)) for key, pool in distinct.items()
    }
    return tuple(kept[id(pool)] for pool in pools)


def _all_patterns(
    teacher: CanonicalTransformer, pool: Pool, first_layer: int, layers: Collection[int]
) -> dict[int, Tensor]:
    whole = replace(pool, is_trimmed=False)
    parts = []
    for index in torch.split(torch.arange(len(pool)), 256):
        part = whole.rows(index)
        parts.append(_teacher_patterns(teacher, part, teacher.blocked(part.tokens), first_layer, layers))
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}


def distil(
    student: CanonicalTransformer,
    teacher: CanonicalTransformer,
    pools: Sequence[Pool],
    *,
    first_layer: int,
    schedule: Schedule,
    generator: np.random.Generator,
    progress: Callable[[float, str], None],
    penalty: Penalty | None = None,
    weight: float = 0.0,
    penalised: Collection[int] = (),
    frozen: Collection[nn.Parameter] = (),
) -> None:
    """Minimise KL(teacher ‖ student) + weight · penalty over the scored outputs, in place.

    ``teacher`` gives the attention patterns that the penalty compares with, summed over the ``penalised`` layers (none
    named: the first trained one). Pools are visited in turn, so that a pool named twice gets twice the batches.
    ``frozen`` parameters stay as they are. ``progress`` may raise to interrupt.
    """
    watched = frozenset(penalised) or {first_layer}

    def losses(pool: Pool) -> tuple[Tensor, Tensor]:
        blocked = student.blocked(pool.tokens)
        if penalty is None:
            answers = student.run_from(pool.residual, pool.tokens, first_layer, fast=True)
            return kl_to_teacher(pool, answers.log_softmax(-1)), torch.zeros(())
        theirs = pool.patterns or _teacher_patterns(teacher, pool, blocked, first_layer, watched)
        ours: dict[int, Tensor] = {}
        answers = student.run_from(pool.residual, pool.tokens, first_layer, _collector(ours, watched))
        asked = torch.stack([penalty(ours[layer], theirs[layer], pool.not_padding) for layer in sorted(watched)]).sum()
        return kl_to_teacher(pool, answers.log_softmax(-1)), asked

    optimise(
        student,
        [parameter for parameter in weights_from(student, first_layer) if all(parameter is not f for f in frozen)],
        losses,
        pools,
        weight=weight,
        schedule=schedule,
        generator=generator,
        progress=progress,
    )


def weights_from(student: CanonicalTransformer, first_layer: int) -> list[nn.Parameter]:
    """The parameters of a layer and of all that follows it; an embedding tied to the unembedding stays out."""
    found = [p for layer in student.layers[first_layer:] for p in layer.parameters()]
    return [*found, *student.final_norm.parameters(), student.b_U, *([] if student.W_U is None else [student.W_U])]


def optimise(
    student: CanonicalTransformer,
    trained: Sequence[nn.Parameter],
    losses: Losses,
    pools: Sequence[Pool],
    *,
    weight: float,
    schedule: Schedule,
    generator: np.random.Generator,
    progress: Callable[[float, str], None],
) -> None:
    """Minimise KL + weight · penalty over random batches of the pools, in place; only ``trained`` moves.

    Few sequences carry most of the KL, so a share of each batch may be drawn in proportion to what each sequence had
    when it was last seen (prioritised sampling, Schaul et al. 2016, arXiv 1511.05952); what was never seen comes first.
    """
    switched = [(parameter, parameter.requires_grad) for parameter in student.parameters()]
    for parameter, _ in switched:
        parameter.requires_grad_(any(parameter is t for t in trained))
    optimiser = _optimiser(trained, schedule)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=schedule.peak,
        total_steps=max(schedule.steps, SHORTEST_CYCLE),
        pct_start=0.25,
        cycle_momentum=False,
    )
    last_seen = {id(pool): np.full(len(pool), UNSEEN) for pool in pools}
    try:
        with _denormals_as_zero():
            for step in range(schedule.steps):
                pool = pools[step % len(pools)]
                rows = _drawn(last_seen[id(pool)], pool.batch, schedule.hard_example_share, generator)
                batch = pool.rows(torch.from_numpy(rows))
                totals, asked = losses(batch)
                last_seen[id(pool)][rows] = totals.detach().clamp_min(0).nan_to_num().numpy()
                kl = totals.sum() / batch.scored.sum()
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


def _optimiser(trained: Sequence[nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """At the learning rate of the first step."""
    rate, betas = schedule.peak / 25, (0.9, 0.99)
    if schedule.preconditioned:
        return Soap(trained, lr=rate, betas=betas)
    return torch.optim.Adam(trained, lr=rate, betas=betas, fused=True)


@contextmanager
def _denormals_as_zero() -> Iterator[None]:
    """Saturated attention is full of numbers below 1e-38, with which a processor computes many times slower."""
    was_on = float(torch.tensor([1e-40]) * 1.0) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


def kl_to_teacher(pool: Pool, log_q: Tensor) -> Tensor:
    """KL(teacher ‖ student) of each sequence, summed over its scored outputs, nats, [sequence].

    ``log_q`` [sequence, position, vocabulary], of a classifier [sequence, class].
    """
    log_q = log_q.view_as(pool.log_p)
    return ((pool.log_p.exp() * (pool.log_p - log_q)).sum(-1) * pool.scored).sum(-1)


def _drawn(
    last_seen: NDArray[np.float64], count: int, hard_example_share: float, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of a pool: each uniform, or with probability ``hard_example_share`` in proportion to ``last_seen``."""
    if not hard_example_share:
        return generator.integers(0, len(last_seen), size=count)
    total = last_seen.sum()
    share = (
        hard_example_share * last_seen / total
        if total
        else np.full(len(last_seen), hard_example_share / len(last_seen))
    )
    edges = np.cumsum(share + (1 - hard_example_share) / len(last_seen))
    return np.searchsorted(edges[:-1], generator.random(count), side="right")


@torch.no_grad()
def _teacher_patterns(
    teacher: CanonicalTransformer, pool: Pool, blocked: Mask, first_layer: int, watched: Collection[int]
) -> dict[int, Tensor]:
    """The teacher's attention in some layers; what follows the last of them is not run."""
    found: dict[int, Tensor] = {}
    hook, x = _collector(found, watched), pool.residual
    for layer in range(first_layer, max(watched)):
        x = teacher.block(layer)(x, blocked, hook)
    last = teacher.block(max(watched))
    last.attention(last.normed("attention_in", x), blocked, max(watched), hook)
    return found


def _collector(found: dict[int, Tensor], watched: Collection[int]) -> Hook:
    """A hook that keeps the patterns of some layers."""

    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site is Site.PATTERN and layer in watched:
            found[layer] = value
        return value

    return hook
