"""Two models compared on sequences that neither was made with."""

from __future__ import annotations

import torch

from auditor.behaviour.certificate import EXACT_SEQUENCES, certify_behavioural, certify_exact
from auditor.behaviour.input_batch import InputBatch, Rewritten
from auditor.behaviour.weight_noise import noise_yardstick
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Request, equivalences
from auditor.errors import PlanError
from auditor.plans.plan import Plan
from auditor.records import Certificate, Kind
from auditor.seeds import numpy_generator
from auditor.stages.sequences import certificate_inputs, held_out


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
        inputs = certificate_inputs(ours.task, plan, count, seed)
        return certify_exact(ours, theirs, inputs, compares=plugin.compares)
    drawn = held_out(ours, plan, seed)
    given = {
        where: rewritten(plugin, ours, inputs, seed, f"certificate/{where}".rstrip("/"))
        for where, inputs in drawn.items()
    }
    return certify_behavioural(
        ours,
        theirs,
        given[""],
        given.get("longer"),
        deeper=given.get("deeper"),
        rare=given.get("rare"),
        weight_noise=noise_yardstick(ours, drawn[""], drawn.get("longer"), seed),
        generator=numpy_generator(seed, "certificate", "decisions"),
    )


def rewritten(
    plugin: Equivalence, model: CanonicalTransformer, inputs: InputBatch, seed: int, purpose: str
) -> Rewritten:
    """The inputs as an equivalence of kind input rewrites them; for the other kinds, the same inputs."""
    return plugin.rewrite(Request(model, inputs, numpy_generator(seed, "rewrite", plugin.name, purpose)))


def equivalence_of(variant_key: str) -> Equivalence:
    """The plug-in that makes a variant.

    Raises:
        PlanError: there is none of that name.
    """
    name = variant_key.split("/", maxsplit=1)[0]
    if name not in equivalences():
        raise PlanError(f"unknown equivalence {name!r}", action="see dyck-audit equivalences")
    return equivalences()[name]
