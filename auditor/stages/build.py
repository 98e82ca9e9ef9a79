"""One variant of the audited model, made or taken from an earlier audit, with its certificate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, Transformed, TransformRequest, equivalences, silent
from auditor.plans.cells import VariantRequest, planned_variant
from auditor.plans.plan import Plan
from auditor.records import Json, Kind, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.certify import certify
from auditor.stages.sequences import search_inputs


@dataclass(frozen=True)
class Built:
    """One variant and, where there is one, its model."""

    variant: Variant
    model: CanonicalTransformer | None


@dataclass(frozen=True)
class KeptTwin:
    """A twin that an earlier audit made by the same recipe, and the id of that audit."""

    made: Transformed
    made_by: str


def build(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    variant_key: str,
    *,
    kept: KeptTwin | None = None,
    progress: Progress = silent,
) -> Built:
    """One variant of a plan; see :func:`make`.

    Raises:
        PlanError: the plan asks for no such variant.
    """
    return make(model, plan, seed, planned_variant(plan, model.architecture, variant_key), kept=kept, progress=progress)


def make(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    request: VariantRequest,
    *,
    kept: KeptTwin | None = None,
    progress: Progress = silent,
) -> Built:
    """Make any variant, or take the kept one, and certify it on sequences that its making has not seen.

    The plan sets how many sequences and how much effort. A kept twin is certified as if it had been made now.
    """
    started = time.perf_counter()
    plugin = equivalences()[request.equivalence]
    original = model.clone(dtype=torch.float64)
    why_not = plugin.not_applicable(original)
    if why_not is not None:
        return Built(_without_certificate(request, seed, VariantState.NOT_APPLICABLE, why_not), None)
    made = _transformed(original, plan, seed, request, progress) if kept is None else kept.made
    if not _is_finite(made.model):
        reason = "its weights became NaN or infinite while it was made"
        diverged = replace(
            _without_certificate(request, seed, VariantState.NOT_CERTIFIED, reason), parameters=made.parameters
        )
        return Built(diverged, None)
    certificate = certify(original, made.model, plugin, plan, seed)
    variant = Variant(
        key=request.key,
        equivalence=request.equivalence,
        kind=request.kind,
        seed=seed,
        state=VariantState.CERTIFIED if certificate.passed else VariantState.NOT_CERTIFIED,
        reason="; ".join(certificate.failures),
        parameters=made.parameters,
        relabelling=made.relabelling,
        certificate=certificate,
        seconds=round(time.perf_counter() - started, 3),
        made_by=None if kept is None else kept.made_by,
    )
    return Built(variant, made.model)


def parameters_of(request: VariantRequest, plan: Plan) -> dict[str, Json]:
    """What a variant is made with: its choice, and the plan's effort where it is trained."""
    effort = {} if request.kind is Kind.EXACT else {"steps": plan.twin_steps, "restarts": plan.twin_restarts}
    return {**request.parameters, **effort}


def _transformed(
    original: CanonicalTransformer, plan: Plan, seed: int, request: VariantRequest, progress: Progress
) -> Transformed:
    return equivalences()[request.equivalence].transform(
        TransformRequest(
            original,
            search_inputs(original.task, request.kind, plan, seed),
            numpy_generator(seed, "transform", request.key),
            parameters=parameters_of(request, plan),
            progress=progress,
            inputs_are_given=plan.strings is not None,
        ),
    )


def _without_certificate(request: VariantRequest, seed: int, state: VariantState, reason: str) -> Variant:
    return Variant(request.key, request.equivalence, request.kind, seed, state, reason)


def _is_finite(model: CanonicalTransformer) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in model.state_dict().values())
