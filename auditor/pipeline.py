"""The audit as one function in reading order, and the four steps it is made of.

Workers call the same steps one by one, so that the results are the same wherever they are computed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from auditor.behaviour.certificate import LONGER_SEQUENCES, certify_behavioural, certify_exact
from auditor.behaviour.evaluation import certificate_lengths, draw_deeper, full_behaviour
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, equivalences, methods, silent
from auditor.errors import PlanError
from auditor.language.task import Task
from auditor.plans.plan import (
    Plan,
    VariantRequest,
    check_plan,
    methods_to_rerun,
    planned_methods,
    planned_variants,
    read_plan,
)
from auditor.provenance import local_audit_header, local_model_header
from auditor.records import (
    ORIGINAL,
    RERUN,
    AuditHeader,
    AuditReport,
    Behaviour,
    Certificate,
    Interpretation,
    Kind,
    ModelHeader,
    NotApplicable,
    Variant,
    VariantState,
)
from auditor.report.summary import summarise
from auditor.seeds import numpy_generator
from auditor.verdicts.illustration import illustrate
from auditor.verdicts.scores import score_table
from auditor.verdicts.verdict import Settings, findings_of

EXACT_SEQUENCES = 256
"""Enough for a difference that algebra forbids: it would show in every sequence."""


@dataclass(frozen=True)
class Built:
    """One variant and, where there is one, its model."""

    variant: Variant
    model: CanonicalTransformer | None


@dataclass(frozen=True)
class Results:
    """All that the cells of an audit have computed, the input of the conclusion."""

    behaviour: Behaviour
    variants: tuple[Variant, ...]
    interpretations: Mapping[tuple[str, str], Interpretation]  # (variant key or "original", method)
    not_applicable: Mapping[tuple[str, str], str] = field(default_factory=dict)  # the same keys → reason


def audit(
    model: CanonicalTransformer, plan: str | Plan = "quick", *, seed: int = 0, progress: Progress = silent
) -> AuditReport:
    """Audit a model in this process: no database and no broker needed.

    Raises:
        PlanError: no such plan, or one that cannot run.
        CheckpointError: weights that are not finite.
    """
    chosen = read_plan(plan) if isinstance(plan, str) else plan
    check_plan(chosen)
    header = local_model_header(model)
    behaviour = evaluate(model, chosen, seed)
    variants: list[Variant] = []
    interpretations: dict[tuple[str, str], Interpretation] = {}
    not_applicable: dict[tuple[str, str], str] = {}
    requests = planned_variants(chosen, model.architecture)
    subjects = [(ORIGINAL, None), (RERUN, None), *((request.key, request) for request in requests)]
    for index, (key, request) in enumerate(subjects):
        progress(index / len(subjects), key)
        subject: CanonicalTransformer | None = model
        if request is not None:
            built = build(model, chosen, seed, key)
            variants.append(built.variant)
            subject = built.model if built.variant.state is VariantState.CERTIFIED else None
        names = methods_to_rerun(chosen) if key == RERUN else planned_methods(chosen)
        for name in names if subject is not None else ():
            found = measure(subject or model, chosen, seed, name, variant=key)
            if isinstance(found, str):
                not_applicable[key, name] = found
            else:
                interpretations[key, name] = found
    results = Results(behaviour, tuple(variants), interpretations, not_applicable)
    return conclude(local_audit_header(chosen, seed), header, chosen, seed, results)


def evaluate(model: CanonicalTransformer, plan: Plan, seed: int) -> Behaviour:
    """Behaviour of the original on its language, in float32."""
    return full_behaviour(
        model.clone(dtype=torch.float32),
        sequences=plan.behaviour_sequences,
        longer_sequences=plan.longer_sequences,
        generator=numpy_generator(seed, "behaviour"),
    )


def build(
    model: CanonicalTransformer, plan: Plan, seed: int, variant_key: str, *, progress: Progress = silent
) -> Built:
    """Make one variant of a plan and certify it on sequences that its making has not seen.

    Raises:
        PlanError: the plan asks for no such variant.
    """
    return make(model, plan, seed, _request(model, plan, variant_key), progress=progress)


def make(
    model: CanonicalTransformer, plan: Plan, seed: int, request: VariantRequest, *, progress: Progress = silent
) -> Built:
    """Make any variant and certify it; the plan says how many sequences and how much effort."""
    started = time.perf_counter()
    plugin = equivalences()[request.equivalence]
    original = model.clone(dtype=torch.float64)
    why_not = plugin.not_applicable(original)
    if why_not is not None:
        return Built(_without_certificate(request, seed, VariantState.NOT_APPLICABLE, why_not), None)
    effort = {} if request.kind is Kind.EXACT else {"steps": plan.twin_steps, "restarts": plan.twin_restarts}
    made = plugin.transform(
        original,
        draw_inputs(model.task, plan.sequences, numpy_generator(seed, "search")),
        numpy_generator(seed, "transform", request.key),
        parameters={**request.parameters, **effort},
        progress=progress,
    )
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
    )
    return Built(variant, made.model)


def _without_certificate(request: VariantRequest, seed: int, state: VariantState, reason: str) -> Variant:
    return Variant(request.key, request.equivalence, request.kind, seed, state, reason)


def _is_finite(model: CanonicalTransformer) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in model.state_dict().values())


def measure(
    model: CanonicalTransformer, plan: Plan, seed: int, method: str, *, variant: str = ORIGINAL
) -> Interpretation | str:
    """One method on the original or a variant, in float64; a string says why it is not applicable.

    A variant of kind input is the same model on other inputs; ``RERUN`` is the original with other random draws.
    """
    plugin = methods()[method]
    why_not = plugin.not_applicable(model)
    if why_not is not None:
        return why_not
    inputs = interpretation_inputs(model.task, plan, seed)
    if variant not in (ORIGINAL, RERUN):
        rewritten = _rewritten(equivalence_of(variant), model, inputs, seed, "interpretation")
        if rewritten.after is not rewritten.before and plugin.by_position:
            return "its scores are laid out by position, and the inputs of this variant have others"
        inputs = rewritten.after
    generator = numpy_generator(seed, "measure", method, *(("again",) if variant == RERUN else ()))
    return plugin.interpret(model.clone(dtype=torch.float64), inputs, generator)


def conclude(audit: AuditHeader, model: ModelHeader, plan: Plan, seed: int, results: Results) -> AuditReport:
    """All interpretations → findings and report. ``audit`` and ``model`` are the report's headers."""
    cards = {name: methods()[name].card for name in planned_methods(plan)}
    settings = statistics_of(plan, seed)
    variants, scores = results.variants, results.interpretations
    findings = findings_of(audit.id, cards, variants, scores, original=ORIGINAL, settings=settings)
    absent = _absent(results)
    return AuditReport(
        audit=audit,
        model=model,
        behaviour=results.behaviour,
        variants=variants,
        interpretations=score_table(cards, variants, scores, draws=plan.bootstrap_draws, seed=seed),
        findings=findings,
        not_applicable=absent,
        illustrations=illustrate(findings, variants, scores, _sentences(model, plan, seed)),
        summary=summarise(findings, variants, absent),
    )


