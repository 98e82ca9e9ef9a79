"""The sequences of an audit, drawn once per process: its cells ask for the same ones again and again."""

from __future__ import annotations

from functools import lru_cache

from auditor.behaviour.certificate import LONGER_SEQUENCES
from auditor.behaviour.evaluation import certificate_lengths, draw_deeper
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.language.task import Task
from auditor.plans.plan import Plan
from auditor.seeds import numpy_generator

KEPT = 16
"""Batches kept: those of about three audits."""


def interpretation_inputs(task: Task, plan: Plan, seed: int) -> InputBatch:
    """The sequences that every method sees: the same for the original and all variants of an audit."""
    return _drawn(task, plan.sequences, seed, ("interpretation",))


def search_inputs(task: Task, plan: Plan, seed: int) -> InputBatch:
    """The sequences that the making of a variant may look at."""
    return _drawn(task, plan.sequences, seed, ("search",))


def certificate_inputs(task: Task, count: int, seed: int) -> InputBatch:
    """Held-out sequences in distribution."""
    return _drawn(task, count, seed, ("certificate",))


def held_out(model: CanonicalTransformer, plan: Plan, seed: int) -> dict[str, InputBatch]:
    """Sequences of a behavioural certificate: in distribution, longer and deeper where the model can read them."""
    found = {"": certificate_inputs(model.task, plan.certificate_sequences, seed)}
    lengths = certificate_lengths(model)
    if lengths is not None:
        count = max(plan.longer_sequences, LONGER_SEQUENCES)
        found["longer"] = _drawn(model.task, count, seed, ("certificate", "longer"), lengths)
    deeper = draw_deeper(model, plan.longer_sequences, numpy_generator(seed, "certificate", "deeper"))
    return found if deeper is None else {**found, "deeper": deeper}


@lru_cache(maxsize=KEPT)
def _drawn(
    task: Task, count: int, seed: int, purpose: tuple[str, ...], lengths: tuple[int, int] | None = None
) -> InputBatch:
    return draw_inputs(task, count, numpy_generator(seed, *purpose), lengths=lengths)
