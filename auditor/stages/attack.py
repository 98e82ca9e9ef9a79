"""One claim attacked: a twin is built against it, certified, and read by the method itself on held-out sequences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import PlanError
from auditor.plans.cells import VariantRequest
from auditor.plans.plan import Plan
from auditor.readings import method_named
from auditor.records import (
    ORIGINAL,
    RERUN,
    Claim,
    Finding,
    Interpretation,
    Json,
    Kind,
    NotApplicable,
    VariantState,
    Verdict,
)
from auditor.records.slices import at_slice, slice_of
from auditor.records.values import whole
from auditor.stages.build import Built, KeptTwin, make
from auditor.stages.conclude import statistics_of
from auditor.stages.measure import measure
from auditor.twins.targets.claim import default_claim
from auditor.twins.targets.registry import surrogate_of
from auditor.verdicts.claims import claims_of
from auditor.verdicts.compound import COMPOUND, View, number_in, why_not_in
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.verdict import findings_of

EQUIVALENCE = "behavioural_adversarial_method"
"""The equivalence that makes twins against a method."""

ATTACK = f"{EQUIVALENCE}/claim-"
"""How the keys of variants begin that were made against one claim and are in no plan."""


@dataclass(frozen=True)
class Attacked:
    """The best twin that a budget of optimiser steps has found against a claim.

    ``original`` and ``twin`` are the number that the claim is about (``quantity``: score, rank, distance …) by the
    method itself on the interpretation sequences; ``twin`` is None where the method has no score of it.
    """

    claim: Claim
    built: Built
    quantity: str
    original: float
    twin: float | None
    finding: Finding | None  # the verdict under this one twin; None where it is not certified

    @property
    def is_certified(self) -> bool:
        """Whether the twin computes the same function in the sense of its certificate."""
        return self.built.variant.state is VariantState.CERTIFIED

    @property
    def overturns(self) -> bool:
        """Whether the twin is a witness against the claim. A model that was destroyed never is."""
        return self.finding is not None and self.finding.verdict is Verdict.UNSTABLE

    @property
    def budget(self) -> int:
        """Optimiser steps that the attack was allowed."""
        return whole(self.built.variant.parameters, "budget_steps", 0)

    @property
    def spent(self) -> int:
        """Optimiser steps that it has taken."""
        return whole(self.built.variant.parameters, "spent_steps", 0)

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {
            "claim": self.claim.to_json(),
            "method": self.claim.method,
            "quantity": self.quantity,
            "original": self.original,
            "twin": self.twin,
            "budget_steps": self.budget,
            "spent_steps": self.spent,
            "overturned": self.overturns,
            "variant": self.built.variant.to_json(),
            "finding": None if self.finding is None else self.finding.to_json(),
        }


def attack_method(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    method: str,
    *,
    component: str | None = None,
    progress: Progress = silent,
) -> Attacked:
    """A twin against what a method says of a model, or of one component by its label.

    Raises:
        PlanError: no such method or component, or one that cannot be attacked, with the reason.
    """
    surrogate_of(method, model, ())  # or refuse before anything is measured
    claim = default_claim(_of_original(model, plan, seed, method), component)
    return attack_claim(model, plan, seed, claim, is_far=True, progress=progress)


def attack_claim(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    claim: Claim,
    *,
    is_far: bool = False,
    content: str = "attack",
    kept: KeptTwin | None = None,
    progress: Progress = silent,
) -> Attacked:
    """The best twin against one claim within the plan's budget: ``twin_steps`` × ``twin_restarts`` optimiser steps.

    ``is_far``: the score is moved far, and not only until the claim is overturned. ``content`` says what is attacked,
    and is a part of the id of the finding. A ``kept`` twin was made by the same request before.

    Raises:
        PlanError: a claim or a method that cannot be attacked, with the reason.
    """
    built = make(model, plan, seed, request_against(claim, is_far=is_far), kept=kept, progress=progress)
    scores = {(ORIGINAL, method): _of_original(model, plan, seed, method) for method in claim.methods}
    claim = _in_usual_words(claim, scores[ORIGINAL, claim.method])
    for method in claim.methods:
        again = measure(model, plan, seed, method, variant=RERUN) if method_named(method).draws_at_random else None
        twins = None if built.model is None else measure(built.model, plan, seed, method, variant=built.variant.key)
        found = {(RERUN, method): again, (built.variant.key, method): twins}
        scores |= {place: one for place, one in found.items() if isinstance(one, Interpretation)}
    itself, beside = (_view(claim, scores, key) for key in (ORIGINAL, built.variant.key))
    name, original = number_in(claim, itself)
    is_defined = len(beside) == len(itself) and not _why_undefined(claim, beside)
    return Attacked(
        claim=claim,
        built=built,
        quantity=name,
        original=original,
        twin=number_in(claim, beside)[1] if is_defined else None,
        finding=_judged(claim, built, scores, plan, seed, content),
    )


def with_budget(plan: Plan, budget: int) -> Plan:
    """The plan with so many optimiser steps for an attack in all."""
    return replace(plan, twin_steps=budget, twin_restarts=1)


def request_against(claim: Claim, *, is_far: bool = False) -> VariantRequest:
    """The variant that attacks one claim; its name says which, so that equal attacks have one recipe."""
    stated = {**claim.to_json(), "method": claim.method, "component": claim.component.to_json()}
    parameters: dict[str, Json] = {"claim": stated, **({"far": True} if is_far else {})}
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]
    return VariantRequest(f"{ATTACK}{digest}", EQUIVALENCE, Kind.BEHAVIOURAL, parameters)


def _in_usual_words(claim: Claim, base: Interpretation) -> Claim:
    """The claim as it is made automatically, where it is: a witness is verified by the words of its claim."""
    card = replace(method_named(claim.method).card, scale_is_free=False)
    usual = claims_of(card, base, (claim.kind,))
    return next((one for one in usual if one.identity == claim.identity), claim)


def _view(claim: Claim, scores: Mapping[tuple[str, str], Interpretation], key: str) -> View:
    """The original beside one model, as each method of the claim that scores it sees both."""
    wanted, found = slice_of(claim), {}
    for method in claim.methods:
        if (key, method) in scores:
            base, other = (at_slice(scores[model, method], wanted) for model in (ORIGINAL, key))
            found[method] = Pairing(base, other, method_named(method).distance)
    return found


def _why_undefined(claim: Claim, view: View) -> str:
    return why_not_in(claim, view) if claim.kind in COMPOUND else view[claim.method].why_undefined(claim)


def _of_original(model: CanonicalTransformer, plan: Plan, seed: int, method: str) -> Interpretation:
    found = measure(model, plan, seed, method)
    if isinstance(found, NotApplicable):
        raise PlanError(f"{method} does not apply to this model: {found.reason}")
    return found


def _judged(
    claim: Claim, built: Built, scores: Mapping[tuple[str, str], Interpretation], plan: Plan, seed: int, content: str
) -> Finding | None:
    findings = findings_of(
        content,
        {method: method_named(method).card for method in claim.methods},
        [built.variant],
        scores,
        original=ORIGINAL,
        settings=statistics_of(plan, seed),
        claims={claim.method: [claim]},
    )
    return next(iter(findings), None)
