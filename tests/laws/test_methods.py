"""Laws of every interpretation method in the registry, over one model of each kind; dear methods see fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from auditor import seeds
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, methods
from auditor.measures.attention import matching_opener, with_open_bracket
from auditor.records import ORIGINAL, Expected, Interpretation, Kind, Variant, VariantState, Verdict
from auditor.records.axes import AXES, PART
from auditor.verdicts.distances import SMALLEST_EFFECT
from auditor.verdicts.verdict import Settings, findings_of
from tests.handmade import inputs_for, random_model
from tests.laws.architectures import FAMILIES, task_for
from tests.laws.cost import is_dear
from tests.laws.snapshots import differences, snapshot

SAME_SCORE = 1e-10
"""Relative difference that another order or size of batches may make in float64."""

SAME_SINGLE = 2e-6
"""Difference that the size of batches may make in float32, and its share of scores above 1. 1e-7 is usual; gradients
through a LayerNorm of nearly nothing lose a digit."""

SEQUENCES = 12
FAMILY_OF_DEAR_METHODS = "plain"


class _BrokenError(Exception):
    """Raised by a forward pass on purpose."""


@cache
def _subject(family: str) -> tuple[CanonicalTransformer, InputBatch]:
    """A model, which nobody may change, and sequences that all leave a bracket open and close one."""
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    drawn = inputs_for(model, 4 * SEQUENCES)
    rich = with_open_bracket(drawn).any(1) & (matching_opener(drawn) >= 0).any(1)
    return model, drawn.rows(rich).rows(slice(0, SEQUENCES))


def _cases() -> Iterator[Any]:
    """Every method with the families it applies to; slow unless the quick plan runs the method."""
    for name, method in methods().items():
        for family in FAMILIES:
            if method.not_applicable(_subject(family)[0]) is not None:
                continue
            yield pytest.param((name, family), marks=() if method.smallest_plan == "quick" else pytest.mark.slow)


def _interpret(name: str, model: CanonicalTransformer, inputs: InputBatch, seed: int = 0) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs, seeds.numpy_generator(seed, "law")))


@cache
def _found(name: str, family: str) -> Interpretation:
    return _interpret(name, *_subject(family))


@pytest.fixture(params=list(_cases()), ids=", ".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A method with the family of a model that it applies to."""
    name, family = request.param
    if is_dear(name) and family != FAMILY_OF_DEAR_METHODS:
        pytest.skip(f"dear: {FAMILY_OF_DEAR_METHODS} must do")
    return name, family


@pytest.mark.parametrize("name", methods())
def test_a_card_is_complete(name: str) -> None:
    method: InterpretationMethod = methods()[name]
    texts = (method.family, method.summary, method.unit, method.higher_means, method.source, method.distance)
    assert all(text.strip() for text in texts)
    assert method.version >= 1
    assert method.claims
    assert set(method.claims) <= set(SMALLEST_EFFECT)
    assert ("predicate" in method.claims) is bool(method.predicates)
    assert method.card.predicates == method.predicates
    assert all(isinstance(expected, Expected) for expected in method.expected.values())


@pytest.mark.parametrize("name", methods())
def test_a_method_applies_to_a_model_or_says_why_not(name: str) -> None:
    reasons = {family: methods()[name].not_applicable(_subject(family)[0]) for family in FAMILIES}
    assert None in reasons.values(), f"{name} applies to no family: {reasons}"
    assert all(why is None or why.strip() for why in reasons.values())


def test_one_seed_gives_one_result(case: tuple[str, str]) -> None:
    _same_scores(_interpret(case[0], *_subject(case[1])).values, _found(*case).values)


def test_every_axis_and_component_is_named_and_every_score_finite_or_explained(case: tuple[str, str]) -> None:
    name, (model, inputs), found = case[0], _subject(case[1]), _found(*case)
    assert found.method == name
    assert set(found.axes) <= AXES
    assert found.values.shape[found.axes.index(found.component_axis)] == len(found.components)
    if found.component_axis == PART:
        assert len({component.label for component in found.components}) == len(found.components)
        assert all(component.part is not None for component in found.components)
    else:
        assert found.components == getattr(model.architecture, f"{found.component_axis}s")
    assert found.values.dtype == np.float64
    assert found.values.ndim == len(found.axes)
    assert all(0 <= index < len(found.components) and reason for index, reason in found.undefined.items())
    assert _is_finite_where_defined(found)
    if found.per_sequence:
        assert len(found.values) == len(inputs), "every sequence leaves a bracket open and closes one"


