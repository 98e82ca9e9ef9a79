"""Frozen values that pass between the stages. Rows, sessions, hooks and models never do.

No torch here: the store, the statistics and the report read these records and nothing below them but errors and
settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = Any
"""A value made of dict, list, str, int, finite float, bool and None."""

ORIGINAL = "original"
"""The key under which the audited model stands beside its variants."""

ALL_OTHERS = "*"
"""What the concluding cell needs: every other cell of its audit."""


class Kind(StrEnum):
    """How a variant is equal to the original (THEORY: exact by algebra, behavioural on a distribution, input)."""

    EXACT = "exact"
    BEHAVIOURAL = "behavioural"
    INPUT = "input"


class Expected(StrEnum):
    """What theory predicts for a method under an exact symmetry."""

    INVARIANT = "invariant"  # every score stays
    RELABELLED = "relabelled"  # scores stay after the components are relabelled
    FREE = "free"  # scores can be made anything
    CHANGES = "changes"  # scores move, not arbitrarily
    DILUTED = "diluted"  # scores are shared among the copies of a component
    OPEN = "open"  # theory predicts nothing


class Verdict(StrEnum):
    """What an audit says of one claim under one equivalence."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    INCONCLUSIVE = "inconclusive"


class VariantState(StrEnum):
    """Whether a variant may carry a verdict."""

    CERTIFIED = "certified"
    NOT_CERTIFIED = "not_certified"
    NOT_APPLICABLE = "not_applicable"


class Stage(StrEnum):
    """What a cell does."""

    BEHAVIOUR = "behaviour"  # evaluate the original on its language
    BUILD = "build"  # make and certify one variant
    MEASURE = "measure"  # one method on the original or on one variant
    CONCLUDE = "conclude"  # all interpretations -> findings and report


class CellState(StrEnum):
    """Life of a cell. WAITING for another cell, READY to run, RUNNING under a lease, DONE, FAILED."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class AuditState(StrEnum):
    """Life of an audit: queued → running → done, failed or cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """A named part of a model: a head or a neuron of a layer."""

    layer: int
    head: int | None = None
    neuron: int | None = None

    @property
    def label(self) -> str:
        """The field's short name, for example L1H0 or L0N12."""
        if self.head is not None:
            return f"L{self.layer}H{self.head}"
        if self.neuron is not None:
            return f"L{self.layer}N{self.neuron}"
        return f"L{self.layer}"

    def to_json(self) -> dict[str, int]:
        """Only the coordinates that are set."""
        coordinates = {"layer": self.layer, "head": self.head, "neuron": self.neuron}
        return {name: index for name, index in coordinates.items() if index is not None}


