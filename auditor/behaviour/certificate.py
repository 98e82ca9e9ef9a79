"""Certificates that two models compute the same function: numbers, bounds and all margins.

Exact variants: max|Δlogit| in float64, or max|Δlog p| where only the distribution is kept. Behavioural variants:
divergences over the outputs that the objective covers, on held-out sequences in distribution and longer. Sequences
are the independent units: means carry a cluster standard error; the disagreement bound (Clopper & Pearson 1934)
counts one random decision per sequence; closing accuracies are compared by a paired equivalence test (TOST,
Schuirmann 1987), on longer inputs too. A standard error of 0 never becomes certainty: half-widths are at least 3/n.
Inputs that nest deeper than the task are compared and reported; no margin is set where nothing was learnt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

from auditor.behaviour.effects import kl_per_position
from auditor.behaviour.evaluation import CLOSING_THRESHOLD, decision_positions
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.binomial import upper_bound
from auditor.canonical.model import CanonicalTransformer
from auditor.records import Certificate, Compared
from auditor.tensors import EXACT_LOGITS

CONFIDENCE = 0.95
"""One-sided confidence of every bound in a certificate."""

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

BEHAVIOURAL_MARGINS: Mapping[str, float] = {
    "kl_upper95_nats": 2e-3,  # a thousandth of the about 1 nat per token that Dyck outputs carry, doubled
    "kl_q999_nats": 1.0,  # one token in a thousand may move by more than a nat, not more
    "disagreement_upper95": 1e-2,
    "closing_accuracy": 5e-3,  # half a percentage point, in both directions
    "longer_closing_accuracy": 2e-2,  # two percentage points on longer inputs
}


@dataclass(frozen=True)
class _Comparison:
    """Per-position numbers of two models on one set of sequences, flattened over [sequence, position]."""

    kl: NDArray[np.float64]  # [scored]
    total_variation: NDArray[np.float64]  # [scored]
    owner: NDArray[np.int64]  # [scored] which sequence
    differs: NDArray[np.bool_]  # [decision] another closing bracket is preferred
    right: NDArray[np.bool_]  # [decision, 2] closing accuracy of (original, variant)
    decision_owner: NDArray[np.int64]
    uncovered_kl: NDArray[np.float64]
    max_abs_logit: float
    max_abs_log_probability: float
    sequences: int


def certify_exact(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    inputs: InputBatch,
    *,
    compares: Compared = Compared.LOGITS,
) -> Certificate:
    """Certificate of a variant that should be equal by algebra. Both models must be in float64."""
    found = _compare(original, variant, Rewritten(inputs, inputs))
    if not math.isfinite(found.max_abs_logit):
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
        disagreement=float(found.differs.mean()) if found.differs.size else None,
    )


def certify_behavioural(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    given: Rewritten,
    longer: Rewritten | None,
    *,
    generator: np.random.Generator,
    deeper: Rewritten | None = None,
) -> Certificate:
    """Certificate of a variant that should be equal on the language.

    The original reads the inputs before, the variant after they were rewritten; where nothing rewrites them, both are
    the same. ``longer`` None: no longer input fits the model; ``deeper`` is reported only.
    """
    found = _compare(original, variant, given)
    others = [None if one is None else _compare(original, variant, one) for one in (longer, deeper)]
    if not all(math.isfinite(one.max_abs_logit) for one in (found, *others) if one is not None):
        return _not_finite(found, BEHAVIOURAL_MARGINS)
    kl_mean, kl_half = _ratio(found.kl, found.owner, found.sequences)
    trials, hits = _independent_decisions(found, generator)
    numbers: dict[str, float | None] = {
        "kl_upper95_nats": kl_mean + kl_half,
        "kl_q999_nats": float(np.quantile(found.kl, 0.999)),
        "disagreement_upper95": upper_bound(hits, trials, confidence=CONFIDENCE) if trials else None,
        "closing_accuracy": _accuracy_bound(found) if trials else None,
    }
    beyond, below = (None if one is None else _numbers_elsewhere(one) for one in others)
    if beyond is not None:
        numbers["longer_closing_accuracy"] = beyond.get("closing_accuracy_upper95")
    if below is not None and deeper is not None:
        below["depth"] = float(deeper.before.task.language.depth)
    failures = _failures(numbers)
    if found.sequences < MIN_SEQUENCES:
        failures = (*failures, f"{found.sequences} sequences < {MIN_SEQUENCES}")
    return Certificate(
        passed=not failures,
        sequences=found.sequences,
        margins=dict(BEHAVIOURAL_MARGINS),
        failures=failures,
        max_abs_logit_difference=found.max_abs_logit,
        kl_mean_nats=kl_mean,
        kl_upper95_nats=numbers["kl_upper95_nats"],
        kl_q999_nats=numbers["kl_q999_nats"],
        total_variation_mean=float(found.total_variation.mean()),
        disagreement=float(found.differs.mean()) if found.differs.size else None,
        disagreement_upper95=numbers["disagreement_upper95"],
        closing_accuracy=_accuracies(found),
        closing_accuracy_upper95=numbers["closing_accuracy"],
        longer=beyond,
        deeper=below,
        uncovered={"kl_mean_nats": float(found.uncovered_kl.mean())} if found.uncovered_kl.size else None,
    )


def _not_finite(found: _Comparison, margins: Mapping[str, float]) -> Certificate:
    """A failed certificate without numbers: no number computed from NaN or infinity has a meaning."""
    failures = ("a logit is not finite",)
    return Certificate(passed=False, sequences=found.sequences, margins=dict(margins), failures=failures)


@torch.no_grad()
def _compare(original: CanonicalTransformer, variant: CanonicalTransformer, given: Rewritten) -> _Comparison:
    inputs, rewrites = given.before, given.before is not given.after
    columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in _Comparison.__dataclass_fields__}
    largest, largest_log_p = 0.0, 0.0
    closing = torch.tensor(inputs.task.language.vocabulary.closing)
    for rows, batch in inputs.batches():
        part = _read_out_only(batch) if original.architecture.is_classifier else batch
        ours, theirs = original(batch.tokens), variant(given.after.rows(rows).tokens).to(original.dtype)
        if original.architecture.is_classifier:
            ours, theirs = ours[:, None], theirs[:, None]
        elif rewrites:
            theirs = _answers_in_place(ours, theirs, batch, given.after.rows(rows))
        difference = (ours - theirs)[part.not_padding].abs().max()
        largest = max(largest, float(difference.nan_to_num(nan=math.inf, posinf=math.inf)))
        log_p, log_q = ours.log_softmax(-1), theirs.log_softmax(-1)
        difference = (log_p - log_q)[part.not_padding].abs().max()
        largest_log_p = max(largest_log_p, float(difference.nan_to_num(nan=math.inf)))
        kl = kl_per_position(log_p, log_q)
        columns["kl"].append(kl[part.scored].double().numpy())
        variation = 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)
        columns["total_variation"].append(variation[part.scored].double().numpy())
        columns["owner"].append(rows[:, None].expand_as(kl)[part.scored].numpy())
        uncovered = part.not_padding & ~part.scored & (not rewrites)
        columns["uncovered_kl"].append(kl[uncovered].double().numpy())
        decides = decision_positions(part)
        choice = torch.stack([log_p[decides], log_q[decides]], dim=1)  # [decision, 2, vocabulary]
        if not original.architecture.is_classifier:
            choice = choice[..., closing]
        best = choice.argmax(-1)
        columns["differs"].append((best[:, 0] != best[:, 1]).numpy())
        top = part.stack_top_type[decides].clamp_min(0)
        share = choice.softmax(-1).gather(2, top[:, None, None].expand(-1, 2, 1)).squeeze(2)
        columns["right"].append((share > CLOSING_THRESHOLD).numpy())
        columns["decision_owner"].append(rows[:, None].expand_as(kl)[decides].numpy())
    joined = {name: np.concatenate(parts) for name, parts in columns.items() if parts}
    return _Comparison(**joined, max_abs_logit=largest, max_abs_log_probability=largest_log_p, sequences=len(inputs))


def _answers_in_place(ours: Tensor, theirs: Tensor, before: InputBatch, after: InputBatch) -> Tensor:
    """The variant's logits at the scored outputs of ``after``, where these outputs are in ``before``."""
    placed = ours.clone()
    placed[before.scored] = theirs[after.scored]
    return placed


