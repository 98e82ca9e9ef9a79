"""The one contract of all targets: the scores of a method, differentiable in the weights.

A surrogate steers the training of a twin and nothing else. What a twin has moved is always measured by the method
itself, on sequences that training has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.untouched import Piece
from auditor.records import Component

Components = Sequence[Component]

Scores = Callable[[CanonicalTransformer, Piece, Components], Tensor]
"""(model, its pass with gradients over sequences that run together, components) → [sequence, component, …].

Sequences that the method leaves out are left out; what reads weights alone counts as one sequence.
"""


@dataclass(frozen=True)
class Surrogate:
    """Differentiable scores, and whose they are.

    ``method`` is the attacked method where it can be differentiated, else the nearest one; ``why`` says why not.
    """

    method: str
    scores: Scores
    why: str = ""
    from_layer: int = 0  # layers before it do not enter the scores of the components asked for


def first_rows(piece: Piece, count: int) -> Piece:
    """The first sequences of a pass, as wide as it is."""
    if len(piece.rows) <= count:
        return piece
    tables = {one.name: getattr(piece.part, one.name) for one in fields(InputBatch)}
    few: dict[str, Any] = {name: one[:count] for name, one in tables.items() if isinstance(one, Tensor)}
    part = replace(piece.part, **few)
    cache = Cache({place: value[:count] for place, value in piece.cache.activations.items()})
    return Piece(piece.rows[:count], part, piece.logits[:count], cache)


def by_layer(components: Components) -> list[int]:
    """The layers of the components, each once, in order."""
    return sorted({component.layer for component in components})
