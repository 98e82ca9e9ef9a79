"""One model measured with a group of methods that share what they read: the sequences and the float64 copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, Request, methods, silent
from auditor.language.task import Task
from auditor.plans.plan import Plan
from auditor.records import ORIGINAL, RERUN, Interpretation, NotApplicable
from auditor.seeds import numpy_generator
from auditor.stages.certify import equivalence_of, rewritten


@dataclass(frozen=True)
class Failure:
    """What a method raised in place of scores."""

    error: Exception


Measured = Interpretation | NotApplicable | Failure


def measure_group(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    names: Sequence[str],
    *,
    variant: str = ORIGINAL,
    progress: Progress = silent,
    fatal: tuple[type[Exception], ...] = (),
) -> dict[str, Measured]:
    """What each method says of the original or of a variant, in float64; one that fails leaves the others theirs.

    A variant of kind input is the same model on other inputs; ``RERUN`` is the original with other random draws.
    ``progress`` may raise to interrupt; errors of the types ``fatal`` are raised, whichever method they come from.
    """
    exact = model.clone(dtype=torch.float64)
    inputs = _inputs_of(variant, model, plan, seed)
    found: dict[str, Measured] = {}
    for index, name in enumerate(names):
        progress(index / len(names), name)
        try:
            found[name] = _measured(name, exact, inputs, seed, variant)
        except fatal:
            raise
        except Exception as error:  # noqa: BLE001 - a plug-in's door: one method's defect must not be another's
            found[name] = Failure(error)
    return found


def measure(
    model: CanonicalTransformer, plan: Plan, seed: int, method: str, *, variant: str = ORIGINAL
) -> Interpretation | NotApplicable:
    """:func:`measure_group` for one method, whose error is raised."""
    found = measure_group(model, plan, seed, [method], variant=variant)[method]
    if isinstance(found, Failure):
        raise found.error
    return found


def interpretation_inputs(task: Task, plan: Plan, seed: int) -> InputBatch:
    """The sequences that every method sees: the same for the original and all variants of an audit."""
    return draw_inputs(task, plan.sequences, numpy_generator(seed, "interpretation"))


def _inputs_of(variant: str, model: CanonicalTransformer, plan: Plan, seed: int) -> Rewritten:
    inputs = interpretation_inputs(model.task, plan, seed)
    if variant in (ORIGINAL, RERUN):
        return Rewritten(inputs, inputs)
    return rewritten(equivalence_of(variant), model, inputs, seed, "interpretation")


def _measured(
    name: str, exact: CanonicalTransformer, inputs: Rewritten, seed: int, variant: str
) -> Interpretation | NotApplicable:
    plugin = methods()[name]
    why_not = plugin.not_applicable(exact)
    if why_not is not None:
        return NotApplicable(why_not)
    if inputs.after is not inputs.before and plugin.by_position:
        return NotApplicable("its scores are laid out by position, and the inputs of this variant have others")
    generator = numpy_generator(seed, "measure", name, *(("again",) if variant == RERUN else ()))
    return plugin.interpret(Request(exact, inputs.after, generator))
