"""What the weights of a twin follow from: equal recipes on equal models give equal twins, so one is made only once."""

from __future__ import annotations

from auditor.contracts import equivalences
from auditor.plans.cells import VariantRequest
from auditor.plans.plan import Plan
from auditor.provenance import versions
from auditor.records import Json, Kind
from auditor.stages.build import parameters_of

COMPUTING = ("dyck-audit", "torch", "numpy", "scipy")
"""Whose version can change the weights of a twin."""


def recipe_of(request: VariantRequest, plan: Plan, seed: int) -> dict[str, Json] | None:
    """All that a behavioural twin depends on besides its model; None for the other kinds, which cost next to nothing.

    The certificate is no part of it: each audit certifies on held-out sequences of its own.
    """
    if request.kind is not Kind.BEHAVIOURAL:
        return None
    equivalence = equivalences()[request.equivalence]
    found = versions([equivalence])
    return {
        "variant": request.key,
        "version": equivalence.version,
        "parameters": parameters_of(request, plan),
        "seed": seed,
        **({} if plan.strings is None else {"strings": plan.strings.to_json(), "sequences": plan.sequences}),
        "versions": {name: found[name] for name in (*COMPUTING, "plugins") if name in found},
    }
