"""The laws that every interpretation method keeps, on one model of each kind; those that take long see fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import torch

from auditor import seeds
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, equivalences, expectations, methods
from auditor.measures.attention import matching_opener, with_open_bracket
from auditor.records import ORIGINAL, Expected, Interpretation, Kind, Variant, VariantState, Verdict
from auditor.records.axes import AXES, EDGE, PART, SECOND_AXES
from auditor.testing.cost import is_costly
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.models import inputs_for, random_model
from auditor.testing.snapshots import differences, snapshot
from auditor.verdicts.claims import AUTOMATIC_KINDS
from auditor.verdicts.distances import SMALLEST_EFFECT
from auditor.verdicts.verdict import Settings, findings_of

SAME_SCORE = 1e-10
"""Relative difference that another order or size of batches may make in float64."""

SAME_SINGLE = 2e-6
"""Difference that the size of batches may make in float32, and its share of scores above 1. 1e-7 is usual; gradients
through a LayerNorm of nearly nothing lose a digit."""

SEQUENCES = 12
FAMILY_OF_COSTLY_METHODS = "plain"


class _BrokenError(Exception):
    """Raised by a forward pass on purpose."""


@cache
def subject(family: str) -> tuple[CanonicalTransformer, InputBatch]:
    """A model, which no law may change, and sequences that all leave a bracket open and close one."""
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    drawn = inputs_for(model, 4 * SEQUENCES)
    rich = with_open_bracket(drawn).any(1) & (matching_opener(drawn) >= 0).any(1)
    return model, drawn.rows(rich).rows(slice(0, SEQUENCES))


def applicable_families(name: str) -> tuple[str, ...]:
    """The kinds of model that a method applies to."""
    return tuple(family for family in FAMILIES if methods()[name].not_applicable(subject(family)[0]) is None)


def is_seen(name: str, family: str) -> bool:
    """Whether the laws look at a method on a kind of model: on all that apply, or on one where it takes long."""
    return family == FAMILY_OF_COSTLY_METHODS or not is_costly(name)


def _interpret(name: str, model: CanonicalTransformer, inputs: InputBatch, seed: int = 0) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs, seeds.numpy_generator(seed, "law")))


@cache
def _found(name: str, family: str) -> Interpretation:
    return _interpret(name, *subject(family))


def a_card_is_complete(name: str) -> None:
    method = methods()[name]
    texts = (method.family, method.summary, method.unit, method.higher_means, method.source, method.distance)
    assert all(text.strip() for text in texts)
    assert method.version >= 1
    assert method.claims
    assert set(method.claims) <= set(SMALLEST_EFFECT)
    assert ("predicate" in method.claims) is bool(method.predicates)
    assert method.card.predicates == method.predicates


def every_exact_equivalence_is_predicted(name: str) -> None:
    """Each has a prediction with its reason, an exception names what exists, and "open" is never without a reason."""
    method = methods()[name]
    exact = {one for one, plugin in equivalences().items() if plugin.kind is Kind.EXACT}
    found = expectations(method)
    assert set(found) == exact
    assert all(one.reason.strip() for one in found.values())
    assert set(method.exceptions) <= exact
    assert Expected.OPEN not in method.depends_on.values(), "why does theory predict nothing? Give an Expectation"


def a_method_applies_to_a_model_or_says_why_not(name: str) -> None:
    reasons = {family: methods()[name].not_applicable(subject(family)[0]) for family in FAMILIES}
    assert None in reasons.values(), f"{name} applies to no family: {reasons}"
    assert all(why is None or why.strip() for why in reasons.values())


def one_seed_gives_one_result(name: str, family: str) -> None:
    _same_scores(_interpret(name, *subject(family)).values, _found(name, family).values)


def every_axis_and_component_is_named_and_every_score_finite_or_explained(name: str, family: str) -> None:
    (model, inputs), found = subject(family), _found(name, family)
    assert found.method == name
    assert set(found.axes) <= AXES
    assert [axis for axis in found.axes if axis in SECOND_AXES] == [
        axis for axis in (methods()[name].second_axis,) if axis
    ]
    assert found.values.shape[found.axes.index(found.component_axis)] == len(found.components)
    if found.component_axis in (PART, EDGE):
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


def nothing_is_left_changed_also_after_an_error_midway(name: str, family: str) -> None:
    """Without an error, and with one in the first, second and third step."""
    for fails_at in (None, 1, 2, 3):
        _nothing_is_left_changed(name, family, fails_at)


def _nothing_is_left_changed(name: str, family: str, fails_at: int | None) -> None:
    original, inputs = subject(family)
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


def gradients_that_are_switched_off_do_not_matter(name: str, family: str) -> None:
    model = subject(family)[0].clone()
    model.requires_grad_(False)
    found = _interpret(name, model, subject(family)[1])
    _same_scores(found.values, _found(name, family).values)


def the_order_of_the_sequences_does_not_matter(name: str, family: str) -> None:
    (model, inputs), expected = subject(family), _found(name, family)
    order = torch.randperm(len(inputs), generator=seeds.torch_generator(0, "order"))
    permuted = _interpret(name, model, inputs.rows(order))
    _same_scores(permuted.values, expected.values[order.numpy()] if expected.per_sequence else expected.values)


def the_size_of_the_batches_does_not_matter(name: str, family: str) -> None:
    expected = _found(name, family)
    with _batches_of(1):
        _same_scores(_interpret(name, *subject(family)).values, expected.values)


def batches_with_and_without_padding_agree_in_single_precision(name: str, family: str) -> None:
    """One sequence at a time has no padding; 7 and 64 are padded on the right."""
    model, inputs = subject(family)[0].clone(dtype=torch.float32), subject(family)[1]
    found = []
    for size in (1, 7, 64):
        with _batches_of(size):
            found.append(_interpret(name, model, inputs).values)
    allowed = SAME_SINGLE * max(1.0, float(np.nanmax(np.abs(found[0]))))
    for values in found[1:]:
        np.testing.assert_allclose(values, found[0], rtol=0, atol=allowed)


def the_identity_changes_no_claim(name: str, family: str) -> None:
    model, inputs = subject(family)
    scores = {ORIGINAL: _found(name, family), "copy/0": _interpret(name, model.clone(), inputs)}
    variant = Variant("copy/0", "copy", Kind.EXACT, 0, VariantState.CERTIFIED)
    findings = findings_of(
        "law",
        {name: methods()[name].card},
        [variant],
        {(key, name): found for key, found in scores.items()},
        original=ORIGINAL,
        settings=Settings(draws=99, alpha=0.05, seed=0, claims=(*AUTOMATIC_KINDS, "value")),
    )
    assert findings or methods()[name].scale_is_free
    assert all(finding.verdict is Verdict.STABLE for finding in findings if finding.resolved)
    assert all(finding.invariant for finding in findings)
    assert all((f.effect or 0.0) <= SAME_SCORE for f in findings if f.claim.kind in ("value", "pattern"))


def one_sequence_is_enough_or_scores_are_undefined(name: str, family: str) -> None:
    """No statistic over sequences is taken for granted."""
    model, inputs = subject(family)
    assert _is_finite_where_defined(_interpret(name, model, inputs.rows(slice(0, 1))))


CARD_LAWS: tuple[Callable[[str], None], ...] = (
    a_card_is_complete,
    every_exact_equivalence_is_predicted,
    a_method_applies_to_a_model_or_says_why_not,
)
"""Laws of a method by name."""

LAWS: tuple[Callable[[str, str], None], ...] = (
    one_seed_gives_one_result,
    every_axis_and_component_is_named_and_every_score_finite_or_explained,
    nothing_is_left_changed_also_after_an_error_midway,
    gradients_that_are_switched_off_do_not_matter,
    the_order_of_the_sequences_does_not_matter,
    the_size_of_the_batches_does_not_matter,
    batches_with_and_without_padding_agree_in_single_precision,
    the_identity_changes_no_claim,
    one_sequence_is_enough_or_scores_are_undefined,
)
"""Laws of a method by name on a kind of model."""


def _is_finite_where_defined(found: Interpretation) -> bool:
    defined = [index for index in range(len(found.components)) if index not in found.undefined]
    return bool(np.isfinite(found.values.take(defined, axis=found.axes.index(found.component_axis))).all())


@contextmanager
def _batches_of(size: int) -> Iterator[None]:
    """Every input batch comes in pieces of ``size`` sequences in order, short ones padded on the right."""

    def fixed(self: InputBatch, *, tokens: int = 0) -> Iterator[tuple[torch.Tensor, InputBatch]]:
        del tokens
        for rows in torch.split(torch.arange(len(self)), size):
            yield rows, self.rows(rows)

    with mock.patch.object(InputBatch, "batches", fixed):
        yield


def _make_conspicuous(model: CanonicalTransformer) -> None:
    """Every state at a value that is never set by habit."""
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
