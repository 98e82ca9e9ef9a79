"""What each method does under each exact symmetry, against what it declares."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from auditor import zoo
from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed, equivalences, methods
from auditor.intake.detection import load
from auditor.records import Component, Expected, Interpretation, Kind
from auditor.seeds import numpy_generator
from auditor.stability.alignment import align
from auditor.stability.claims import mean_scores
from auditor.stability.distances import EXACT_TOLERANCE
from tests.handmade import evidence_for, random_model
from tests.laws.architectures import FAMILIES, task_for

EXACT = tuple(name for name, plugin in equivalences().items() if plugin.kind is Kind.EXACT)
SUBJECTS = (*FAMILIES, "trained")
PAIRS = [
    pytest.param(name, symmetry, marks=() if method.smallest_plan == "quick" else pytest.mark.slow)
    for name, method in methods().items()
    for symmetry in EXACT
]

VISIBLE = 1e-3
"""Share of the largest score that a change must reach before it counts as one."""


@cache
def _subject(name: str) -> tuple[CanonicalTransformer, Evidence]:
    if name == "trained":
        model = load(zoo.path(zoo.names()[0])).model.double()
    else:
        model = random_model(FAMILIES[name], task_for(FAMILIES[name]))
    return model, evidence_for(model, 16)


@cache
def _variants(subject: str, symmetry: str) -> tuple[Transformed, ...]:
    """All that an audit would make; none where the symmetry does not exist."""
    model, evidence = _subject(subject)
    plugin = equivalences()[symmetry]
    if plugin.not_applicable(model) is not None:
        return ()
    return tuple(
        plugin.transform(model, evidence, numpy_generator(0, symmetry, index), parameters=parameters)
        for index, parameters in enumerate(plugin.choices(model.architecture, 2))
    )


def _scores(subject: str, method: str, model: CanonicalTransformer) -> Interpretation:
    return methods()[method].interpret(model, _subject(subject)[1], numpy_generator(0, "measure"))


@cache
def _original(subject: str, method: str) -> Interpretation:
    return _scores(subject, method, _subject(subject)[0])


def _moved(one: Interpretation, other: Interpretation) -> float:
    """Largest change of any score, as a share of the largest score; infinite where there are more or fewer scores."""
    if one.values.shape != other.values.shape:
        return float("inf")
    return float(np.abs(one.values - other.values).max() / np.abs(one.values).max())


@pytest.mark.parametrize("method", methods())
def test_expectations_name_symmetries_that_exist(method: str) -> None:
    assert set(methods()[method].expected) <= set(EXACT)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize(("method", "symmetry"), PAIRS)
def test_what_is_observed_is_what_is_declared(method: str, symmetry: str, subject: str) -> None:
    expected = methods()[method].expected.get(symmetry, Expected.OPEN)
    variants = _variants(subject, symmetry)
    if methods()[method].not_applicable(_subject(subject)[0]) or not variants or expected is Expected.OPEN:
        return
    base = _original(subject, method)
    found = [(made, _scores(subject, method, made.model)) for made in variants]
    aligned = [align(other, made.relabelling, base.components) for made, other in found]
    if expected is Expected.INVARIANT:
        assert all(_moved(base, other) <= EXACT_TOLERANCE for _, other in found)
    elif expected is Expected.RELABELLED:
        assert all(_moved(base, other) <= EXACT_TOLERANCE for other in aligned)
        if any(base.component_axis in made.relabelling.moves for made, _ in found):
            assert any(_moved(base, other) > VISIBLE for _, other in found)
    elif expected is Expected.DILUTED:
        _only_what_was_split_moves(base, found)
    elif expected in (Expected.FREE, Expected.CHANGES):
        assert any(_moved(base, other) > VISIBLE for other in aligned)
    if expected is Expected.FREE:
        _every_target_is_on_top(variants, aligned, subject)


def _only_what_was_split_moves(base: Interpretation, found: list[tuple[Transformed, Interpretation]]) -> None:
    """What one component stands for keeps its scores; some component that was divided has less."""
    axis, diluted = base.axes.index(base.component_axis), []
    largest = float(np.abs(base.values).max())
    for made, other in found:
        moves = made.relabelling.moves[base.component_axis]
        aligned = np.moveaxis(align(other, made.relabelling, base.components).values, axis, 0)
        for old, scores in enumerate(np.moveaxis(base.values, axis, 0)):
            change = float(np.abs(aligned[old] - scores).max()) / largest
            if moves.count((old,)) == 1:
                assert change <= EXACT_TOLERANCE
            else:
                diluted.append(change > VISIBLE and abs(aligned[old].mean()) < abs(scores.mean()))
    assert any(diluted)


def _every_target_is_on_top(variants: tuple[Transformed, ...], aligned: list[Interpretation], subject: str) -> None:
    """Where there is more than one component, each can be made the top one: so the top one means nothing."""
    promoted = {}
    for made, other in zip(variants, aligned, strict=True):
        if "target" in made.parameters:
            top: Component = other.components[int(np.argmax(mean_scores(other)))]
            promoted[made.parameters["target"]] = top.label
            assert made.parameters["target_on_top"] is True
    components = aligned[0].components
    assert promoted == ({c.label: c.label for c in components} if len(components) > 1 else {})
