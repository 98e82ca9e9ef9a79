"""Which surrogate steers a twin against a method.

A family that is differentiable stands for itself, also the methods that other packages add to it. What is not has the
nearest method that is, by name and with the reason; what has none is refused with one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from torch import Tensor

from auditor.behaviour.conditions import Condition
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, methods
from auditor.errors import PlanError
from auditor.measures.ablation.effects import EffectName
from auditor.measures.ablation.method import AblationMethod
from auditor.measures.attention import AttentionMatrix, RowReading
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.edges.method import CircuitScore
from auditor.measures.probing import Probe
from auditor.measures.untouched import Piece
from auditor.measures.weights import Composition, HeadWeights
from auditor.readings import Reading, method_named, reading_of
from auditor.twins.targets import ablations, attention, circuits, direct, gradients, paths, probes, weights
from auditor.twins.targets.surrogate import Components, Scores, Surrogate

NAMED: Mapping[str, Scores] = {
    "ablation_head_pair_mean": ablations.head_pairs,
    "attention_pattern": attention.patterns,
    "attribution_head_gradient_x_activation": gradients.gradient_x_activation(Site.Z),
    "attribution_head_integrated_gradients": gradients.head_path_integrals,
    "attribution_token_input_x_gradient": gradients.token_gradients(length_only=False),
    "attribution_token_saliency": gradients.token_gradients(length_only=True),
    "attribution_token_integrated_gradients": gradients.token_path_integrals(from_zero=False),
    "attribution_token_integrated_gradients_zero": gradients.token_path_integrals(from_zero=True),
    "circuit_edge_attribution": circuits.edge_attribution(is_integrated=False),
    "circuit_edge_integrated_gradients": circuits.edge_attribution(is_integrated=True),
    "logit_lens": direct.logit_lens,
    "patching_path_head_to_head": paths.head_paths,
}
"""Methods with a surrogate of their own."""

_MARGIN = "ablation_head_mean_logit_difference"
_REPLAYED = "its score replays activations of paired runs"
_SAMPLED = "its score is a sum over many edited runs"
_CUT = "its score is read off runs with single attention weights cut"
_FITTED = "its direction is fitted first, and then taken out of edited runs"

NEAREST: Mapping[str, tuple[str, str]] = {
    "ablation_head_mean_closing_accuracy": (_MARGIN, "a share of right decisions has no slope"),
    "ablation_head_optimal": ("ablation_head_mean", "its substitute is the result of a search"),
    "ablation_head_resample": ("ablation_head_mean", "its substitute is drawn at random"),
    "attribution_head_feature_ablation": (_MARGIN, "it is an ablation, read off another score"),
    "attribution_head_shapley": (_MARGIN, _SAMPLED),
    "attribution_token_feature_ablation": ("attribution_token_integrated_gradients", _SAMPLED),
    "attribution_token_occlusion": ("attribution_token_integrated_gradients", _SAMPLED),
    "attribution_token_shapley_sampling": ("attribution_token_integrated_gradients", _SAMPLED),
    "circuit_edge_pruning": ("circuit_edge_attribution", "what an edge costs depends on which were cut before it"),
    "direction_depth_probe": ("probe_depth", _FITTED),
    "direction_stack_top_probe": ("probe_stack_top", _FITTED),
    "knockout_edge_matching_opener": ("attention_matching_opener", _CUT),
    "knockout_edge_stack_top": ("attention_stack_top", _CUT),
    "knockout_edge_start": ("attention_start_mass", _CUT),
    "patching_activation_head": (_MARGIN, _REPLAYED),
    "patching_activation_head_noising": (_MARGIN, _REPLAYED),
    "patching_attribution_head": (_MARGIN, _REPLAYED),
    "patching_path_to_heads": (_MARGIN, _REPLAYED),
    "patching_path_to_logits": ("direct_logit_head", _REPLAYED),
    "patching_path_to_mlps": (_MARGIN, _REPLAYED),
}
"""Method → (the nearest one that is differentiable, why it is not so itself)."""

_FOUND = "it scores circuits that other methods find anew on every model"
_REFUSED: Mapping[str, str] = {
    "circuit_completeness": f"{_FOUND}; claim one: circuit_completeness of L0H1, L1H0",
    "circuit_faithfulness": f"{_FOUND}; claim one: circuit_faithfulness of L0H1, L1H0",
    "attribution_neuron_conductance": "derivatives along a path of every neuron would be differentiated a third time",
    "attribution_neuron_internal_influence": "slopes of every neuron along a path would be differentiated again",
    "faithfulness_infidelity": "it judges attributions by random perturbations and scores no part of the model",
}
"""Method → why no twin is trained against it."""


def surrogate_of(name: str, model: CanonicalTransformer, components: Components) -> Surrogate:
    """The surrogate of a method for these components of a model.

    Raises:
        PlanError: no such method, or one that no twin can be trained against, with the reason.
    """
    known, method = methods(), method_named(name)
    reading = reading_of(name)
    if reading.condition is not None:
        whole = surrogate_of(reading.method, model, components)
        return replace(whole, method=name, scores=_limited(whole.scores, reading.condition))
    why_not = method.not_applicable(model)
    if why_not is not None:
        raise PlanError(f"{name} does not apply to this model: {why_not}")
    scores = _of_circuit(reading) if reading.members else _differentiable(method)
    if scores is not None:
        return Surrogate(name, scores, from_layer=_first_layer(method, components))
    stand_in, why = NEAREST.get(name, ("", ""))
    if stand_in in known and known[stand_in].not_applicable(model) is None:
        return replace(surrogate_of(stand_in, model, components), why=why)
    reason = _REFUSED.get(name) or why or "it has no differentiable surrogate"
    raise PlanError(f"no twin can be trained against {name}: {reason}", action="choose another method")


def _limited(scores: Scores, condition: Condition) -> Scores:
    """The scores on the outputs that meet a condition."""

    def limited(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
        met = condition.met(piece.part)
        part = replace(piece.part, scored=piece.part.scored & met, read_at=met)
        return scores(model, replace(piece, part=part), components)

    return limited


def is_attackable(name: str, model: CanonicalTransformer) -> bool:
    """Whether twins of a model can be trained against a method."""
    try:
        surrogate_of(name, model, ())
    except PlanError:
        return False
    return True


def _differentiable(method: InterpretationMethod) -> Scores | None:
    if method.name in NAMED:
        return NAMED[method.name]
    if method.name in NEAREST:
        return None
    if isinstance(method, AblationMethod):
        smooth = method.effect in get_args(EffectName) and method.effect != "closing_accuracy"
        known = getattr(method, "substitute", "") in ablations.SUBSTITUTES
        return ablations.ablation(method.site, method.substitute, method.effect) if smooth and known else None
    if isinstance(method, RowReading):
        return attention.row_reading(method)
    if isinstance(method, AttentionMatrix):
        return attention.matrices(method)
    if isinstance(method, DirectLogits):
        return direct.direct_logits(method)
    if isinstance(method, HeadWeights | Composition):
        return weights.head_weights(method)
    return probes.probe(method) if isinstance(method, Probe) else None


def _of_circuit(reading: Reading) -> Scores | None:
    method = methods()[reading.method]
    return circuits.circuit_score(method, reading.members) if isinstance(method, CircuitScore) else None


def _first_layer(method: InterpretationMethod, components: Components) -> int:
    """What a head attends to is settled in its own layer: those before it need not be trained."""
    is_local = isinstance(method, RowReading) or method.name == "attention_pattern"
    return min((one.layer for one in components), default=0) if is_local else 0
