"""What a plug-in must provide. One file in ``formats``, ``interpretations`` or ``equivalences`` is one plug-in.

An installed package adds its own through the entry points ``dyck_audit.adapters``, ``dyck_audit.interpretations`` and
``dyck_audit.equivalences``.

Methods and equivalences do not depend on each other: a method returns scores with named axes, an equivalence returns a
model and a relabelling, and ``auditor.verdicts.alignment`` applies the relabelling to the scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, TypeVar, cast

import numpy as np
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import PluginError
from auditor.records import Compared, Expected, Interpretation, Json, Kind, MethodCard, Relabelling
from auditor.records.theory import Aspect, Dependence, Expectation, composed, derived
from auditor.registry import Discovered, Origin, discover, own_origin
from auditor.tensors import EXACT_LOGITS

T = TypeVar("T")

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a few words; may raise to interrupt."""


def silent(_share: float, _words: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Transformed:
    """A model that should compute the same function, and the relabelling of its components."""

    model: CanonicalTransformer
    relabelling: Relabelling = field(default_factory=Relabelling)
    parameters: Mapping[str, Json] = field(default_factory=dict)  # what was drawn or found, for the report


class Shared:
    """What several methods compute alike on one model and one batch of inputs: each result is made once.

    ``readings`` is what the methods of a group will read, so that the first of them can have it all made in one go.
    A method alone gets the same numbers as in its group.
    """

    def __init__(self, readings: Iterable[Hashable] = ()) -> None:
        self.readings = frozenset(readings)
        self._made: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, at the first call; later ones get the same object. Not to be changed in place."""
        if key not in self._made:
            self._made[key] = make()
        return cast(T, self._made[key])


@dataclass(frozen=True)
class Request:
    """The input of a method: a model, inputs and a random generator."""

    model: CanonicalTransformer
    inputs: InputBatch
    generator: np.random.Generator
    shared: Shared = field(default_factory=Shared)  # of this model and these inputs only
    times_more: int = 1  # how many times the usual sequences a method takes that takes only the first few
    reference: InputBatch | None = None  # where means are taken; None: over the inputs
    only_compared: bool = False  # with a model of the same function: integrals at equal points need not converge


@dataclass(frozen=True)
class TransformRequest:
    """The input of an equivalence. ``inputs`` are for searching and training, never for certifying."""

    model: CanonicalTransformer
    inputs: InputBatch
    generator: np.random.Generator
    parameters: Mapping[str, Json] = field(default_factory=dict)
    progress: Progress = silent
    inputs_are_given: bool = False  # whether the inputs are a user's strings, to be learned from


class InterpretationMethod(ABC):
    """One way people interpret a component. Deterministic under its generator; leaves the model untouched."""

    name: str = ""  # of the file or entry point, set by the registry
    origin: Origin = own_origin()  # the package it comes from, set by the registry
    version: ClassVar[int]
    family: ClassVar[str]  # ablation, attention, attribution, weights …
    summary: ClassVar[str]  # one line: what is computed
    unit: ClassVar[str]
    higher_means: ClassVar[str]
    source: ClassVar[str]
    claims: ClassVar[tuple[str, ...]]  # kinds of claim people make from it: value, rank, pattern
    distance: ClassVar[str]  # what its results are compared under: relative_change, total_variation
    depends_on: ClassVar[Dependence]  # which aspects of a model the scores depend on besides its function
    exceptions: ClassVar[Mapping[str, Expectation]] = {}  # by exact equivalence: predictions that differ from that
    smallest_plan: ClassVar[str] = "full"  # the smallest of quick, standard and full that runs it by default
    input_claims: ClassVar[tuple[str, ...]] = ()  # kinds of claim that rewritten inputs should keep; none unless stated
    by_position: ClassVar[bool] = False  # whether scores are laid out by position, so that inputs must not grow
    draws_at_random: ClassVar[bool] = False  # whether another generator gives other scores
    share: ClassVar[int] = 64  # sequences on which an exact variant is first compared
    takes_conditions: ClassVar[bool] = False  # whether its scores can be limited to some of the outputs or positions
    second_axis: ClassVar[str | None] = None  # by which the scores of a head are laid out: to_head, with_head
    predicates: ClassVar[Mapping[str, float]] = {}  # "it is stack-like" → the mean score from which that is said

    @property
    def expected(self) -> Mapping[str, Expected]:
        """What theory predicts under each exact equivalence, by name."""
        return {name: found.expected for name, found in expectations(self).items()}

    @property
    def card(self) -> MethodCard:
        """The facts that later stages need, without the method."""
        return MethodCard(
            self.name,
            self.family,
            self.unit,
            self.claims,
            self.distance,
            self.expected,
            predicates=dict(self.predicates),
            input_claims=self.input_claims,
            scale_is_free=self.scale_is_free,
        )

    @property
    def scale_is_free(self) -> bool:
        """Whether a move that keeps the function and all components may change the scores."""
        exact = equivalences()
        return any(
            found.expected in (Expected.FREE, Expected.CHANGES) and not exact[name].widens
            for name, found in expectations(self).items()
        )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:  # noqa: ARG002 - the default for all models
        """Why this method does not apply to this model, or None."""
        return None

    def of_circuit(self, members: tuple[str, ...]) -> InterpretationMethod | None:  # noqa: ARG002
        """This method for a circuit of these nodes or edges, by label; None where it scores no circuits."""
        return None

    @property
    def readings(self) -> frozenset[Hashable]:
        """What it reads that other methods may read too, by the keys of the family that computes it."""
        return frozenset()

    @abstractmethod
    def interpret(self, request: Request) -> Interpretation:
        """Scores with named axes, per sequence where the method allows."""


def without_neurons(model: CanonicalTransformer) -> str | None:
    """Why what needs MLP neurons does not apply to this model, or None."""
    return None if model.mlps else "the model has no MLP neurons"


_EXACT_PROMISES: Final = {
    Compared.LOGITS: f"max|Δlogit| ≤ {EXACT_LOGITS:g} in float64",
    Compared.LOG_PROBABILITIES: f"max|Δlog p| ≤ {EXACT_LOGITS:g} in float64",
}
_BEHAVIOURAL_PROMISE: Final = "held-out KL, disagreement and closing accuracy within the margins of its certificate"


class Equivalence(ABC):
    """A way to make another model with the same function.

    Reproducible from its generator; leaves the input model alone.
    """

    name: str = ""  # of the file or entry point, set by the registry
    origin: Origin = own_origin()  # the package it comes from, set by the registry
    version: ClassVar[int]
    kind: ClassVar[Kind]
    compares: ClassVar[Compared] = Compared.LOGITS  # what an exact move keeps
    changes: ClassVar[frozenset[Aspect]] = frozenset()  # what an exact move changes of a model besides its function
    parts: ClassVar[Mapping[str, int]] = {}  # of a composition: name and version of each move, in place of changes
    exceptions: ClassVar[Mapping[str, Expectation]] = {}  # by method: predictions that differ from what that gives
    widens: ClassVar[bool] = False  # whether the other model has more heads or neurons
    smallest_plan: ClassVar[str] = "full"  # the smallest of quick, standard and full that makes it by default
    summary: ClassVar[str]
    needs: ClassVar[str]
    promise: ClassVar[str]  # the bound that its certificate checks; by kind and what is compared unless stated
    source: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if getattr(cls, "kind", None) is Kind.EXACT and not (cls.changes or cls.parts):
            raise TypeError(f"the exact equivalence {cls.__name__} does not declare what it changes")
        if not hasattr(cls, "promise") and hasattr(cls, "kind"):
            cls.promise = _EXACT_PROMISES[cls.compares] if cls.kind is Kind.EXACT else _BEHAVIOURAL_PROMISE

    def not_applicable(self, model: CanonicalTransformer) -> str | None:  # noqa: ARG002 - the default for all models
        """Why this equivalence does not apply to this model, or None."""
        return None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:  # noqa: ARG002
        """The parameters of each variant that an audit asking for ``count`` of them should make."""
        return tuple({} for _ in range(count))

    @abstractmethod
    def transform(self, request: TransformRequest) -> Transformed:
        """The other model."""

    def changes_in(self, architecture: Architecture) -> frozenset[Aspect]:  # noqa: ARG002 - the default: the same in all
        """What an exact move changes of models of one architecture."""
        return self.changes

    @property
    def rewrites(self) -> bool:
        """Whether it is a move of inputs: the same model on others."""
        return type(self).rewrite is not Equivalence.rewrite

    def rewrite(self, request: Request) -> Rewritten:
        """Other inputs on which the model should decide the same; the same inputs unless the kind is input."""
        return Rewritten(request.inputs, request.inputs)


@dataclass(frozen=True)
class Weights:
    """A foreign checkpoint after safe reading: named tensors, and what describes them."""

    tensors: Mapping[str, Tensor]
    configuration: Mapping[str, Json] | None  # the file given by --config, or beside the checkpoint
    metadata: Mapping[str, str] = field(default_factory=dict)  # safetensors header
    library: Mapping[str, Json] | None = None  # facts that the model's own library saved with it


class ArchitectureAdapter(ABC):
    """One foreign checkpoint format. Every key is handled, ignored by name, or refused."""

    name: str = ""  # of the file or entry point, set by the registry
    origin: Origin = own_origin()  # the package it comes from, set by the registry
    summary: ClassVar[str]
    source: ClassVar[str]
    landmark: ClassVar[str] = ""  # pattern of a name that every checkpoint has; a prefix before it is taken off
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # facts of --config by section, besides vocabulary and task

    def facts_read(self, weights: Weights) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG002 - the default: the same for all
        """Those of the facts in ``reads`` that this checkpoint leaves to --config."""
        return self.reads

    def notes(self, weights: Weights) -> tuple[str, ...]:  # noqa: ARG002 - the default: all is read
        """What was found beside the weights and does not change the function."""
        return ()

    def vocabulary_rows(self, weights: Weights) -> int | None:  # noqa: ARG002
        """Rows of the token table, where its name is known without a description."""
        return None

    def recognised_facts(self, weights: Weights) -> Mapping[str, Json]:  # noqa: ARG002
        """Facts of --config, by dotted name, that tensors or the library's own configuration give away."""
        return {}

    @abstractmethod
    def recognises(self, weights: Weights) -> bool:
        """Whether key names (and the description) are of this format."""

    @abstractmethod
    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing fact, by name, or one that contradicts the weights.
            FormatError: a key that is neither handled nor ignored, or one that is missing.
        """


def methods() -> dict[str, InterpretationMethod]:
    """All interpretation methods by name."""
    return dict(_methods().plugins)


def equivalences() -> dict[str, Equivalence]:
    """All equivalences by name."""
    return dict(_equivalences().plugins)


def adapters() -> dict[str, ArchitectureAdapter]:
    """All checkpoint formats by name."""
    return dict(_adapters().plugins)


def refused_plugins() -> tuple[PluginError, ...]:
    """Why plug-ins of installed packages are left out."""
    return (*_methods().refused, *_equivalences().refused, *_adapters().refused)


def expectations(method: InterpretationMethod) -> dict[str, Expectation]:
    """What theory predicts for a method under each exact equivalence, and why, by name."""
    exact = {name: one for name, one in equivalences().items() if one.kind is Kind.EXACT}
    return {name: expectation(method, one) for name, one in exact.items()}


def card_in(method: InterpretationMethod, architecture: Architecture) -> MethodCard:
    """The card of a method with what theory predicts for models of one architecture."""
    exact = {name: one for name, one in equivalences().items() if one.kind is Kind.EXACT}
    found = {name: expectation(method, one, architecture).expected for name, one in exact.items()}
    return replace(method.card, expected=found)


def expectation(
    method: InterpretationMethod, equivalence: Equivalence, architecture: Architecture | None = None
) -> Expectation:
    """What theory predicts for a method under an exact equivalence: a stated exception, else what derives.

    ``architecture`` None: of models of any.
    """
    stated = method.exceptions.get(equivalence.name) or equivalence.exceptions.get(method.name)
    if stated is not None:
        return stated
    if equivalence.parts:
        known = equivalences()
        return composed({name: expectation(method, known[name], architecture) for name in equivalence.parts})
    changes = equivalence.changes if architecture is None else equivalence.changes_in(architecture)
    return derived(method.depends_on, changes)


def _methods() -> Discovered[InterpretationMethod]:
    return discover("auditor.interpretations", InterpretationMethod, "dyck_audit.interpretations")


def _equivalences() -> Discovered[Equivalence]:
    return discover("auditor.equivalences", Equivalence, "dyck_audit.equivalences")


def _adapters() -> Discovered[ArchitectureAdapter]:
    return discover("auditor.checkpoints.formats", ArchitectureAdapter, "dyck_audit.adapters")