def _read_out_only(part: InputBatch) -> InputBatch:
    first = part.rows(slice(None))
    one = {
        name: getattr(first, name)[:, :1]
        for name in ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener")
    }
    one["scored"] = torch.ones_like(one["scored"])
    one["depth"] = torch.ones_like(one["depth"])
    one["stack_top_type"] = torch.zeros_like(one["stack_top_type"])
    return InputBatch(task=part.task, **one)


def _ratio(values: NDArray[np.float64], owner: NDArray[np.int64], sequences: int) -> tuple[float, float]:
    """Mean per position and the half-width of its one-sided bound, with sequences as clusters (ratio estimator)."""
    if not values.size:
        return 0.0, 1.0
    totals = np.bincount(owner, weights=values, minlength=sequences)
    sizes = np.bincount(owner, minlength=sequences)
    mean = float(totals.sum() / sizes.sum())
    residual = totals - mean * sizes
    error = float(np.sqrt((residual**2).sum() * sequences / max(sequences - 1, 1)) / sizes.sum())
    return mean, float(special.stdtrit(max(sequences - 1, 1), CONFIDENCE)) * error


def _independent_decisions(found: _Comparison, generator: np.random.Generator) -> tuple[int, int]:
    """(trials, disagreements) over one random decision of each sequence."""
    if not found.differs.size:
        return 0, 0
    order = generator.permutation(found.differs.size)
    _, first = np.unique(found.decision_owner[order], return_index=True)
    picked = found.differs[order[first]]
    return int(picked.size), int(picked.sum())


