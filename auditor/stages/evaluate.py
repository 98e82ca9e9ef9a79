"""How the audited model behaves on its language."""

from __future__ import annotations

import torch

from auditor.behaviour.evaluation import full_behaviour
from auditor.canonical.model import CanonicalTransformer
from auditor.plans.plan import Plan
from auditor.records import Behaviour
from auditor.seeds import numpy_generator
from auditor.stages.sequences import behaviour_given


def evaluate(model: CanonicalTransformer, plan: Plan, seed: int) -> Behaviour:
    """Behaviour of the original on the user's strings where there are some, else on its language, in float32."""
    given = behaviour_given(model.task, plan, seed)
    return full_behaviour(
        model.clone(dtype=torch.float32),
        sequences=plan.behaviour_sequences,
        longer_sequences=plan.longer_sequences,
        generator=numpy_generator(seed, "behaviour"),
        given=None if given is None else given.inputs,
        classes=None if given is None else given.classes,
    )
