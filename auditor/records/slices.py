"""Scores of heads that are laid out by a second head, read at one of them: edges into a head, pairs with a head.

So a claim about edges is a claim about the heads that write to one reader, with the kinds and the statistics of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Component, Interpretation
from auditor.records.axes import SECOND_AXES, TO_HEAD

Slice = tuple[str, str]
"""A second axis and the label of the head on it."""

WORDS = {TO_HEAD: "edges", "with_head": "pairs of heads"}
"""What the scores along a second axis belong to."""


def slice_of(claim: Claim) -> Slice | None:
    """The second head that a claim names, or None."""
    return next(((axis, str(claim.parameters[axis])) for axis in SECOND_AXES if axis in claim.parameters), None)


def by_slice(claims: Iterable[Claim]) -> dict[Slice | None, list[Claim]]:
    """Claims that are judged on the same scores, in order."""
    found: dict[Slice | None, list[Claim]] = {}
    for claim in claims:
        found.setdefault(slice_of(claim), []).append(claim)
    return found


def at_slice(found: Interpretation, wanted: Slice | None) -> Interpretation:
    """The scores [(sequence,) head] of the edges into one head, or of the pairs with it.

    Only heads that can write to it, or can be paired with it, are components. Scores without a counterpart in a variant
    are undefined with that reason; so is all where the method has no such scores.
    """
    if wanted is None:
        return found
    axis, label = wanted
    labels = [component.label for component in found.components]
    if axis not in found.axes:
        return _all_undefined(found, f"{found.method} has no scores of {WORDS[axis]}")
    if label not in labels:
        return _all_undefined(found, f"{found.method} has no score for {label}")
    at = labels.index(label)
    kept = [index for index, one in enumerate(found.components) if can_pair(axis, one, found.components[at])]
    laid_out = np.moveaxis(found.values, found.axes.index(axis), 0)[at]
    axes = tuple(name for name in found.axes if name != axis)
    place = axes.index(found.component_axis)
    values: NDArray[np.float64] = np.take(laid_out, kept, axis=place)
    others = tuple(number for number in range(values.ndim) if number != place)
    absent: NDArray[np.bool_] = np.asarray(np.isnan(values).all(axis=others))
    undefined = {
        new: found.undefined.get(old, f"0 heads of the variant stand for {label}")
        for new, old in enumerate(kept)
        if old in found.undefined or absent[new]
    }
    return replace(
        found,
        axes=axes,
        components=tuple(found.components[index] for index in kept),
        values=values,
        undefined=undefined,
    )


def can_pair(axis: str, first: Component, second: Component) -> bool:
    """Whether there is an edge from the first head to the second, or a pair of the two."""
    return first.layer < second.layer if axis == TO_HEAD else first != second


def _all_undefined(found: Interpretation, reason: str) -> Interpretation:
    return replace(found, undefined=dict.fromkeys(range(len(found.components)), reason))
