"""A model that computes the same function, and the evidence that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.interpretation import Relabelling
from auditor.records.states import Kind, VariantState
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class Certificate:
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

    def to_json(self) -> dict[str, Json]:
        """JSON form of every field."""
        return {
            "passed": self.passed,
            "sequences": self.sequences,
            "margins": dict(self.margins),
            "failures": list(self.failures),
            "max_abs_logit_difference": self.max_abs_logit_difference,
            "max_abs_log_probability_difference": self.max_abs_log_probability_difference,
            "kl_mean_nats": self.kl_mean_nats,
            "kl_upper95_nats": self.kl_upper95_nats,
            "kl_q999_nats": self.kl_q999_nats,
            "total_variation_mean": self.total_variation_mean,
            "disagreement": self.disagreement,
            "disagreement_upper95": self.disagreement_upper95,
            "closing_accuracy": None if self.closing_accuracy is None else list(self.closing_accuracy),
            "closing_accuracy_upper95": self.closing_accuracy_upper95,
            "longer": None if self.longer is None else dict(self.longer),
            "deeper": None if self.deeper is None else dict(self.deeper),
            "uncovered": None if self.uncovered is None else dict(self.uncovered),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Certificate:
        """Inverse of :meth:`to_json`."""
        accuracy = data.get("closing_accuracy")
        return cls(
            **{
                **data,
                "failures": tuple(data.get("failures", ())),
                "closing_accuracy": None if accuracy is None else (float(accuracy[0]), float(accuracy[1])),
            }
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """One model that computes the same function, or the reason why there is none. The weights live in the store."""

    key: str  # unique in the audit: "exact_head_permutation/0"
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

    def to_json(self) -> dict[str, Json]:
        """JSON form; ``id`` is the key."""
        return {
            "id": self.key,
            "equivalence": self.equivalence,
            "kind": str(self.kind),
            "seed": self.seed,
            "state": str(self.state),
            "reason": self.reason,
            "parameters": dict(self.parameters),
            "relabelling": self.relabelling.to_json(),
            "certificate": None if self.certificate is None else self.certificate.to_json(),
            "weights_sha256": self.weights_sha256,
            "seconds": self.seconds,
            "made_by": self.made_by,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Variant:
        """Inverse of :meth:`to_json`."""
        certificate = data.get("certificate")
        return cls(
            key=data["id"],
            equivalence=data["equivalence"],
            kind=Kind(data["kind"]),
            seed=int(data["seed"]),
            state=VariantState(data["state"]),
            reason=data.get("reason", ""),
            parameters=data.get("parameters", {}),
            relabelling=Relabelling.from_json(data.get("relabelling", {})),
            certificate=None if certificate is None else Certificate.from_json(certificate),
            weights_sha256=data.get("weights_sha256"),
            seconds=data.get("seconds"),
            made_by=data.get("made_by"),
        )
