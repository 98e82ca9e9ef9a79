"""Where the type of an open bracket is: patching of the residual stream by layer and position, and of heads.

A string is START, an opening bracket, and a word of eight brackets: what closes next, at position 9, is the bracket of
position 1. Its corrupt partner opens another type there. Recovery is (d′ − d) / (d* − d) with d the logit of the right
closing bracket minus that of the other one in the corrupt run, d* in the clean run, d′ with a clean activation patched
in; both sums are over all strings (Heimersheim & Nanda 2024, arXiv 2404.15255).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.language.sampling import sample
from auditor.language.task import Task
from auditor.measures.circuits import copying_scores

INNER = 8
"""Brackets of the word between the bracket and its answer."""

READ_AT = INNER + 1


@dataclass(frozen=True)
class Strings:
    """Clean and corrupt inputs, int64 [string, position], and the closing brackets of both, [string]."""

    clean: Tensor
    corrupt: Tensor
    right: Tensor
    wrong: Tensor


def strings_of(task: Task, count: int, generator: np.random.Generator) -> Strings:
    """So many pairs; the outer bracket's type is drawn, the corrupt one is the next type."""
    language = task.language
    vocabulary = language.vocabulary
    inner = sample(
        type(language)(vocabulary, language.depth - 1),
        count=count,
        generator=generator,
        min_length=INNER,
        max_length=INNER,
    ).tokens[:, 1 : INNER + 1]
    kind = generator.integers(language.types, size=count)
    other = (kind + 1) % language.types
    opening, closing = (np.asarray(brackets) for brackets in (vocabulary.opening, vocabulary.closing))
    start = np.full((count, 1), vocabulary.start)
    clean, corrupt = (
        torch.from_numpy(np.concatenate([start, opening[of][:, None], inner], axis=1)) for of in (kind, other)
    )
    return Strings(clean, corrupt, torch.from_numpy(closing[kind]), torch.from_numpy(closing[other]))


@dataclass(frozen=True)
class Recovery:
    """Shares of the difference between both runs. ``positions`` [layer][position], ``heads`` by label."""

    positions: tuple[tuple[float, ...], ...]
    heads: Mapping[str, float]
    copying: Mapping[str, float]

    @property
    def read_out(self) -> str:
        """The head of the last layer that recovers most."""
        last = max(int(label[1:].split("H")[0]) for label in self.heads)
        return max(
            (label for label in self.heads if label.startswith(f"L{last}H")), key=lambda label: self.heads[label]
        )


@torch.no_grad()
def recovery(model: CanonicalTransformer, strings: Strings) -> Recovery:
    """Every layer and position, and every head at all positions at once."""
    sites = (Site.RESIDUAL, Site.Z)
    clean_logits, clean = run_with_cache(model, strings.clean, sites=sites)
    margin = _margin(strings)
    whole = margin(clean_logits)
    broken = margin(model(strings.corrupt))

    def recovered(hook: Hook) -> float:
        return float((margin(model(strings.corrupt, hook)) - broken).sum() / (whole - broken).sum())

    layers, length = model.architecture.layers, strings.clean.shape[1]
    positions = tuple(
        tuple(
            recovered(_at(Site.RESIDUAL, layer, clean[Site.RESIDUAL, layer], (slice(None), place)))
            for place in range(length)
        )
        for layer in range(layers)
    )
    heads = {
        head.label: recovered(
            _at(Site.Z, head.layer, clean[Site.Z, head.layer], (slice(None), slice(None), head.head or 0))
        )
        for head in model.architecture.heads
    }
    copying = dict(zip((head.label for head in model.architecture.heads), copying_scores(model).tolist(), strict=True))
    return Recovery(positions, heads, copying)


def _margin(strings: Strings) -> Callable[[Tensor], Tensor]:
    def margin(logits: Tensor) -> Tensor:
        at = logits[:, READ_AT]
        return (at.gather(1, strings.right[:, None]) - at.gather(1, strings.wrong[:, None])).squeeze(1)

    return margin


def _at(site: Site, layer: int, clean: Tensor, where: tuple[slice | int, ...]) -> Hook:
    """Puts the clean activation in at one place."""

    def hook(here: Site, index: int, value: Tensor) -> Tensor:
        if (here, index) != (site, layer):
            return value
        patched = value.clone()
        patched[where] = clean[where]
        return patched

    return hook
