"""What the measuring of a standard audit costs: groups of methods, against one method at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, methods
from auditor.plans.cells import planned_methods, planned_variants
from auditor.plans.plan import PLANS, Plan
from auditor.records import Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.build import Built, build
from auditor.stages.certify import equivalence_of, rewritten
from auditor.stages.measure import Share, measure_group
from tests.benchmarks.timing import Line, seconds

CLASSIFIER = "dyck2x4-3layer-classifier"
GOAL = 8.0
"""How many times cheaper the groups have to be."""


def lines() -> Iterator[Line]:
    """The first certified variant of each equivalence, counted as often as the plan makes one of its kind."""
    plan, model = PLANS["standard"], load(zoo.path(CLASSIFIER)).model.double()
    names = planned_methods(plan)
    share = Share(model, plan, 0)
    requests = planned_variants(plan, model.architecture)
    grouped = naive = 0.0
    for equivalence in dict.fromkeys(request.equivalence for request in requests):
        count = sum(request.equivalence == equivalence for request in requests)
        built = build(model, plan, 0, f"{equivalence}/0")
        if built.variant.state is VariantState.CERTIFIED and built.model is not None:
            grouped += count * seconds(lambda built=built: _grouped(built, plan, names, share), repeats=1)
            naive += count * seconds(lambda built=built: _one_by_one(built, plan, names), repeats=1)
    yield Line("measuring of a standard audit, classifier", grouped, naive, "CPU s", more_is_better=False)
    yield Line("the same as a ratio", naive / grouped, 1.0, "times", goal=GOAL)


def _grouped(built: Built, plan: Plan, names: tuple[str, ...], share: Share) -> None:
    measure_group(_model(built), plan, 0, names, variant=built.variant.key, made=built.variant, share=share)


def _one_by_one(built: Built, plan: Plan, names: tuple[str, ...]) -> None:
    """Each method by itself: its own copy of the model, its own sequences, its own untouched pass."""
    for name in names:
        _alone(_model(built), built.variant, plan, name)


def _alone(model: CanonicalTransformer, variant: Variant, plan: Plan, name: str) -> None:
    plugin = methods()[name]
    if plugin.not_applicable(model) is not None:
        return
    inputs = draw_inputs(model.task, plan.sequences, numpy_generator(0, "interpretation"))
    inputs = rewritten(equivalence_of(variant.key), model, inputs, 0, "interpretation").after
    plugin.interpret(Request(model.clone(dtype=torch.float64), inputs, numpy_generator(0, "measure", name)))


def _model(built: Built) -> CanonicalTransformer:
    assert built.model is not None
    return built.model
