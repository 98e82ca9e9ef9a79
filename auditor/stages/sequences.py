"""The sequences of an audit, drawn once per process: its cells ask for the same ones again and again.

They are drawn from the task, or taken from the user's strings where the plan has some. Longer and deeper ones are
always drawn.
"""

from __future__ import annotations

from functools import lru_cache

from auditor.behaviour.certificate import LONGER_SEQUENCES
from auditor.behaviour.evaluation import certificate_lengths, draw_deeper
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.behaviour.rare_states import draw_rare
from auditor.canonical.model import CanonicalTransformer
from auditor.language.task import Task
from auditor.plans.plan import Plan
from auditor.records import Kind, StringsFile
from auditor.seeds import numpy_generator
from auditor.strings.parts import Given, Part, take

TWIN_SEQUENCES = 500
"""Seen by the making of a trained twin, so that plans of equal effort share their twins."""

KEPT = 16
"""Batches kept: those of about three audits."""


def interpretation_inputs(task: Task, plan: Plan, seed: int) -> InputBatch:
    """The sequences that every method sees: the same for the original and all variants of an audit."""
    return _of_part(task, plan, seed, Part.INTERPRETATION, plan.sequences)


def search_inputs(task: Task, kind: Kind, plan: Plan, seed: int) -> InputBatch:
    """The sequences that the making of a variant may look at.

    A trained twin sees as many under every plan, but of a user's strings as many as the plan takes.
    """
    is_trained = kind is Kind.BEHAVIOURAL and plan.strings is None
    return _of_part(task, plan, seed, Part.SEARCH, TWIN_SEQUENCES if is_trained else plan.sequences)


def certificate_inputs(task: Task, plan: Plan, count: int, seed: int) -> InputBatch:
    """Held-out sequences in distribution."""
    return _of_part(task, plan, seed, Part.CERTIFICATE, count)


def behaviour_given(task: Task, plan: Plan, seed: int) -> Given | None:
    """The user's strings that the original is judged on; None where the plan has none."""
    return None if plan.strings is None else take(task, plan.strings, Part.WHOLE, plan.behaviour_sequences, seed)


def held_out(model: CanonicalTransformer, plan: Plan, seed: int) -> dict[str, InputBatch]:
    """Sequences of a behavioural certificate: in distribution, with rare states, longer and deeper where they exist."""
    found = {"": certificate_inputs(model.task, plan, plan.certificate_sequences, seed)}
    lengths = certificate_lengths(model)
    if lengths is not None:
        count = max(plan.longer_sequences, LONGER_SEQUENCES)
        found["longer"] = _drawn(model.task, count, seed, ("certificate", "longer"), lengths)
    rare = _rare(model.task, seed)
    if rare is not None:
        found["rare"] = rare
    deeper = draw_deeper(model, plan.longer_sequences, numpy_generator(seed, "certificate", "deeper"))
    return found if deeper is None else {**found, "deeper": deeper}


def _of_part(task: Task, plan: Plan, seed: int, part: Part, count: int) -> InputBatch:
    if plan.strings is None:
        return _drawn(task, count, seed, (str(part),))
    return _taken(task, plan.strings, part, count, seed)


@lru_cache(maxsize=KEPT)
def _taken(task: Task, strings: StringsFile, part: Part, count: int, seed: int) -> InputBatch:
    return take(task, strings, part, count, seed).inputs


@lru_cache(maxsize=KEPT)
def _drawn(
    task: Task, count: int, seed: int, purpose: tuple[str, ...], lengths: tuple[int, int] | None = None
) -> InputBatch:
    return draw_inputs(task, count, numpy_generator(seed, *purpose), lengths=lengths)


@lru_cache(maxsize=KEPT)
def _rare(task: Task, seed: int) -> InputBatch | None:
    return draw_rare(task, numpy_generator(seed, "certificate", "rare"))
