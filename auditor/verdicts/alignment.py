"""Undo a relabelling: put a variant's scores under the original's component names.

The only place where methods' scores and equivalences' relabellings are combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Agreement, Component, Interpretation, Relabelling
from auditor.records.axes import EDGE
from auditor.records.edges import heads_of, renamed
from auditor.records.interpretation import COMPONENT_AXES, MOVED_BY
from auditor.verdicts.distances import EXACT_TOLERANCE

Scores = Interpretation | Agreement
"""The result of a method on a variant: its scores, or that they are the original's."""

Moves = tuple[tuple[int, ...] | None, ...]


def align(found: Interpretation, relabelling: Relabelling, components: tuple[Component, ...]) -> Interpretation:
    """``found`` with its component axes in the order of the original's ``components``.

    Of several that stand for one component (a head that was split), the one that scores most is taken: what is found
    in the variant of that component at best. A component that none stands for is undefined with that reason. Another
    axis over components (``to_head``) is put in order the same way; what has no counterpart there is NaN.
    """
    for axis in found.axes:
        if axis not in COMPONENT_AXES and (moves := relabelling.moves.get(MOVED_BY.get(axis, ""))) is not None:
            runs_alike = MOVED_BY[axis] == MOVED_BY.get(found.component_axis)
            found = _axis_in_order(found, axis, moves, at_least=len(components) if runs_alike else 0)
    moves = relabelling.moves.get(MOVED_BY.get(found.component_axis, ""))
    if moves is not None and found.component_axis == EDGE:
        moves = _moves_of_edges(found.components, moves, components)
    return found if moves is None else _components_in_order(found, moves, components)


def in_names_of(base: Interpretation, found: Scores, relabelling: Relabelling) -> Interpretation:
    """The scores of a variant under the component names of the original, whose scores are ``base``."""
    return base if isinstance(found, Agreement) else align(found, relabelling, base.components)


def _moves_of_edges(new: Sequence[Component], heads: Moves, old: Sequence[Component]) -> Moves:
    """Which of the ``old`` edges each of the ``new`` ones stands for, from what the heads stand for."""
    places = {one.label: index for index, one in enumerate(old)}
    before = heads_of(old)
    names: dict[str, str | None] = {
        head: before[stands_for[0]] if stands_for is not None and len(stands_for) == 1 else None
        for head, stands_for in zip(heads_of(new), heads, strict=True)
    }
    labels = [renamed(one, names) for one in new]
    return tuple(None if label is None or label not in places else (places[label],) for label in labels)


def _components_in_order(found: Interpretation, moves: Moves, components: tuple[Component, ...]) -> Interpretation:
    axis = found.axes.index(found.component_axis)
    values = _blank(found.values, axis, len(components))
    undefined: dict[int, str] = {}
    by_component, source = np.moveaxis(values, axis, 0), np.moveaxis(found.values, axis, 0)
    for old, component in enumerate(components):
        new = [index for index, stands_for in enumerate(moves) if stands_for == (old,)]
        scored = [index for index in new if index not in found.undefined]
        if scored:
            by_component[old] = source[_scores_most(source, scored)]
        elif new:
            undefined[old] = found.undefined[new[0]]
        else:
            undefined[old] = f"0 components of the variant stand for {component.label}"
    return replace(found, components=components, values=values, undefined=undefined)


def _axis_in_order(found: Interpretation, name: str, moves: Moves, *, at_least: int) -> Interpretation:
    axis = found.axes.index(name)
    olds = [stands_for[0] for stands_for in moves if stands_for is not None and len(stands_for) == 1]
    values = _blank(found.values, axis, max(at_least, max(olds, default=-1) + 1))
    ordered, source = np.moveaxis(values, axis, 0), np.moveaxis(found.values, axis, 0)
    for old in range(len(ordered)):
        new = [index for index, stands_for in enumerate(moves) if stands_for == (old,)]
        if new:
            ordered[old] = source[_scores_most(source, new)]
    return replace(found, values=values)


def _scores_most(source: NDArray[np.float64], among: list[int]) -> int:
    """The one with the largest |mean|; of those that are equal but for rounding the first."""
    sizes = [float(np.abs(source[index].mean())) for index in among]
    return next(
        index for index, size in zip(among, sizes, strict=True) if not size < max(sizes) * (1 - EXACT_TOLERANCE)
    )


def _blank(values: NDArray[np.float64], axis: int, length: int) -> NDArray[np.float64]:
    shape = list(values.shape)
    shape[axis] = length
    return np.full(shape, np.nan)
