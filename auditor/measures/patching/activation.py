"""Activation patching of heads: the z of one input in the run on the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.sites import Site
from auditor.measures.ablation.effects import Effect
from auditor.measures.ablation.sweep import Ablation, sweep_effects
from auditor.measures.patching.pairs import type_margin
from auditor.measures.patching.runs import SharedPairs

Direction = Literal["denoising", "noising"]
"""denoising: clean into corrupt, is it enough? noising: corrupt into clean, is it needed?"""


def patched_head_effects(pairs: SharedPairs, direction: Direction) -> NDArray[np.float64]:
    """How far the clean type's margin moves towards the other input, logits, [sequence, head]; positive when patching
    does what swapping the whole input does."""
    into, out_of = (pairs.corrupt, pairs.clean) if direction == "denoising" else (pairs.clean, pairs.corrupt)
    patch = Ablation(
        into.model.architecture.heads, Site.Z, lambda rows, length: out_of.activations(rows, Site.Z, length)
    )
    return sweep_effects(into, patch, (_EFFECTS[direction],))[0]


def _restored(untouched: Tensor, edited: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    return type_margin(edited, top, closing) - type_margin(untouched, top, closing)


def _lost(untouched: Tensor, edited: Tensor, top: Tensor, closing: Tensor) -> Tensor:
    return -_restored(untouched, edited, top, closing)


def _effect(measure: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Effect:
    return Effect("logits", "the {component} carries more of the bracket's type", decisions=True, measure=measure)


_EFFECTS = {"denoising": _effect(_restored), "noising": _effect(_lost)}
