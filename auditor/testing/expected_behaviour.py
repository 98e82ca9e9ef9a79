"""What a method does under an exact equivalence, against what theory derives for the two.

"Unchanged" must hold on every model, "changes" must be seen on one at least, since a special model (one head, no norm)
may have nothing that could change. Methods that take long see fewer models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from auditor import zoo
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, Transformed, TransformRequest, equivalences, expectation, methods
from auditor.records import Component, Expected, Interpretation
from auditor.records.axes import FEATURE, HEAD
from auditor.seeds import numpy_generator
from auditor.testing.cost import is_costly
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.models import inputs_for, random_model
from auditor.verdicts.alignment import align
from auditor.verdicts.claims import ROUNDING, mean_scores
from auditor.verdicts.distances import EXACT_TOLERANCE, pattern_distance

SUBJECTS = (*FAMILIES, "trained")
SUBJECTS_OF_COSTLY_METHODS = SUBJECTS[:2]
SEQUENCES = 8
SEQUENCES_OF_COSTLY_METHODS = 3
VISIBLE = 1e-3
"""Share of the largest score that a change must reach before it counts as one."""

SHIFT_LENGTHS = (10.0, 100.0, 1000.0)
"""Lengths of the value-bias shifts that try to put a head on top."""


@dataclass(frozen=True)
class Seen:
    """What one variant of one model did to the scores; changes as shares of the largest score."""

    subject: str
    by_place: float  # score by score, before the relabelling is undone
    by_name: float  # after
    unsplit: float  # after, of components that exactly one stands for
    divided: float  # after, of components that several stand for; 0 where there is none
    renamed: bool  # whether the variant moves an axis of the scores


def observed_is_expected(method: str, equivalence: str) -> None:
    """What the method does under the exact equivalence is what theory predicts; nothing to check where that is open."""
    expected = expectation(methods()[method], equivalences()[equivalence]).expected
    if expected is not Expected.OPEN:
        wrong = list(_disagreements(expected, list(_observed(method, equivalence))))
        assert not wrong, f"{method} under {equivalence}: expected {expected}, but {'; '.join(wrong)}"


def a_free_score_can_put_every_head_on_top(method: str) -> None:
    """Some shift of a head's own value bias makes it lead all others: so what leads means nothing."""
    base = _original("plain", method)
    if base.component_axis != HEAD:
        return
    stuck = [head.label for head in base.components if not _can_lead(method, head)]
    assert not stuck, f"no shift of its own value bias puts {', '.join(stuck)} on top by {method}"


def _disagreements(expected: Expected, seen: list[Seen]) -> Iterator[str]:
    if expected is Expected.INVARIANT:
        yield from (_moved(one, one.by_place) for one in seen if one.by_place > EXACT_TOLERANCE)
    if expected is Expected.RELABELLED:
        yield from (_moved(one, one.by_name) for one in seen if one.by_name > EXACT_TOLERANCE)
        renamed = [one.by_place for one in seen if one.renamed]
        if renamed and max(renamed) <= VISIBLE:
            yield "no score moves before the relabelling is undone: it is invariant"
    if expected is Expected.DILUTED:
        yield from (_moved(one, one.unsplit) + ", though not split" for one in seen if one.unsplit > EXACT_TOLERANCE)
        if seen and max(one.divided for one in seen) <= VISIBLE:
            yield "no component that was split scores otherwise: it is relabelled"
    if expected in (Expected.FREE, Expected.CHANGES) and seen and max(one.by_name for one in seen) <= VISIBLE:
        yield f"no score moves by more than {max(one.by_name for one in seen):.1e} on any model"


def _moved(one: Seen, change: float) -> str:
    return f"a score moves by {change:.1e} of the largest on the model {one.subject!r} (allowed {EXACT_TOLERANCE:.0e})"


def _observed(method: str, symmetry: str) -> Iterator[Seen]:
    for subject in SUBJECTS_OF_COSTLY_METHODS if is_costly(method) else SUBJECTS:
        if methods()[method].not_applicable(_subject(subject)[0]) is None:
            for made in _variants(subject, symmetry):
                yield _seen(subject, made, _original(subject, method), _scores(subject, method, made.model))


