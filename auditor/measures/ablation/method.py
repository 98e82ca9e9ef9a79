"""The ablation methods: which component × what takes its place × what is read off the outputs.

A method names the three; ablations that differ only in what is read share their edited outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request, without_neurons
from auditor.measures.ablation.effects import EFFECTS, EffectName
from auditor.measures.ablation.optimal import optimal
from auditor.measures.ablation.substitutes import mean, mean_per_position, zero
from auditor.measures.ablation.sweep import Ablation, Substitute, sweep_effects
from auditor.measures.expectations import HEAD_SCORES, NEURON_SCORES, WHOLE_SCORES
from auditor.measures.untouched import Untouched, untouched, untouched_reference
from auditor.records import Component, Interpretation
from auditor.records.theory import Dependence

SubstituteName = Literal["zero", "mean", "mean_per_position", "optimal"]

SUBSTITUTES: Mapping[SubstituteName, Callable[[Untouched, Site], Substitute]] = {
    "zero": lambda run, _: zero(run.model),
    "mean": mean,
    "mean_per_position": mean_per_position,
    "optimal": lambda run, _: optimal(run),
}
"""What can take the place of an output, without a random draw."""


KEPT_BY_INPUTS = ("zero", "mean")
"""Substitutes that are the same at every position, so that inserted tokens leave the order of the effects alone."""


class AblationMethod(InterpretationMethod):
    """Effect on the outputs of replacing one component's output by its substitute, mean over a sequence's outputs."""

    family = "ablation"
    takes_conditions = True
    claims = ("value", "rank")
    distance = "relative_change"
    component: ClassVar[str]  # in words: head, layer, neuron
    axis: ClassVar[str]
    site: ClassVar[Site]
    substitute: ClassVar[SubstituteName]
    effect: ClassVar[EffectName] = "kl"
    most_sequences: ClassVar[int | None] = None  # ablated; None: all

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        effect = EFFECTS[cls.effect]
        cls.unit = effect.unit
        if getattr(cls, "substitute", None) in KEPT_BY_INPUTS:
            cls.input_claims = ("rank", "set")
        cls.higher_means = effect.higher_means.format(component=getattr(cls, "component", "component"))

    @abstractmethod
    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """What is ablated, one at a time."""

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs the outputs that its effect reads."""
        return EFFECTS[self.effect].not_applicable(model)

    @property
    def readings(self) -> frozenset[Hashable]:
        """Its effect, under the edits that it shares."""
        return frozenset({(*self._edits, self.effect)})

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, component]."""
        components = self.components(request.model)
        return Interpretation(self.name, ("sequence", self.axis), components, self.scores(request, components))

    def scores(self, request: Request, components: tuple[Component, ...]) -> NDArray[np.float64]:
        """[sequence, component], out of one sweep for every effect that is read off these edits."""
        others = {key[-1] for key in request.shared.readings if isinstance(key, tuple) and key[:-1] == self._edits}
        names = sorted(name for name in {self.effect, *others} if EFFECTS[name].not_applicable(request.model) is None)

        def make() -> dict[EffectName, NDArray[np.float64]]:
            most = None if self.most_sequences is None else request.times_more * self.most_sequences
            run, averaged = untouched(request, most=most), untouched_reference(request, most=most)
            ablation = Ablation(components, self.site, SUBSTITUTES[self.substitute](averaged, self.site))
            found = sweep_effects(run, ablation, [EFFECTS[name] for name in names])
            return dict(zip(names, found, strict=True))

        return request.shared.once(self._edits, make)[self.effect]

    @property
    def _edits(self) -> tuple[Hashable, ...]:
        return ("ablation", self.site, self.substitute, self.most_sequences)


class HeadAblation(AblationMethod):
    """Ablations of a head's z, what it mixes before the output map."""

    component = "head"
    axis = "head"
    site = Site.Z
    depends_on: ClassVar[Dependence] = HEAD_SCORES

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All heads."""
        return model.architecture.heads


class AttentionAblation(AblationMethod):
    """Ablations of what a whole attention layer writes, output bias included."""

    component = "layer"
    axis = "part"
    site = Site.ATTENTION_OUT
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """The attention of each layer."""
        return tuple(Component(layer, part="attention") for layer in range(model.architecture.layers))


class MlpAblation(AblationMethod):
    """Ablations of what a whole MLP writes, biases included."""

    component = "layer"
    axis = "part"
    site = Site.MLP_OUT
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs an MLP."""
        return super().not_applicable(model) if model.architecture.mlp == "two_layer" else "the model has no MLP"

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """The MLP of each layer."""
        return tuple(Component(layer, part="mlp") for layer in range(model.architecture.layers))


class NeuronAblation(AblationMethod):
    """Ablations of one MLP neuron's activation; few sequences, for there are many neurons and every score is kept."""

    component = "neuron"
    axis = "neuron"
    site = Site.NEURON
    most_sequences = 128
    share = 8  # every neuron of every layer
    depends_on: ClassVar[Dependence] = NEURON_SCORES

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs neurons."""
        return without_neurons(model) or super().not_applicable(model)

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All neurons."""
        return model.architecture.neurons
