"""A model that computes the same function, and the evidence that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.interpretation import Relabelling
from auditor.records.record import LEFT_OUT_IF_NONE, Record, named
from auditor.records.states import Kind, VariantState
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class CertificateRow(Record):
    """One way to cut a comparison into bins, and the worst bin by each number. Bounds are one-sided, 95 %."""

    inputs: str  # in_distribution, longer, or rare: sequences that reach states which few reach
    by: str  # depth, position, distance, kind or state
    bins: int  # with enough sequences
    kl_upper95_nats: float
    kl_at: str  # the bin
    disagreement_upper95: float | None = None  # None: no bin in which enough sequences decide
    disagreement_at: str | None = None


@dataclass(frozen=True, slots=True)
class WorstString(Record):
    """The string on which two models were found to differ most, by mean KL over its outputs."""

    text: str  # brackets as the model's vocabulary spells them
    kl_nats: float  # mean over its scored outputs
    kl_largest_nats: float  # of one output
    position: int  # of that output
    decisions: int
    decisions_differ: int
    searched: int  # strings that were compared to find it
    tokens: tuple[str, ...] = field(default=(), metadata=LEFT_OUT_IF_NONE)  # as the models read them, with START
    opener: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # in ``tokens``: what a bracket would close
    answers: Mapping[str, tuple[float, float]] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    """Next token, or class → probability by (original, variant) at ``position``; those that one of them finds likely.
    None where the variant reads rewritten inputs."""


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
    rows: tuple[CertificateRow, ...] = field(default=(), metadata=LEFT_OUT_IF_NONE)  # where each part is worst
    worst_string: WorstString | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    weight_noise: Mapping[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    """The original against itself with relative noise on its weights: ``kl_mean_nats_at_0.02`` …"""


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