def _seen(subject: str, made: Transformed, base: Interpretation, other: Interpretation) -> Seen:
    aligned = align(other, made.relabelling, base.components)
    by_name = _change(base, aligned)
    moves = made.relabelling.moves.get(base.component_axis)
    unsplit = divided = 0.0
    if moves is not None and by_name < np.inf:
        axis, largest = base.axes.index(base.component_axis), _largest(base.values)
        pairs = zip(*(np.moveaxis(found.values, axis, 0) for found in (base, aligned)), strict=True)
        for old, (ours, theirs) in enumerate(pairs):
            change = float(np.nan_to_num(np.abs(theirs - ours)).max() / largest)
            if moves.count((old,)) == 1:
                unsplit = max(unsplit, change)
            else:
                divided = max(divided, change)
    return Seen(subject, _change(base, other), by_name, unsplit, divided, moves is not None)


def _change(base: Interpretation, other: Interpretation) -> float:
    """Largest change of any score, as a share of the largest; infinite where scores appear or vanish.

    Of representations, whose numbers are those of a basis, their distance.
    """
    ours, theirs = base.values, other.values
    if ours.shape != theirs.shape or (np.isnan(ours) != np.isnan(theirs)).any():
        return float("inf")
    if FEATURE in base.axes:
        return float(pattern_distance(methods()[base.method].distance, ours, theirs).mean.max())
    return float(np.nanmax(np.abs(theirs - ours)) / _largest(ours))


def _largest(scores: np.ndarray) -> float:
    """The largest size of a score; 1 where all of them are rounding, whose relative changes mean nothing."""
    largest = float(np.nanmax(np.abs(scores)))
    return largest if largest > ROUNDING else 1.0


@cache
def _subject(name: str) -> tuple[CanonicalTransformer, InputBatch]:
    if name == "trained":
        model = load(zoo.path(zoo.DEMONSTRATION)).model.double()
    else:
        model = random_model(FAMILIES[name], task_for(FAMILIES[name]))
    return model, inputs_for(model, SEQUENCES)


@cache
def _variants(subject: str, symmetry: str) -> tuple[Transformed, ...]:
    """The first variant that an audit would make; none where the symmetry does not exist."""
    model, inputs = _subject(subject)
    plugin = equivalences()[symmetry]
    if plugin.not_applicable(model) is not None:
        return ()
    parameters = plugin.choices(model.architecture, 1)[0]
    return (plugin.transform(TransformRequest(model, inputs, numpy_generator(0, symmetry), parameters=parameters)),)


def _scores(subject: str, method: str, model: CanonicalTransformer) -> Interpretation:
    inputs = _subject(subject)[1]
    if is_costly(method):
        inputs = inputs.rows(slice(0, SEQUENCES_OF_COSTLY_METHODS))
    return methods()[method].interpret(Request(model, inputs, numpy_generator(0, "measure")))


@cache
def _original(subject: str, method: str) -> Interpretation:
    return _scores(subject, method, _subject(subject)[0])


def _can_lead(method: str, head: Component) -> bool:
    model = _subject("plain")[0]
    W_O, _ = model.attentions[head.layer].output
    directions = torch.linalg.svd(W_O[head.head].detach(), full_matrices=False).U.T
    for length in SHIFT_LENGTHS:
        for direction in (*directions, *-directions):
            found = _scores("plain", method, _shifted(model, head, length * direction))
            if found.components[int(np.argmax(mean_scores(found)))] == head:
                return True
    return False


@torch.no_grad()
def _shifted(model: CanonicalTransformer, head: Component, shift: torch.Tensor) -> CanonicalTransformer:
    """b_V + c and b_O − c W_O of one head: the same function."""
    twin = model.clone()
    W_O, b_O = twin.attentions[head.layer].output
    twin.attentions[head.layer].b_V[head.head] += shift
    b_O -= shift @ W_O[head.head]
    return twin
