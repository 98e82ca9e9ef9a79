"""One method's scores on the original beside those on one variant, ready to be compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Component, Interpretation
from auditor.records.values import texts, whole
from auditor.verdicts.distances import RowVariation, pattern_distance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairing:
    """Two interpretations of one method, the variant's aligned. Not slotted: what is computed is kept.

    Only components that both define enter; ``index`` counts those.
    """

    base: Interpretation
    other: Interpretation
    distance: str  # the method's, for array-valued scores

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The components that both define, as indices into the original's."""
        absent = {*self.base.undefined, *self.other.undefined}
        return tuple(index for index in range(len(self.base.components)) if index not in absent)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The components that both define."""
        return tuple(self.base.components[index] for index in self.kept)

    @cached_property
    def per_sequence(self) -> bool:
        """Whether the scores of both can be resampled together."""
        return self.base.per_sequence and self.other.per_sequence

    @cached_property
    def ours(self) -> Array:
        """Scores of the original, [sequence, component, …]; those of weights count as one sequence."""
        return _by_sequence(self.base, self.kept)

    @cached_property
    def theirs(self) -> Array:
        """Scores of the variant, laid out like ``ours``."""
        return _by_sequence(self.other, self.kept)

    @cached_property
    def means(self) -> tuple[Array, Array]:
        """Mean scores of original and variant, [component, …]."""
        return self.ours.mean(axis=0), self.theirs.mean(axis=0)

    @cached_property
    def variation(self) -> RowVariation:
        """How far the two are apart as arrays, per sequence and component."""
        return pattern_distance(self.distance, self.ours, self.theirs)

    @property
    def itself(self) -> Pairing:
        """The original beside itself."""
        return replace(self, other=self.base)

    def index(self, component: Component) -> int:
        """The index of a component among those compared."""
        return self._places[component]

    def index_of(self, label: str) -> int:
        """The index of the component of this label among those compared."""
        return next(index for index, component in enumerate(self.components) if component.label == label)

    @cached_property
    def _places(self) -> dict[Component, int]:
        return {component: index for index, component in enumerate(self.components)}

    @cached_property
    def _labels(self) -> dict[str, int]:
        """The index of each component of the original, by label."""
        return {component.label: index for index, component in enumerate(self.base.components)}

    def why_undefined(self, claim: Claim) -> str:
        """Why the claim is undefined for this pair; empty when it is defined."""
        if self.base.values.shape != self.other.values.shape:
            return "a variant was scored on other sequences than the original"
        for label in _labels_of(claim):
            index = self._labels.get(label)
            if index is None:
                return f"{claim.method} has no score for {label}"
            for found in (self.base, self.other):
                if index in found.undefined:
                    return found.undefined[index]
        if claim.kind == "pattern":
            return self._why_no_distance(claim.component)
        if self.means[0].ndim > 1:
            return f"the scores of {claim.method} are not single numbers, so only a pattern can be claimed"
        return (self._why_no_order(claim) if claim.kind in ("rank", "set") else "") or self._why_not_finite

    def _why_no_order(self, claim: Claim) -> str:
        """An order is about all components, so each needs a score."""
        missing = {**self.other.undefined, **self.base.undefined}
        if missing:
            return next(iter(missing.values()))
        led = whole(claim.parameters, "top", 1) if claim.kind == "rank" else len(texts(claim.parameters, "members"))
        if not 0 < led < len(self.components):
            return f"{led} of {len(self.components)} components make no order"
        return ""

    @cached_property
    def _why_not_finite(self) -> str:
        """One score that is not finite leaves all others without a scale."""
        return _why_not_finite(self.ours, self.theirs)

    def _why_no_distance(self, component: Component) -> str:
        """Entries without a counterpart in the variant are NaN in every sequence and are left out."""
        ours, theirs = (a[:, self.index(component)] for a in (self.ours, self.theirs))
        absent = np.isnan(theirs).all(axis=0)
        if theirs.ndim > 1 and absent.all():
            return f"0 entries of {component.label} have a counterpart"
        return _why_not_finite(ours, np.where(absent, 0.0, theirs))


def _labels_of(claim: Claim) -> tuple[str, ...]:
    other = claim.parameters.get("other")
    return (claim.component.label, *texts(claim.parameters, "members"), *([] if other is None else [str(other)]))


def _why_not_finite(ours: Array, theirs: Array) -> str:
    if not np.isfinite(ours).all():
        return "the original has scores that are not finite"
    return "" if np.isfinite(theirs).all() else "a variant has scores that are not finite"


def _by_sequence(found: Interpretation, kept: tuple[int, ...]) -> Array:
    axis = found.axes.index(found.component_axis)
    values = found.values if found.per_sequence else found.values[None]
    ordered: Array = np.moveaxis(values, axis + (not found.per_sequence), 1)
    return ordered if len(kept) == ordered.shape[1] else ordered[:, list(kept)]
