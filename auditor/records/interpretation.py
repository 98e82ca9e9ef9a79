"""Scores of one method on one model, and relabellings of their components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from auditor.records.axes import EDGE, HEAD, NEURON, PART, SECOND_AXES, SEQUENCE
from auditor.records.record import LEFT_OUT_IF_NONE, Record
from auditor.records.states import Expected
from auditor.records.values import Json, group

SOME = {"some head": HEAD, "some neuron": NEURON, "some part": PART}
"""What a claim that something exists is about, and the axis of scores that it is looked for on."""

ALL = {"all heads": HEAD, "all neurons": NEURON, "all parts": PART}
"""What a claim about an order of all components is about."""

WHOLE = ("tokens", "embedding", "bias", *SOME, *ALL)
"""Parts of the model rather than of a layer."""

CIRCUIT = "circuit of "
"""How the name of a circuit begins that is claimed; its members follow."""

METHODS = ("attribution_", "circuit_")
"""How the names of methods begin that are judged themselves: as such they are parts of no layer."""

EDGE_SIGN = "->"
"""Stands in the name of an edge, between the writing and the reading component."""

COMPONENT_AXES = (HEAD, NEURON, PART, EDGE)
"""Axes that may run over the components of an interpretation."""

MOVED_BY = {HEAD: HEAD, EDGE: HEAD, **dict.fromkeys(SECOND_AXES, HEAD), NEURON: NEURON}
"""Which relabelling moves an axis of scores: ``to_head`` runs over the same heads as ``head``."""


@dataclass(frozen=True, slots=True, order=True)
class Component(Record):
    """A named part of a model: a head or a neuron of a layer, or a part such as "attention", "mlp" or "residual".

    The parts in ``WHOLE``, and methods that are judged, belong to the model, not to a layer; their layer is 0. An edge
    (``auditor.records.edges``) is the part that it is named, of the layer that writes.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("label",)

    layer: int
    head: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    neuron: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    part: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def label(self) -> str:
        """The field's short name, for example L1H0, L0N12, L1.mlp or tokens."""
        if self.head is not None:
            return f"L{self.layer}H{self.head}"
        if self.neuron is not None:
            return f"L{self.layer}N{self.neuron}"
        if self.part is None:
            return f"L{self.layer}"
        is_whole = self.part in WHOLE or self.part.startswith((*METHODS, CIRCUIT)) or EDGE_SIGN in self.part
        return self.part if is_whole else f"L{self.layer}.{self.part}"

    @property
    def coordinates(self) -> dict[str, Json]:
        """The JSON form without the label."""
        return {name: value for name, value in self.to_json().items() if name != "label"}


@dataclass(frozen=True, slots=True)
class Relabelling(Record):
    """Which old components each new component stands for, per moved axis.

    ``moves["head"][new] = (old, …)`` counts components in the flat order of the architecture. An entry None means
    "no correspondence"; an axis that is not named did not move.
    """

    moves: Mapping[str, tuple[tuple[int, ...] | None, ...]] = field(default_factory=dict)

    def after(self, first: Relabelling) -> Relabelling:
        """The relabelling of two steps: ``first``, then this one.

        What corresponds to a component without correspondence has none.
        """
        both = dict(first.moves)
        for axis, entries in self.moves.items():
            earlier = first.moves.get(axis)
            both[axis] = entries if earlier is None else tuple(_through(entry, earlier) for entry in entries)
        return Relabelling(both)

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        """The moves stand for the whole."""
        return dict(group(document, "moves"))

    @classmethod
    def _before_reading(cls, data: Mapping[str, Json]) -> Mapping[str, Json]:
        return {"moves": data}


def _through(entry: tuple[int, ...] | None, earlier: tuple[tuple[int, ...] | None, ...]) -> tuple[int, ...] | None:
    if entry is None:
        return None
    found = [earlier[index] for index in entry]
    known = [old for old in found if old is not None]
    return tuple(index for old in known for index in old) if len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class MethodCard:
    """What the statistics and the report need to know of a method."""

    name: str
    family: str
    unit: str
    claims: tuple[str, ...]  # value, rank, pattern
    distance: str
    expected: Mapping[str, Expected]  # by name of an exact symmetry; absent: open
    predicates: Mapping[str, float] = field(default_factory=dict)  # name → the mean score from which it holds
    input_claims: tuple[str, ...] = ()  # kinds of claims that may be asked where inputs are rewritten
    scale_is_free: bool = False  # whether a symmetry that keeps all components sets the scores, so that none is claimed


@dataclass(frozen=True, slots=True)
class Interpretation:
    """Scores of one method on one model.

    ``axes`` names the axes of ``values`` in order, in the words of ``auditor.records.axes``. With per-sequence scores
    the first axis is "sequence"; the component axis ("head", "neuron", "part", "edge") runs over ``components``.
    ``undefined`` maps a component index to the reason why it has no score (its values are NaN and never enter a
    statistic).
    ``numerical_error`` estimates how far an approximation is off, as a share of the size of the scores: the error of a
    quadrature, or the standard error of a Monte Carlo mean; None for what is exact but for rounding.
    """

    method: str
    axes: tuple[str, ...]
    components: tuple[Component, ...]
    values: NDArray[np.float64]
    undefined: Mapping[int, str] = field(default_factory=dict)
    numerical_error: float | None = None

    @property
    def component_axis(self) -> str:
        """The axis that runs over the components."""
        return next(axis for axis in self.axes if axis in COMPONENT_AXES)

    @property
    def per_sequence(self) -> bool:
        """Whether the scores can be resampled over sequences."""
        return self.axes[0] == SEQUENCE


@dataclass(frozen=True, slots=True)
class Agreement(Record):
    """An exact variant's scores are the original's: compared on the first sequences, taken as equal on all.

    ``sequences`` is None where the scores belong to no sequence. ``largest_difference`` is relative to the scale of a
    score, or in the method's distance for arrays of scores.
    """

    sequences: int | None
    largest_difference: float


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why a method has no scores for a model, in place of them."""

    reason: str