@dataclass(frozen=True, slots=True)
class Relabelling:
    """Which old components each new component stands for, per moved axis.

    ``moves["head"][new] = (old, …)`` counts components in the flat order of the architecture. An entry None means
    "no correspondence"; an axis that is not named did not move.
    """

    moves: Mapping[str, tuple[tuple[int, ...] | None, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, list[list[int] | None]]:
        """JSON form, lists for tuples."""
        return {axis: [None if old is None else list(old) for old in entries] for axis, entries in self.moves.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Relabelling:
        """Inverse of :meth:`to_json`."""
        return cls(
            {
                axis: tuple(None if old is None else tuple(int(i) for i in old) for old in entries)
                for axis, entries in data.items()
            }
        )


@dataclass(frozen=True, slots=True)
class MethodCard:
    """What the statistics and the report need to know of a method."""

    name: str
    family: str
    unit: str
    claims: tuple[str, ...]  # value, rank, pattern
    distance: str
    expected: Mapping[str, Expected]  # by name of an exact symmetry; absent: open


@dataclass(frozen=True, slots=True)
class Interpretation:
    """Scores of one method on one model.

    ``axes`` names the axes of ``values`` in order, in the words of ``auditor.tensors``. With per-sequence scores the
    first axis is "sequence"; the component axis ("head", "neuron") runs over ``components``. ``undefined`` maps a
    component index to the reason why it has no score (its values are NaN and never enter a statistic).
    """

    method: str
    axes: tuple[str, ...]
    components: tuple[Component, ...]
    values: NDArray[np.float64]
    undefined: Mapping[int, str] = field(default_factory=dict)

    @property
    def component_axis(self) -> str:
        """The axis that runs over the components."""
        return next(axis for axis in self.axes if axis in ("head", "neuron", "layer"))

    @property
    def per_sequence(self) -> bool:
        """Whether the scores can be resampled over sequences."""
        return self.axes[0] == "sequence"


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
    kl_mean_nats: float | None = None
    kl_upper95_nats: float | None = None
    kl_q999_nats: float | None = None
    total_variation_mean: float | None = None
    disagreement: float | None = None
    disagreement_upper95: float | None = None
    closing_accuracy: tuple[float, float] | None = None  # (original, variant)
    longer: Mapping[str, float] | None = None
    uncovered: Mapping[str, float] | None = None  # outputs that the training objective does not cover

    def to_json(self) -> dict[str, Json]:
        """JSON form of every field."""
        return {
            "passed": self.passed,
            "sequences": self.sequences,
            "margins": dict(self.margins),
            "failures": list(self.failures),
            "max_abs_logit_difference": self.max_abs_logit_difference,
            "kl_mean_nats": self.kl_mean_nats,
            "kl_upper95_nats": self.kl_upper95_nats,
            "kl_q999_nats": self.kl_q999_nats,
            "total_variation_mean": self.total_variation_mean,
            "disagreement": self.disagreement,
            "disagreement_upper95": self.disagreement_upper95,
            "closing_accuracy": None if self.closing_accuracy is None else list(self.closing_accuracy),
            "longer": None if self.longer is None else dict(self.longer),
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
    seconds: float | None = None

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
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One idempotent piece of an audit, the unit of delivery. Keyed by (audit, key)."""

    key: str  # "behaviour", "build/<variant>", "measure/<variant>/<method>", "conclude"
    stage: Stage
    needs: str | None = None  # key of the cell that must be done first; ALL_OTHERS for the conclusion
    variant: str = ORIGINAL  # key of the variant that is built or measured
    method: str | None = None  # what is measured


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody asserts about a component, and the unit of a verdict."""

    method: str
    kind: str  # value, rank or pattern
    component: Component
    text: str
    parameters: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """JSON form without method and component, which stand beside it in a finding."""
        return {"kind": self.kind, "text": self.text, "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one claim under one equivalence, over all its certified variants."""

    id: str
    claim: Claim
    equivalence: str
    kind: Kind
    variants: tuple[str, ...]  # keys of the variants compared
    effect: float | None  # worst case over the variants, in the unit of the claim's distance
    interval: tuple[float, float] | None  # 95 %
    noise_floor: float | None
    threshold: float
    p: float | None
    q: float | None
    verdict: Verdict
    expected: Expected
    worst_variant: str | None
    needed_sequences: int | None = None
    reason: str = ""  # why inconclusive or undefined

    @property
    def contradicts_theory(self) -> bool:
        """A claim moved where theory says it cannot: a defect in the method, not in the model."""
        return self.verdict is Verdict.UNSTABLE and self.expected in (Expected.INVARIANT, Expected.RELABELLED)

    def to_json(self) -> dict[str, Json]:
        """The finding as in the report schema."""
        return {
            "id": self.id,
            "method": self.claim.method,
            "component": {**self.claim.component.to_json(), "label": self.claim.component.label},
            "claim": self.claim.to_json(),
            "equivalence": self.equivalence,
            "kind": str(self.kind),
            "variants": list(self.variants),
            "effect": self.effect,
            "interval": None if self.interval is None else list(self.interval),
            "noise_floor": self.noise_floor,
            "threshold": self.threshold,
            "p": self.p,
            "q": self.q,
            "verdict": str(self.verdict),
            "expected": str(self.expected),
            "contradicts_theory": self.contradicts_theory,
            "worst_variant": self.worst_variant,
            "needed_sequences": self.needed_sequences,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Finding:
        """Inverse of :meth:`to_json`."""
        coordinates = {name: data["component"].get(name) for name in ("layer", "head", "neuron")}
        claim = data["claim"]
        interval = data.get("interval")
        return cls(
            id=data["id"],
            claim=Claim(
                method=data["method"],
                kind=claim["kind"],
                component=Component(**coordinates),
                text=claim["text"],
                parameters=claim.get("parameters", {}),
            ),
            equivalence=data["equivalence"],
            kind=Kind(data["kind"]),
            variants=tuple(data["variants"]),
            effect=data["effect"],
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            noise_floor=data["noise_floor"],
            threshold=data["threshold"],
            p=data["p"],
            q=data["q"],
            verdict=Verdict(data["verdict"]),
            expected=Expected(data["expected"]),
            worst_variant=data["worst_variant"],
            needed_sequences=data.get("needed_sequences"),
            reason=data.get("reason", ""),
        )


@dataclass(frozen=True, slots=True)
class Illustration:
    """One head's attention on one sequence, original beside variant, for the reader's eye."""

    variant: str
    component: Component
    tokens: tuple[str, ...]
    original: tuple[tuple[float, ...], ...]  # [query][key]
    twin: tuple[tuple[float, ...], ...]
    total_variation: float  # mean over queries of this sequence

    def to_json(self) -> dict[str, Json]:
        """JSON form; weights rounded by the maker."""
        return {
            "variant": self.variant,
            "component": {**self.component.to_json(), "label": self.component.label},
            "tokens": list(self.tokens),
            "original": [list(row) for row in self.original],
            "twin": [list(row) for row in self.twin],
            "total_variation": self.total_variation,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Illustration:
        """Inverse of :meth:`to_json`."""
        coordinates = {name: data["component"].get(name) for name in ("layer", "head", "neuron")}
        return cls(
            variant=data["variant"],
            component=Component(**coordinates),
            tokens=tuple(data["tokens"]),
            original=tuple(tuple(row) for row in data["original"]),
            twin=tuple(tuple(row) for row in data["twin"]),
            total_variation=data["total_variation"],
        )


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Everything one audit found. ``to_json`` follows the schema ``dyck-audit/report/1``."""

    audit: Mapping[
        str, Json
    ]  # id, created_at, finished_at, plan, seed, state, versions, weights_sha256, sequences, device
    model: Mapping[str, Json]  # id, name, format, sha256, function_fingerprint, architecture, task
    behaviour: Mapping[str, Json]  # in_distribution, longer, deeper
    variants: tuple[Variant, ...]
    interpretations: tuple[Mapping[str, Json], ...]
    findings: tuple[Finding, ...]
    not_applicable: tuple[Mapping[str, str], ...]  # {"what": "method"|"equivalence", "name": …, "why": …}
    illustrations: tuple[Illustration, ...]
    summary: Mapping[str, Json]

    SCHEMA = "dyck-audit/report/1"

    def to_json(self) -> dict[str, Json]:
        """One JSON document; no NaN or infinity."""
        return {
            "schema": self.SCHEMA,
            "audit": dict(self.audit),
            "model": dict(self.model),
            "behaviour": dict(self.behaviour),
            "variants": [variant.to_json() for variant in self.variants],
            "interpretations": [dict(entry) for entry in self.interpretations],
            "findings": [finding.to_json() for finding in self.findings],
            "not_applicable": [dict(entry) for entry in self.not_applicable],
            "illustrations": [picture.to_json() for picture in self.illustrations],
            "summary": dict(self.summary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> AuditReport:
        """Inverse of :meth:`to_json`."""
        return cls(
            audit=data["audit"],
            model=data["model"],
            behaviour=data["behaviour"],
            variants=tuple(Variant.from_json(entry) for entry in data["variants"]),
            interpretations=tuple(data["interpretations"]),
            findings=tuple(Finding.from_json(entry) for entry in data["findings"]),
            not_applicable=tuple(data["not_applicable"]),
            illustrations=tuple(Illustration.from_json(entry) for entry in data["illustrations"]),
            summary=data["summary"],
        )