def statistics_of(plan: Plan, seed: int) -> Settings:
    """How the verdicts of a plan are reached."""
    return Settings(draws=plan.bootstrap_draws, alpha=plan.alpha, seed=seed, multiplicity=plan.multiplicity)


def interpretation_inputs(task: Task, plan: Plan, seed: int) -> InputBatch:
    """The sequences that every method sees: the same for the original and all variants of an audit."""
    return draw_inputs(task, plan.sequences, numpy_generator(seed, "interpretation"))


def equivalence_of(variant_key: str) -> Equivalence:
    """The plug-in that makes a variant.

    Raises:
        PlanError: there is none of that name.
    """
    name = variant_key.split("/", maxsplit=1)[0]
    if name not in equivalences():
        raise PlanError(f"unknown equivalence {name!r}", action="see dyck-audit equivalences")
    return equivalences()[name]


def _rewritten(
    plugin: Equivalence, model: CanonicalTransformer, inputs: InputBatch, seed: int, purpose: str
) -> Rewritten:
    return plugin.rewrite(model, inputs, numpy_generator(seed, "rewrite", plugin.name, purpose))


def held_out(model: CanonicalTransformer, plan: Plan, seed: int) -> dict[str, InputBatch]:
    """Sequences of a behavioural certificate: in distribution, longer and deeper where the model can read them."""
    found = {"": draw_inputs(model.task, plan.certificate_sequences, numpy_generator(seed, "certificate"))}
    lengths = certificate_lengths(model)
    if lengths is not None:
        count = max(plan.longer_sequences, LONGER_SEQUENCES)
        generator = numpy_generator(seed, "certificate", "longer")
        found["longer"] = draw_inputs(model.task, count, generator, lengths=lengths)
    deeper = draw_deeper(model, plan.longer_sequences, numpy_generator(seed, "certificate", "deeper"))
    return found if deeper is None else {**found, "deeper": deeper}


