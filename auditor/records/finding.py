"""Claims and the verdicts on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from auditor.records.interpretation import Component
from auditor.records.record import NOT_WRITTEN, Record
from auditor.records.spread import FlipRate, RashomonInterval
from auditor.records.states import Basis, Expected, Kind, Verdict
from auditor.records.values import Json, group, texts


@dataclass(frozen=True, slots=True)
class Claim(Record):
    """An assertion about a component; the unit of a verdict.

    =========== ============================================================= =====================================
    kind        parameters                                                    what is asserted
    =========== ============================================================= =====================================
    value       ``score``                                                     the component scores this
    rank        ``top``                                                       it is among the ``top`` that score most
    set         ``members``: labels, the component's own among them           they score more than all others
    pattern                                                                   its scores are laid out as drawn
    predicate   ``predicate``: name, ``threshold``, ``above``: false for "<"  its mean score is at least ``threshold``
    comparison  ``other``: label, ``by``                                      it scores at least ``by`` more
    existence   those of a predicate, ``methods``                             some component has the predicate by all
    conjunction ``methods``, ``kind`` and the parameters of that kind         it holds by each of the methods
    agreement   ``methods``, ``top``                                          the same ``top`` lead by all of them
    =========== ============================================================= =====================================

    ``to_head`` or ``with_head``, a label, is a parameter of any kind but pattern: the scores are those of edges into
    that head, or of pairs with it. With several ``methods`` the first of them is the claim's own.
    """

    method: str = field(metadata=NOT_WRITTEN)  # in JSON it is beside the claim, as the component is
    kind: str
    component: Component = field(metadata=NOT_WRITTEN)
    text: str
    parameters: Mapping[str, Json] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods that it is about, its own first."""
        return texts(self.parameters, "methods") or (self.method,)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """The identity of a claim within an audit: all that is asserted except the score."""
        particulars = {name: value for name, value in self.parameters.items() if name != "score"}
        return self.method, self.kind, self.component.label, json.dumps(particulars, sort_keys=True)

    def by(self, method: str) -> Claim:
        """What a claim by several methods asserts of one of them; of an existence, the predicate."""
        parameters = {name: value for name, value in self.parameters.items() if name not in ("methods", "kind")}
        return Claim(method, str(self.parameters.get("kind", "predicate")), self.component, self.text, parameters)


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """The verdict on one claim under one equivalence, over all its certified variants.

    Two facts decide it. *Invariant*: the claim holds on every variant (true), is overturned by one (false), or neither
    is shown (None). *Resolved*: the sequences show that a claim about an order or a bound is true of the original
    itself; a value or a pattern states what was measured, so that nothing is left to resolve. STABLE needs both.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("method", "component", "contradicts_theory")

    id: str
    claim: Claim
    equivalence: str
    kind: Kind
    variants: tuple[str, ...]  # keys of the variants compared
    effect: float | None  # worst case over the variants, in the unit of the claim's distance; patterns less the floor
    interval: tuple[float, float] | None  # 95 % of the worst case
    noise_floor: float | None  # what running the method again with other random draws moves, in the unit of the effect
    threshold: float
    p: float | None
    q: float | None
    verdict: Verdict
    expected: Expected
    worst_variant: str | None
    needed_sequences: int | None = None
    reason: str = ""  # why inconclusive or undefined
    ceiling: float | None = None  # effect that a random relabelling of the components has on average
    mean_effect: float | None = None  # over the variants, where there are several
    mean_interval: tuple[float, float] | None = None  # 95 %, variants drawn first and then sequences
    rashomon: RashomonInterval | None = None
    flips: FlipRate | None = None  # of rank, set and predicate claims
    invariant: bool | None = None
    holds_at_same_length: bool | None = None  # where inputs were rewritten: on other sequences as long as those
    resolved: bool | None = None  # None: undefined, or a report of a version without it
    basis: Basis | None = None  # None: a report of a version without it; ``grounds`` tells it of any

    @property
    def contradicts_theory(self) -> bool:
        """A claim moved where theory rules it out: a defect in the method, not in the model."""
        return self.verdict is Verdict.UNSTABLE and self.expected in (Expected.INVARIANT, Expected.RELABELLED)

    @property
    def grounds(self) -> Basis:
        """What the finding rests on, also where an older report does not say it."""
        return self.basis or basis_of(self.kind, self.expected)

    @property
    def method(self) -> str:
        """Method of the claim."""
        return self.claim.method

    @property
    def component(self) -> Component:
        """Component of the claim."""
        return self.claim.component

    @classmethod
    def _before_reading(cls, data: Mapping[str, Json]) -> Mapping[str, Json]:
        """In JSON, method and component are beside the claim."""
        beside = {name: data[name] for name in ("method", "component")}
        return {**data, "claim": {**group(data, "claim"), **beside}}


def basis_of(kind: Kind, expected: Expected) -> Basis:
    """What findings under equivalences of a kind rest on, by what theory predicts for the method."""
    if kind is not Kind.EXACT:
        return Basis(str(kind))
    return Basis.EXACT if expected is Expected.OPEN else Basis.THEORY
