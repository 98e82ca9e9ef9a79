"""Certificates that two models compute the same function: numbers, bounds and all margins.

Exact variants: max|Δlogit| in float64, or max|Δlog p| where only the distribution is kept. Behavioural variants:
divergences over the outputs that the objective covers, on held-out sequences in distribution and longer, as a whole and
in the worst depth, position, distance or kind of string (:mod:`auditor.behaviour.breakdown`), and on the worst string
that a search finds (:mod:`auditor.behaviour.worst_string`). Every number has to stay within its margin. Inputs that
nest deeper than the task are compared and reported; no margin is set where nothing was learnt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from auditor.behaviour.bounds import (
    accuracies,
    accuracy_bound,
    clustered_bound,
    disagreement,
    kl_bound,
    random_decision_bound,
)
from auditor.behaviour.breakdown import rare_row, rows
from auditor.behaviour.comparison import Comparison, compare
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.behaviour.rare_states import rare_for_search
from auditor.behaviour.worst_string import ROUNDS, worst_string
from auditor.canonical.model import CanonicalTransformer
from auditor.records import Certificate, CertificateRow, Compared
from auditor.tensors import EXACT_LOGITS

MIN_SEQUENCES = 100
"""Fewer sequences certify nothing: 3/n alone is then 3 %."""

LONGER_SEQUENCES = 400
"""Longer inputs with which the paired test can pass: 3/n leaves more than half of its margin to the difference."""

EXACT_SEQUENCES = 256
"""Enough for a difference that algebra forbids: it would show in every sequence."""

EXACT_MARGINS: Mapping[Compared, Mapping[str, float]] = {
    Compared.LOGITS: {"max_abs_logit_difference": EXACT_LOGITS},
    Compared.LOG_PROBABILITIES: {"max_abs_log_probability_difference": EXACT_LOGITS},
}

LONGER_BY = 4.0
"""Longer inputs, of which no training sequence was one, may move the closing accuracy so many times as far. KL may then
be its square as far: by Pinsker's inequality total variation is at most √(KL/2)."""

BIN_BY = 5.0
"""The worst bin may be so many times as far as the whole: what differs in a part of the outputs differs in proportion.
In distribution at most one decision in twenty differs then, wherever one looks; on longer inputs one in ten. States
that few training sequences reach may be as far in KL as longer inputs as a whole, which few training sequences are like
either, and differ in as many decisions as any other bin in distribution."""

BEHAVIOURAL_MARGINS: Mapping[str, float] = {
    "kl_upper95_nats": 2e-3,  # a thousandth of the about 1 nat per token that Dyck outputs carry, doubled
    "kl_q999_nats": 1.0,  # one token in a thousand may move by more than a nat, not more
    "disagreement_upper95": 1e-2,
    "closing_accuracy": 5e-3,  # half a percentage point, in both directions
    "row_kl_upper95_nats": BIN_BY * 2e-3,
    "row_disagreement_upper95": BIN_BY * 1e-2,
    "rare_row_kl_upper95_nats": LONGER_BY**2 * 2e-3,
    "rare_row_disagreement_upper95": BIN_BY * 1e-2,
    "longer_kl_upper95_nats": LONGER_BY**2 * 2e-3,
    "longer_disagreement_upper95": 2e-2,  # as the accuracy: errors that swap places count like errors that are added
    "longer_closing_accuracy": LONGER_BY * 5e-3,
    "longer_row_kl_upper95_nats": BIN_BY * LONGER_BY**2 * 2e-3,
    "longer_row_disagreement_upper95": BIN_BY * 2e-2,
    "worst_string_kl_nats": math.log(2),  # the mean of a string on which each sure decision becomes a coin toss
}


def certify_exact(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    inputs: InputBatch,
    *,
    compares: Compared = Compared.LOGITS,
) -> Certificate:
    """Certificate of a variant that should be equal by algebra. Both models must be in float64."""
    found = compare(original, variant, Rewritten(inputs, inputs), fast=False)
    if not found.is_finite:
        return _not_finite(found, EXACT_MARGINS[compares])
    keeps_logits = compares is Compared.LOGITS
    difference = found.max_abs_logit if keeps_logits else found.max_abs_log_probability
    name = "max|Δlogit|" if keeps_logits else "max|Δlog p|"
    passed = difference <= EXACT_LOGITS
    failures = () if passed else (f"{name} {difference:.3g} > {EXACT_LOGITS:g}",)
    return Certificate(
        passed=passed,
        sequences=found.sequences,
        margins=dict(EXACT_MARGINS[compares]),
        failures=failures,
        max_abs_logit_difference=found.max_abs_logit,
        max_abs_log_probability_difference=None if keeps_logits else found.max_abs_log_probability,
        kl_mean_nats=float(found.kl.mean()),
        kl_q999_nats=float(np.quantile(found.kl, 0.999)),
        total_variation_mean=float(found.total_variation.mean()),
        disagreement=disagreement(found),
    )


