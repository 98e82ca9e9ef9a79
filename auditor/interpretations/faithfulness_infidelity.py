"""Infidelity of attributions of the score: how badly they say what perturbations do."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, methods
from auditor.measures.attribution.infidelity import JUDGED, judge
from auditor.measures.attribution.method import Attribution, attributed
from auditor.measures.attribution.score import blank_token, why_no_score
from auditor.records import Component, Expected, Interpretation
from auditor.records.theory import Aspect, Dependence

MAX_SEQUENCES = 12
"""Sequences on which every attribution is made and judged."""


class Infidelity(InterpretationMethod):
    """min over β of the mean over perturbations I of (β I·φ − (score − score without I))², per attribution φ.

    One part per attribution that it judges, by name. β makes it blind to the scale of φ, so that slopes and shares
    compare. Not a claim about the model: a reading of how far to trust the attributions, as stable as those.
    """

    version = 2
    draws_at_random = True
    family = "faithfulness"
    summary = (
        "mean squared error of each attribution named as a part, at its best scale, as a forecast of what taking "
        "random sets of tokens, heads or neurons away does to the score"
    )
    unit = "nats²"
    higher_means = "the named attribution is less faithful to the model"
    source = "Yeh et al. 2019, arXiv 1901.09392, definition 2.1; Captum infidelity, normalised"
    claims = ("value", "rank")
    distance = "relative_change"
    share = 8
    depends_on: ClassVar[Dependence] = {
        Aspect.VALUE_ZERO: Expected.CHANGES,  # gradient × activation
        Aspect.TOKEN_VECTORS: Expected.CHANGES,  # input × gradient, integrated gradients from zero
        Aspect.NEURON_SCALE: Expected.CHANGES,  # internal influence
        Aspect.HEAD_COUNT: Expected.CHANGES,  # more players, other sets
        Aspect.NEURON_COUNT: Expected.CHANGES,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a score, and a token to put in the place of brackets."""
        if blank_token(model.task.language.vocabulary) is None:
            return "the vocabulary has neither MASK nor PAD to perturb an input with"
        return why_no_score(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part], one part per judged attribution that applies to the model."""
        seen = attributed(request.model, request.inputs)
        seen = seen.rows(slice(0, min(MAX_SEQUENCES, len(seen))))
        judged = [methods()[name] for name in JUDGED if methods()[name].not_applicable(request.model) is None]
        attributions = [method for method in judged if isinstance(method, Attribution)]
        found = judge(replace(request, inputs=seen), attributions)
        parts = tuple(Component(0, part=method.name) for method in attributions)
        axes = ("sequence", "part")
        return Interpretation(self.name, axes, parts, found.values, found.undefined, found.numerical_error)
