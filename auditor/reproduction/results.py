"""What a reproduction found, as one document from which the page and the pictures are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from auditor.records import Json, Record


@dataclass(frozen=True, slots=True)
class Row(Record):
    """One number of ours beside its reference."""

    DERIVED: ClassVar[tuple[str, ...]] = ("inside",)

    part: str
    quantity: str
    unit: str
    ours: float | None  # None: not measured, for the reason given
    range: tuple[float, float] | None  # smallest and largest of our models
    models: int
    band: tuple[float, float] | None  # None: nothing to compare with
    source: str  # of the band
    reason: str = ""

    @property
    def inside(self) -> bool | None:
        """Whether our number lies in the band of the reference; None where one of the two is missing."""
        if self.ours is None or self.band is None:
            return None
        return self.band[0] <= self.ours <= self.band[1]


@dataclass(frozen=True, slots=True)
class ModelLine(Record):
    """One trained model. Accuracies are shares of decisions; None: not defined for this model."""

    family: str
    seed: int
    name: str  # in the store
    model: str  # id in the store
    audit: str  # id of its audit
    steps: int
    in_distribution: float | None
    longer: float | None
    stack_like: tuple[str, ...]  # heads that pass the threshold
    heads: int
    violation_matched: float | None
    violation_as_published: float | None


@dataclass(frozen=True, slots=True)
class Variation(Record):
    """‖A − A′‖²_F between the seeds of a family, per layer, on the canonical string."""

    family: str
    layer: int
    tokens: int
    models: int
    pairs: int
    mean: float
    smallest: float
    largest: float


@dataclass(frozen=True, slots=True)
class HeatMaps(Record):
    """Attention of the two models that differ most, [query][key]."""

    names: tuple[str, str]
    layer: int
    variation: float
    tokens: tuple[str, ...]
    patterns: tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]


@dataclass(frozen=True, slots=True)
class Correlation(Record):
    """Pearson's r over models with Fisher's 95 % interval; None where there are too few or one does not vary."""

    between: str
    models: int
    r: float | None
    interval: tuple[float, float] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TwinLine(Record):
    """One twin of a model, certified or not. ``total_variation``: of the last layer, the head that moved least."""

    family: str
    seed: int
    equivalence: str
    state: str
    total_variation: float | None
    kl_nats: float | None  # mean over scored outputs, on the sequences of the certificate
    accuracy_change: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class FallRate(Record):
    """Share of the claims of one method that fall under one kind of equality, mean over models."""

    method: str
    kind: str
    claims: int
    models: int
    fall: float
    fall_interval: tuple[float, float]  # 95 %, models drawn with replacement
    survive: float  # shown stable; the rest is inconclusive
    survive_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class WidthPoint(Record):
    """A random network pruned to a model: how wide and how close. Width: query features over the model's."""

    model: str
    samples: int
    width: int
    kl_nats: float
    largest_logit_error: float


@dataclass(frozen=True, slots=True)
class ClaimLine(Record):
    """A claim of a study under our twins."""

    model: str
    claim: str
    kind: str
    verdict: str
    worst: str  # the twin that moves it most
    original: float | None
    twin: float | None


@dataclass(frozen=True, slots=True)
class Table(Record):
    """A plain table of a part."""

    part: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Reproduction(Record):
    """Everything. Parts that a study does not have are empty."""

    SCHEMA: ClassVar[str] = "dyck-audit/reproduction/1"

    study: str
    title: str
    scale: str
    settings: Mapping[str, Json]
    versions: Mapping[str, str]
    rows: tuple[Row, ...]
    models: tuple[ModelLine, ...]
    variations: tuple[Variation, ...] = ()
    heat_maps: HeatMaps | None = None
    baselines: Mapping[str, float] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()
    twins: tuple[TwinLine, ...] = ()
    fall_rates: tuple[FallRate, ...] = ()
    widths: tuple[WidthPoint, ...] = ()
    claims: tuple[ClaimLine, ...] = ()
    tables: tuple[Table, ...] = ()
    verdict: str = ""

    @property
    def outside(self) -> tuple[Row, ...]:
        """Rows that leave their band."""
        return tuple(row for row in self.rows if row.inside is False)

    @property
    def compared(self) -> tuple[Row, ...]:
        """Rows that have a band and a number."""
        return tuple(row for row in self.rows if row.inside is not None)

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        return {"schema": cls.SCHEMA, **document}