def certify_behavioural(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    given: Rewritten,
    longer: Rewritten | None,
    *,
    generator: np.random.Generator,
    deeper: Rewritten | None = None,
    rare: Rewritten | None = None,
    searches: bool = True,
    weight_noise: Mapping[str, float] | None = None,
) -> Certificate:
    """Certificate of a variant that should be equal on the language.

    The original reads the inputs before, the variant after they were rewritten; where nothing rewrites them, both are
    the same. ``longer`` None: no longer input fits the model; ``deeper`` is reported only; ``rare`` are sequences drawn
    for the rare states in them; None, as in the search for a twin: those of :func:`rare_for_search`. ``searches``: for
    the worst string, which is otherwise the worst of ``given``; inputs that are rewritten are not searched.
    ``weight_noise`` is reported beside the numbers.
    """
    if rare is None and given.before is given.after and (drawn := rare_for_search(original.task)) is not None:
        rare = Rewritten(drawn, drawn)
    found = compare(original, variant, given)
    others = [None if one is None else compare(original, variant, one) for one in (longer, rare, deeper)]
    if not all(one.is_finite for one in (found, *others) if one is not None):
        return _not_finite(found, BEHAVIOURAL_MARGINS)
    beyond, seldom, below = others
    numbers = _in_distribution(found, generator)
    inside, outside = [*rows(found, given.before, "in_distribution")], list[CertificateRow]()
    few = None if seldom is None or rare is None else rare_row(seldom, rare.before)
    unlikely = [] if few is None else [few]
    if beyond is not None and longer is not None:
        numbers |= _longer(beyond)
        outside = [*rows(beyond, longer.before, "longer")]
    rounds = ROUNDS if searches and given.before is given.after else 0
    worst = worst_string(original, variant, given.before, found, generator, rounds=rounds)
    if not original.architecture.is_classifier:
        numbers["worst_string_kl_nats"] = worst.kl_nats
    failures = [*_failures(numbers), *_row_failures("row", inside)]
    failures += [*_row_failures("rare_row", unlikely), *_row_failures("longer_row", outside)]
    if found.sequences < MIN_SEQUENCES:
        failures.append(f"{found.sequences} sequences < {MIN_SEQUENCES}")
    deep = None if below is None or deeper is None else _numbers_elsewhere(below)
    if deep is not None and deeper is not None:
        deep["depth"] = float(deeper.before.task.language.depth)
    return Certificate(
        passed=not failures,
        sequences=found.sequences,
        margins=dict(BEHAVIOURAL_MARGINS),
        failures=tuple(failures),
        max_abs_logit_difference=found.max_abs_logit,
        kl_mean_nats=float(found.kl.mean()),
        kl_upper95_nats=numbers["kl_upper95_nats"],
        kl_q999_nats=numbers["kl_q999_nats"],
        total_variation_mean=float(found.total_variation.mean()),
        disagreement=disagreement(found),
        disagreement_upper95=numbers["disagreement_upper95"],
        closing_accuracy=accuracies(found),
        closing_accuracy_upper95=numbers["closing_accuracy"],
        longer=None if beyond is None else _numbers_elsewhere(beyond),
        deeper=deep,
        uncovered={"kl_mean_nats": float(found.uncovered_kl.mean())} if found.uncovered_kl.size else None,
        rows=(*inside, *unlikely, *outside),
        worst_string=worst,
        weight_noise=weight_noise,
    )


def _not_finite(found: Comparison, margins: Mapping[str, float]) -> Certificate:
    """A failed certificate without numbers: no number computed from NaN or infinity has a meaning."""
    failures = ("a logit is not finite",)
    return Certificate(passed=False, sequences=found.sequences, margins=dict(margins), failures=failures)


def _in_distribution(found: Comparison, generator: np.random.Generator) -> dict[str, float | None]:
    """The numbers under a margin, by the name of the margin."""
    decides = bool(found.decides.any())
    return {
        "kl_upper95_nats": kl_bound(found)[1],
        "kl_q999_nats": float(np.quantile(found.kl, 0.999)),
        "disagreement_upper95": random_decision_bound(found, generator),
        "closing_accuracy": accuracy_bound(found) if decides else None,
    }


def _longer(found: Comparison) -> dict[str, float | None]:
    decides = bool(found.decides.any())
    return {
        "longer_kl_upper95_nats": kl_bound(found)[1],
        "longer_disagreement_upper95": clustered_bound(found),
        "longer_closing_accuracy": accuracy_bound(found) if decides else None,
    }


def _numbers_elsewhere(found: Comparison) -> dict[str, float]:
    """What is reported of inputs outside the training distribution."""
    mean, upper = kl_bound(found)
    numbers = {
        "kl_mean_nats": mean,
        "kl_upper95_nats": upper,
        "kl_q999_nats": float(np.quantile(found.kl, 0.999)),
        "disagreement": disagreement(found) or 0.0,
        "sequences": float(found.sequences),
    }
    both, differs = accuracies(found), clustered_bound(found)
    if both is not None and differs is not None:
        numbers |= {"disagreement_upper95": differs}
        numbers |= {"closing_accuracy_original": both[0], "closing_accuracy_variant": both[1]}
        numbers["closing_accuracy_difference"] = abs(both[1] - both[0])
        numbers["closing_accuracy_upper95"] = accuracy_bound(found)
    return numbers


def _failures(numbers: Mapping[str, float | None]) -> list[str]:
    return [
        f"{name} {value:.3g} > {BEHAVIOURAL_MARGINS[name]:g}"
        for name, value in numbers.items()
        if value is not None and not value <= BEHAVIOURAL_MARGINS[name]
    ]


def _row_failures(prefix: str, found: Sequence[CertificateRow]) -> list[str]:
    """The same for the worst of the rows, with the bin that is too far."""
    far = [(row.kl_upper95_nats, row, row.kl_at) for row in found]
    differs = [(row.disagreement_upper95, row, row.disagreement_at) for row in found if row.disagreement_upper95]
    missed = []
    for name, bounds in (("kl_upper95_nats", far), ("disagreement_upper95", differs)):
        if bounds:
            value, row, place = max(bounds, key=lambda bound: bound[0])
            missed += [f"{text} ({row.inputs}, {row.by} {place})" for text in _failures({f"{prefix}_{name}": value})]
    return missed