def _accuracies(found: _Comparison) -> tuple[float, float] | None:
    if not found.right.size:
        return None
    original, variant = found.right.mean(axis=0)
    return float(original), float(variant)


def _accuracy_bound(found: _Comparison) -> float:
    """Largest |difference of closing accuracies| that the data allow, one-sided 95 % each way (TOST)."""
    difference = found.right[:, 1].astype(float) - found.right[:, 0].astype(float)
    mean, half = _ratio(difference, found.decision_owner, found.sequences)
    return abs(mean) + max(half, 3.0 / found.sequences)


def _numbers_elsewhere(found: _Comparison) -> dict[str, float]:
    """What is reported of inputs outside the training distribution."""
    numbers = {
        "kl_mean_nats": float(found.kl.mean()),
        "kl_q999_nats": float(np.quantile(found.kl, 0.999)),
        "disagreement": float(found.differs.mean()) if found.differs.size else 0.0,
        "sequences": float(found.sequences),
    }
    accuracies = _accuracies(found)
    if accuracies is not None:
        numbers |= {"closing_accuracy_original": accuracies[0], "closing_accuracy_variant": accuracies[1]}
        numbers["closing_accuracy_difference"] = abs(accuracies[1] - accuracies[0])
        numbers["closing_accuracy_upper95"] = _accuracy_bound(found)
    return numbers


def _failures(numbers: Mapping[str, float | None]) -> tuple[str, ...]:
    return tuple(
        f"{name} {value:.3g} > {BEHAVIOURAL_MARGINS[name]:g}"
        for name, value in numbers.items()
        if value is not None and not value <= BEHAVIOURAL_MARGINS[name]
    )
