"""Laws of every interpretation method in the registry, over one model of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from auditor import seeds
from auditor.behaviour.evidence import Evidence
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, methods
from auditor.records import ORIGINAL, Expected, Interpretation, Kind, Variant, VariantState, Verdict
from auditor.stability.distances import SMALLEST_EFFECT
from auditor.stability.verdict import Settings, findings_of
from tests.handmade import evidence_for, random_model
from tests.laws.architectures import FAMILIES, task_for
from tests.laws.snapshots import differences, snapshot

AXES = {
    "sequence",
    "position",
    "query",
    "key",
    "layer",
    "head",
    "neuron",
    "part",
    "to_head",
    "input",
    "model",
    "vocabulary",
}
"""The words of the axis dictionary that scores may use."""

SAME_SCORE = 1e-10
"""Relative difference that another order or size of batches may make in float64."""

CASES = [
    pytest.param((name, family), marks=() if method.smallest_plan == "quick" else pytest.mark.slow)
    for name, method in methods().items()
    for family in FAMILIES
]


class _BrokenError(Exception):
    """Raised by a forward pass on purpose."""


def _subject(family: str) -> tuple[CanonicalTransformer, Evidence]:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    return model, evidence_for(model)


def _interpret(name: str, model: CanonicalTransformer, evidence: Evidence, seed: int = 0) -> Interpretation:
    return methods()[name].interpret(model, evidence, seeds.numpy_generator(seed, "law"))


@pytest.fixture(params=CASES, ids=", ".join)
def case(request: pytest.FixtureRequest) -> tuple[str, CanonicalTransformer, Evidence]:
    """A method with a model that it applies to."""
    name, family = request.param
    model, evidence = _subject(family)
    if (why_not := methods()[name].not_applicable(model)) is not None:
        assert why_not.strip()
        pytest.skip(why_not)
    return name, model, evidence


Case = tuple[str, CanonicalTransformer, Evidence]


@pytest.mark.parametrize("name", methods())
def test_a_card_is_complete(name: str) -> None:
    method: InterpretationMethod = methods()[name]
    texts = (method.family, method.summary, method.unit, method.higher_means, method.source, method.distance)
    assert all(text.strip() for text in texts)
    assert method.version >= 1
    assert method.claims
    assert set(method.claims) <= set(SMALLEST_EFFECT)
    assert all(isinstance(expected, Expected) for expected in method.expected.values())


@pytest.mark.parametrize("name", methods())
def test_a_method_applies_to_the_plain_model(name: str) -> None:
    assert methods()[name].not_applicable(_subject("plain")[0]) is None


def test_one_seed_gives_one_result(case: Case) -> None:
    first, again = (_interpret(*case) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)


def test_every_axis_and_component_is_named_and_every_score_finite_or_explained(case: Case) -> None:
    name, model, evidence = case
    found = _interpret(*case)
    assert found.method == name
    assert set(found.axes) <= AXES
    assert found.values.shape[found.axes.index(found.component_axis)] == len(found.components)
    if found.component_axis == "part":
        assert len({component.label for component in found.components}) == len(found.components)
        assert all(component.part is not None for component in found.components)
    else:
        assert found.components == getattr(model.architecture, f"{found.component_axis}s")
    assert found.values.dtype == np.float64
    assert found.values.ndim == len(found.axes)
    assert all(0 <= index < len(found.components) and reason for index, reason in found.undefined.items())
    defined = [index for index in range(len(found.components)) if index not in found.undefined]
    assert np.isfinite(found.values.take(defined, axis=found.axes.index(found.component_axis))).all()
    if found.per_sequence:
        assert 1 <= len(found.values) <= len(evidence)


def test_nothing_is_left_changed(case: Case) -> None:
    name, model, evidence = case
    _make_conspicuous(model)
    before = snapshot(model, evidence)
    _interpret(name, model, evidence)
    assert not differences(before, snapshot(model, evidence))


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_nothing_is_left_changed_after_an_error_midway(case: Case, fails_at: int) -> None:
    name, model, evidence = case
    _make_conspicuous(model)
    calls = _breaking(model, fails_at)
    before = snapshot(model, evidence)
    raised = False
    try:
        _interpret(name, model, evidence)
    except _BrokenError:
        raised = True
    assert raised is (calls["made"] >= fails_at)
    assert not differences(before, snapshot(model, evidence))


def test_gradients_that_are_switched_off_do_not_matter(case: Case) -> None:
    name, model, evidence = case
    expected = _interpret(name, model, evidence)
    model.requires_grad_(False)
    np.testing.assert_array_equal(_interpret(name, model, evidence).values, expected.values)


def test_the_order_of_the_sequences_does_not_matter(case: Case) -> None:
    name, model, evidence = case
    order = torch.randperm(len(evidence), generator=seeds.torch_generator(0, "order"))
    found, permuted = _interpret(name, model, evidence), _interpret(name, model, evidence.rows(order))
    expected = found.values
    if found.per_sequence:
        kept = _kept_rows(found, evidence)
        expected = expected[[kept.index(row) for row in order.tolist() if row in kept]]
    _same_scores(permuted.values, expected)


def test_the_size_of_the_batches_does_not_matter(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    name, model, evidence = case
    expected, whole = _interpret(name, model, evidence), Evidence.batches

    def one_by_one(self: Evidence, *, tokens: int = 0) -> Iterator[tuple[torch.Tensor, Evidence]]:
        del tokens
        return whole(self, tokens=1)

    monkeypatch.setattr(Evidence, "batches", one_by_one)
    _same_scores(_interpret(name, model, evidence).values, expected.values)


def test_the_identity_changes_no_claim(case: Case) -> None:
    name, model, evidence = case
    scores = {ORIGINAL: _interpret(name, model, evidence), "copy/0": _interpret(name, model.clone(), evidence)}
    variant = Variant("copy/0", "copy", Kind.EXACT, 0, VariantState.CERTIFIED)
    findings = findings_of(
        "law",
        {name: methods()[name].card},
        [variant],
        {(key, name): found for key, found in scores.items()},
        original=ORIGINAL,
        settings=Settings(draws=99, alpha=0.05, seed=0),
    )
    assert findings
    assert {finding.verdict for finding in findings} == {Verdict.STABLE}
    assert all(f.effect == 0 for f in findings if f.claim.kind != "rank")


@pytest.mark.parametrize("family", FAMILIES)
def test_evidence_with_one_sequence_is_enough(family: str) -> None:
    model, evidence = _subject(family)
    one = evidence.rows(slice(0, 1))
    for name, method in methods().items():
        if method.not_applicable(model) is None:
            assert np.isfinite(_interpret(name, model, one).values).all()


def _make_conspicuous(model: CanonicalTransformer) -> None:
    """Every state at a value that nobody sets by habit."""
    parameters = list(model.parameters())
    parameters[1].requires_grad_(not parameters[1].requires_grad)
    parameters[2].grad = torch.full_like(parameters[2], 0.25)
    model.train()
    model.attentions[0].eval()
    model.attentions[0].z_site.register_forward_hook(lambda *_: None)


def _breaking(model: CanonicalTransformer, fails_at: int) -> dict[str, int]:
    """Let the ``fails_at``-th read-out of the model raise; the count of read-outs so far."""
    calls = {"made": 0}
    read: Callable[[Any], torch.Tensor] = model.read

    def failing(x: torch.Tensor) -> torch.Tensor:
        calls["made"] += 1
        if calls["made"] == fails_at:
            raise _BrokenError
        return read(x)

    object.__setattr__(model, "read", failing)
    return calls


def _kept_rows(found: Interpretation, evidence: Evidence) -> list[int]:
    """Which sequences a method scored: all, or those that leave a bracket open."""
    if len(found.values) == len(evidence):
        return list(range(len(evidence)))
    is_open = (evidence.real & (evidence.depth > 0)).any(1)
    kept: list[int] = is_open.nonzero().flatten().tolist()
    assert len(kept) == len(found.values)
    return kept


def _same_scores(found: np.ndarray, expected: np.ndarray) -> None:
    scale = max(float(np.abs(expected).max()), 1e-300)
    np.testing.assert_allclose(found, expected, rtol=0, atol=SAME_SCORE * scale)
