"""Undo a relabelling: put a variant's scores under the original's component names.

The only place where the two sides meet.
"""

from __future__ import annotations

import numpy as np

from auditor.records import Component, Interpretation, Relabelling


def align(found: Interpretation, relabelling: Relabelling, components: tuple[Component, ...]) -> Interpretation:
    """``found`` with its component axis in the order of the original's ``components``.

    Of several that stand for one component (a head that was split), the one that scores most is taken: what is found
    in the variant of that component at best. A component that none stands for is undefined with that reason.
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
        scored = [index for index in new if index not in found.undefined]
        if scored:
            by_component[old] = source[max(scored, key=lambda index: float(np.abs(source[index].mean())))]
        elif new:
            undefined[old] = found.undefined[new[0]]
        else:
            undefined[old] = f"0 components of the variant stand for {component.label}"
    return Interpretation(found.method, found.axes, components, values, undefined)