def certify(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    plugin: Equivalence,
    plan: Plan,
    seed: int,
) -> Certificate:
    """Compare two models in float64 on held-out sequences, by the rules of the equivalence that made one of them."""
    ours, theirs = original.clone(dtype=torch.float64), variant.clone(dtype=torch.float64)
    if plugin.kind is Kind.EXACT:
        count = min(plan.certificate_sequences, EXACT_SEQUENCES)
        inputs = draw_inputs(ours.task, count, numpy_generator(seed, "certificate"))
        return certify_exact(ours, theirs, inputs, compares=plugin.compares)
    given = {
        where: _rewritten(plugin, ours, inputs, seed, f"certificate/{where}".rstrip("/"))
        for where, inputs in held_out(ours, plan, seed).items()
    }
    return certify_behavioural(
        ours,
        theirs,
        given[""],
        given.get("longer"),
        deeper=given.get("deeper"),
        generator=numpy_generator(seed, "certificate", "decisions"),
    )


def _request(model: CanonicalTransformer, plan: Plan, variant_key: str) -> VariantRequest:
    for request in planned_variants(plan, model.architecture):
        if request.key == variant_key:
            return request
    raise PlanError(f"the plan {plan.name!r} has no variant {variant_key!r}")


def _absent(results: Results) -> tuple[NotApplicable, ...]:
    """Everything that could not be applied, with the reason, each named once."""
    found: dict[tuple[Literal["method", "equivalence"], str], str] = {}
    for variant in results.variants:
        if variant.state is VariantState.NOT_APPLICABLE:
            found["equivalence", variant.equivalence] = variant.reason
    by_field: dict[tuple[str, str], str] = {}
    for (variant_key, method), why in results.not_applicable.items():
        if variant_key == ORIGINAL:
            found["method", method] = why
        elif (ORIGINAL, method) not in results.not_applicable:
            by_field[method, variant_key.split("/", maxsplit=1)[0]] = why
    whole = tuple(NotApplicable(what, name, why) for (what, name), why in found.items())
    return whole + tuple(NotApplicable("method", method, why, name) for (method, name), why in by_field.items())


def _sentences(model: ModelHeader, plan: Plan, seed: int) -> list[list[str]]:
    """The inputs of the interpretations, spelled."""
    task = Task.from_json(model.task)
    inputs = interpretation_inputs(task, plan, seed)
    lengths = inputs.not_padding.sum(1).tolist()
    rows = inputs.tokens.tolist()
    return [task.language.vocabulary.decode(row[:length]) for row, length in zip(rows, lengths, strict=True)]