@pytest.mark.parametrize("fails_at", [None, 1, 2, 3], ids=lambda step: "unbroken" if step is None else f"step {step}")
def test_nothing_is_left_changed_also_after_an_error_midway(case: tuple[str, str], fails_at: int | None) -> None:
    name, (original, inputs) = case[0], _subject(case[1])
    model = original.clone()
    _make_conspicuous(model)
    steps = _breaking(model, fails_at)
    before = snapshot(model, inputs)
    raised = False
    try:
        _interpret(name, model, inputs)
    except _BrokenError:
        raised = True
    assert raised is (fails_at is not None and steps["made"] >= fails_at)
    assert not differences(before, snapshot(model, inputs))


def test_gradients_that_are_switched_off_do_not_matter(case: tuple[str, str]) -> None:
    model = _subject(case[1])[0].clone()
    model.requires_grad_(False)
    found = _interpret(case[0], model, _subject(case[1])[1])
    _same_scores(found.values, _found(*case).values)


def test_the_order_of_the_sequences_does_not_matter(case: tuple[str, str]) -> None:
    (model, inputs), expected = _subject(case[1]), _found(*case)
    order = torch.randperm(len(inputs), generator=seeds.torch_generator(0, "order"))
    permuted = _interpret(case[0], model, inputs.rows(order))
    _same_scores(permuted.values, expected.values[order.numpy()] if expected.per_sequence else expected.values)


def test_the_size_of_the_batches_does_not_matter(case: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _found(*case)
    _batches_of(1, monkeypatch)
    _same_scores(_interpret(case[0], *_subject(case[1])).values, expected.values)


def test_batches_with_and_without_padding_agree_in_single_precision(
    case: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sequence at a time has no padding; 7 and 64 are padded on the right."""
    model, inputs = _subject(case[1])[0].clone(dtype=torch.float32), _subject(case[1])[1]
    found = []
    for size in (1, 7, 64):
        _batches_of(size, monkeypatch)
        found.append(_interpret(case[0], model, inputs).values)
    allowed = SAME_SINGLE * max(1.0, float(np.nanmax(np.abs(found[0]))))
    for values in found[1:]:
        np.testing.assert_allclose(values, found[0], rtol=0, atol=allowed)


def test_the_identity_changes_no_claim(case: tuple[str, str]) -> None:
    name, (model, inputs) = case[0], _subject(case[1])
    scores = {ORIGINAL: _found(*case), "copy/0": _interpret(name, model.clone(), inputs)}
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
    assert all((f.effect or 0.0) <= SAME_SCORE for f in findings if f.claim.kind in ("value", "pattern"))


@pytest.mark.parametrize("plan", ["quick", pytest.param("wider", marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
def test_one_sequence_is_enough_or_scores_are_undefined(family: str, plan: str) -> None:
    """Every method on every family, dear ones too."""
    model, inputs = _subject(family)
    one = inputs.rows(slice(0, 1))
    for name, method in methods().items():
        if (method.smallest_plan == "quick") is (plan == "quick") and method.not_applicable(model) is None:
            assert _is_finite_where_defined(_interpret(name, model, one)), name


def _is_finite_where_defined(found: Interpretation) -> bool:
    defined = [index for index in range(len(found.components)) if index not in found.undefined]
    return bool(np.isfinite(found.values.take(defined, axis=found.axes.index(found.component_axis))).all())


def _batches_of(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every input batch come in pieces of ``size`` sequences in order, short ones padded on the right."""

    def fixed(self: InputBatch, *, tokens: int = 0) -> Iterator[tuple[torch.Tensor, InputBatch]]:
        del tokens
        for rows in torch.arange(len(self)).split(size):
            yield rows, self.rows(rows)

    monkeypatch.setattr(InputBatch, "batches", fixed)


def _make_conspicuous(model: CanonicalTransformer) -> None:
    """Every state at a value that nobody sets by habit."""
    parameters = list(model.parameters())
    parameters[1].requires_grad_(not parameters[1].requires_grad)
    parameters[2].grad = torch.full_like(parameters[2], 0.25)
    model.train()
    model.attentions[0].eval()
    model.attentions[0].z_site.register_forward_hook(lambda *_: None)


def _breaking(model: CanonicalTransformer, fails_at: int | None) -> dict[str, int]:
    """Let a step raise: a run of the first layer or a read-out. The count of steps so far."""
    steps = {"made": 0}

    def failing(step: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def counted(*given: Any, **named: Any) -> torch.Tensor:
            steps["made"] += 1
            if steps["made"] == fails_at:
                raise _BrokenError
            return step(*given, **named)

        return counted

    object.__setattr__(model, "read", failing(model.read))
    object.__setattr__(model.block(0), "forward", failing(model.block(0).forward))
    return steps


def _same_scores(found: np.ndarray, expected: np.ndarray) -> None:
    scale = float(np.nanmax(np.abs(expected))) or 1.0
    np.testing.assert_allclose(found, expected, rtol=0, atol=SAME_SCORE * scale)
