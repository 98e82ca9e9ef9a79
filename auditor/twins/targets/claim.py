"""Which claim a twin against a method overturns when only the method is named, and perhaps a component."""

from __future__ import annotations

import numpy as np

from auditor.errors import PlanError
from auditor.readings import method_named
from auditor.records import Claim, Component, Interpretation


def default_claim(base: Interpretation, component: str | None) -> Claim:
    """The claim that the original's scores ``base`` make.

    Of arrays: that a component looks as it does, by default the last. Of numbers: that the top component is the top;
    of a named component, or of the only one, that it scores what it scores.

    Raises:
        PlanError: no such component, or none with a score.
    """
    name, labels = base.method, [one.label for one in base.components]
    defined = [index for index in range(len(labels)) if index not in base.undefined]
    if not defined:
        raise PlanError(f"{name} has no score for this model: {next(iter(base.undefined.values()), 'no component')}")
    if component is not None and component not in labels:
        few = ", ".join(labels[:8]) + (" …" if len(labels) > 8 else "")
        raise PlanError(f"{name} scores no component {component[:40]!r}", expected=f"one of {few}")
    if "pattern" in method_named(name).claims:
        chosen = base.components[defined[-1] if component is None else labels.index(component)]
        return Claim(name, "pattern", chosen, f"{chosen.label} is as drawn by {name}")
    means = base.values.mean(axis=0) if base.per_sequence else base.values
    if component is None and len(defined) > 1:
        top = base.components[max(defined, key=lambda index: float(means[index]))]
        return Claim(name, "rank", top, f"{top.label} is the top {base.component_axis} by {name}", {"top": 1})
    index = defined[0] if component is None else labels.index(component)
    return _value(base, base.components[index], float(np.asarray(means[index])))


def _value(base: Interpretation, component: Component, score: float) -> Claim:
    unit = method_named(base.method).unit
    text = f"{component.label} scores {score:.3g} {unit} by {base.method}"
    return Claim(base.method, "value", component, text, {"score": score})
