"""Undo a relabelling: put a variant's scores under the original's component names.

The only place where the two sides meet.
"""

from __future__ import annotations

import numpy as np

from auditor.records import Component, Interpretation, Relabelling


def align(found: Interpretation, relabelling: Relabelling, components: tuple[Component, ...]) -> Interpretation:
    """``found`` with its component axis in the order of the original's ``components``.

    A component that none, or more than one, of the variant's stands for is undefined with that reason.
    """
    moves = relabelling.moves.get(found.component_axis)
    if moves is None:
        return found
    axis = found.axes.index(found.component_axis)
    shape = list(found.values.shape)
    shape[axis] = len(components)
    values = np.full(shape, np.nan)
    undefined: dict[int, str] = {}
    by_component, source = np.moveaxis(values, axis, 0), np.moveaxis(found.values, axis, 0)
    for old, component in enumerate(components):
        new = [index for index, stands_for in enumerate(moves) if stands_for == (old,)]
        if len(new) != 1:
            undefined[old] = f"{len(new)} components of the variant stand for {component.label}"
        elif new[0] in found.undefined:
            undefined[old] = found.undefined[new[0]]
        else:
            by_component[old] = source[new[0]]
    return Interpretation(found.method, found.axes, components, values, undefined)
