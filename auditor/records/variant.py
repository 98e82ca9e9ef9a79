"""A model that computes the same function, and the evidence that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.interpretation import Relabelling
from auditor.records.record import Record, named
from auditor.records.states import Kind, VariantState
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class Certificate(Record):
    """Evidence that two models compute one function. Divergences in nats per token, float64 unless said otherwise.

    ``passed`` is decided by the margins stored beside the numbers; ``failures`` names each margin that was missed.
    """

    passed: bool
    sequences: int
    margins: Mapping[str, float]
    failures: tuple[str, ...] = ()
    max_abs_logit_difference: float | None = None
    max_abs_log_probability_difference: float | None = None  # of exact variants that keep only the distribution
    kl_mean_nats: float | None = None
    kl_upper95_nats: float | None = None
    kl_q999_nats: float | None = None
    total_variation_mean: float | None = None
    disagreement: float | None = None
    disagreement_upper95: float | None = None
    closing_accuracy: tuple[float, float] | None = None  # (original, variant)
    closing_accuracy_upper95: float | None = None  # of the absolute difference, from the paired test
    longer: Mapping[str, float] | None = None
    deeper: Mapping[str, float] | None = None  # beyond the depth bound; reported, under no margin
    uncovered: Mapping[str, float] | None = None  # outputs that the training objective does not cover


@dataclass(frozen=True, slots=True)
class Variant(Record):
    """One model that computes the same function, or the reason why there is none. The weights live in the store."""

    key: str = field(metadata=named("id"))  # unique in the audit: "exact_head_permutation/0"
    equivalence: str
    kind: Kind
    seed: int
    state: VariantState
    reason: str = ""  # why not applicable or not certified
    parameters: Mapping[str, Json] = field(default_factory=dict)
    relabelling: Relabelling = field(default_factory=Relabelling)
    certificate: Certificate | None = None
    weights_sha256: str | None = None
    seconds: float | None = None  # to make and certify it; of a reused one, to certify it
    made_by: str | None = None  # the earlier audit whose twin this is; None: this one made it
