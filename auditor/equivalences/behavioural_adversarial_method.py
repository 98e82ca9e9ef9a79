"""A twin that gives the same answers while an interpretation method says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Claim, Json, Kind
from auditor.records.values import group, whole
from auditor.twins.against import attack, claim_against
from auditor.twins.targets.registry import is_attackable

TARGETS = (
    "attribution_head_integrated_gradients",
    "attribution_head_gradient_x_activation",
    "direct_logit_head",
    "probe_depth",
    "attribution_token_saliency",
    "ablation_head_mean",
)
"""Methods that an audit attacks, one per variant; the last one applies to every model."""


class AdversarialMethod(Equivalence):
    """Distil with the penalty weight · max(0, wanted − effect), the effect being how far a claim of a method is moved.

    The claim is given, or follows from the method: the top component is the top, a named one scores what it scores, a
    pattern looks as it does. Methods without a derivative are moved through the nearest one that has some.
    """

    version = 4
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but a chosen interpretation method says otherwise"
    needs = "a method whose scores, or those of a near one, are differentiable"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = (
        "after Heo et al. 2019, arXiv 1902.02041 (attributions moved by fine-tuning); Slack et al. 2020, arXiv "
        "1911.02508; Pruthi et al. 2020, arXiv 1909.07913"
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:  # noqa: ARG002 - depends on the method
        """Every model has outputs to learn."""
        return None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:  # noqa: ARG002
        """One method per variant, of those in ``TARGETS`` that apply to the model."""
        return tuple({"target": index} for index in range(min(count, len(TARGETS))))

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32.

        ``parameters`` hold a whole ``claim``, to be overturned or, with ``far``, moved further; or name a ``method``
        and perhaps a ``component``, or a ``target`` by number, whose score is moved far.

        Raises:
            PlanError: a claim or a method that cannot be attacked, with the reason.
        """
        parameters = request.parameters
        is_far = parameters.get("far") is True or "claim" not in parameters
        twin, found = attack(request, _claim(request), is_far=is_far)
        return Transformed(twin, parameters=found)


def _claim(request: TransformRequest) -> Claim:
    parameters = request.parameters
    if "claim" in parameters:
        return Claim.from_json(group(parameters, "claim"))
    if "method" in parameters:
        component = parameters.get("component")
        named = None if component is None else str(component)
        return claim_against(request.model, str(parameters["method"]), named, request.inputs)
    usable = [name for name in TARGETS if is_attackable(name, request.model)]
    return claim_against(request.model, usable[whole(parameters, "target", 0) % len(usable)], None, request.inputs)
