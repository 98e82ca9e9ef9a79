"""One model measured with a group of methods that share what they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from auditor.behaviour.input_batch import InputBatch, as_long_as
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import LanguageError
from auditor.measures.group import Asked, interpretations
from auditor.plans.looks import times_more
from auditor.plans.plan import Plan
from auditor.readings import in_variant, method_named, reading_of
from auditor.records import (
    BEFORE,
    ORIGINAL,
    RERUN,
    SAME_LENGTH,
    Agreement,
    Component,
    Interpretation,
    Kind,
    NotApplicable,
    Relabelling,
    Variant,
)
from auditor.records.interpretation import CIRCUIT
from auditor.seeds import numpy_generator
from auditor.stages.certify import equivalence_of, rewritten
from auditor.stages.sequences import interpretation_inputs
from auditor.verdicts.agreement import ROUNDING, difference


@dataclass(frozen=True)
class Failure:
    """What a method raised in place of scores."""

    error: Exception


Measured = Interpretation | Agreement | NotApplicable | Failure


@dataclass(frozen=True)
class Share:
    """The original measured on the first sequences, for exact variants to be compared with; each method once."""

    original: CanonicalTransformer
    plan: Plan
    seed: int
    found: dict[str, Interpretation | Exception] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> Mapping[str, Interpretation | Exception]:
        """The scores of the methods."""
        missing = [name for name in names if name not in self.found]
        self.found.update(_on_share(self.original, self.plan, self.seed, missing))
        return self.found


def measure_group(
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    names: Sequence[str],
    *,
    variant: str = ORIGINAL,
    made: Variant | None = None,
    share: Share | None = None,
    progress: Progress = silent,
    fatal: tuple[type[Exception], ...] = (),
) -> dict[str, Measured]:
    """The result of each method on the original or a variant, in float64; one that fails does not stop the others.

    A variant of kind input is the same model on other inputs; ``RERUN`` is the original with other random draws. With
    its record ``made`` and the ``share`` of the original an exact variant is first compared on few sequences: a method
    that finds no difference there is not run on the others. ``progress`` may raise to interrupt; errors of the types
    ``fatal`` are raised, whichever method they come from. With both a circuit of the original is measured under the
    names that the variant has for its heads.
    """
    if made is not None and share is not None and (own := _own_names(names, made, share.original, model)):
        rest = [name for name in names if name not in own]
        renamed = measure_group(model, plan, seed, [*own.values()], variant=variant, progress=progress, fatal=fatal)
        others = measure_group(
            model, plan, seed, rest, variant=variant, made=made, share=share, progress=progress, fatal=fatal
        )
        both = {**others, **{name: _under(renamed[one], name) for name, one in own.items()}}
        return {name: both[name] for name in names}
    exact = model.clone(dtype=torch.float64)
    try:
        given = _inputs_of(variant, model, plan, seed)
    except LanguageError as error:  # no sequence is as long as the rewritten ones
        return dict.fromkeys(names, NotApplicable(str(error)))
    found: dict[str, Measured] = {}
    for name in names:
        why_not = _why_not(name, exact, given)
        if why_not is not None:
            found[name] = NotApplicable(why_not)
    asked = [name for name in names if name not in found]
    if share is not None and made is not None and made.kind is Kind.EXACT:
        found |= _agreements(exact, share, made.relabelling, asked)
        asked = [name for name in asked if name not in found]
    draws, more = _with_draws(asked, seed, variant), times_more(plan)
    measured = interpretations(draws, exact, given.inputs, reference=given.reference, times_more=more)
    for index, (name, one) in enumerate(measured):
        if isinstance(one, fatal):
            raise one
        found[name] = Failure(one) if isinstance(one, Exception) else one
        progress((index + 1) / len(asked), name)
    return {name: found[name] for name in names}


def _own_names(
    names: Sequence[str], made: Variant, original: CanonicalTransformer, model: CanonicalTransformer
) -> dict[str, str]:
    """The names of the circuits that go by other names in a variant."""
    heads = original.architecture.heads, model.architecture.heads
    found = {name: in_variant(name, made.relabelling, *heads) for name in names}
    return {name: own for name, own in found.items() if own != name}


def _under(found: Measured, name: str) -> Measured:
    """A circuit's scores under the name of the original."""
    if not isinstance(found, Interpretation):
        return found
    circuit = Component(0, part=CIRCUIT + ", ".join(reading_of(name).members))
    return replace(found, method=name, components=(circuit,))


def measure(
    model: CanonicalTransformer, plan: Plan, seed: int, method: str, *, variant: str = ORIGINAL
) -> Interpretation | NotApplicable:
    """:func:`measure_group` for one method on all sequences, whose error is raised."""
    found = measure_group(model, plan, seed, [method], variant=variant)[method]
    if isinstance(found, Failure):
        raise found.error
    assert not isinstance(found, Agreement)
    return found


def _agreements(
    variant: CanonicalTransformer, share: Share, relabelling: Relabelling, names: Sequence[str]
) -> dict[str, Agreement]:
    """The methods whose scores on the share are the original's."""
    used = [name for name in names if _share_size(name) < share.plan.sequences]
    ours, agreeing = share.of(used), {}
    for name, theirs in _on_share(variant, share.plan, share.seed, used).items():
        base = ours[name]
        if isinstance(base, Interpretation) and isinstance(theirs, Interpretation):
            largest = difference(base, theirs, relabelling, method_named(name).distance)
            if largest <= ROUNDING:
                agreeing[name] = Agreement(len(base.values) if base.per_sequence else None, largest)
    return agreeing


def _on_share(
    model: CanonicalTransformer, plan: Plan, seed: int, names: Sequence[str]
) -> dict[str, Interpretation | Exception]:
    exact, inputs = model.clone(dtype=torch.float64), interpretation_inputs(model.task, plan, seed)
    by_size: dict[int, list[str]] = {}
    for name in names:
        by_size.setdefault(_share_size(name), []).append(name)
    found: dict[str, Interpretation | Exception] = {}
    for size, group in by_size.items():
        few = inputs.rows(slice(0, size))
        usable = [name for name in group if method_named(name).not_applicable(exact) is None]
        found.update(interpretations(_with_draws(usable, seed, ORIGINAL), exact, few, only_compared=True))
        found |= {name: ValueError("not applicable") for name in group if name not in usable}
    return found


def _share_size(name: str) -> int:
    return method_named(name).share


def _with_draws(names: Sequence[str], seed: int, variant: str) -> Asked:
    rerun = ("again",) if variant == RERUN else ()
    return [(method_named(name), numpy_generator(seed, "measure", name, *rerun)) for name in names]


@dataclass(frozen=True)
class _Given:
    """What a subject is measured on. ``reference``: where means are taken, the original's own inputs, if not there."""

    inputs: InputBatch
    reference: InputBatch | None = None
    is_rewritten: bool = False


def _inputs_of(variant: str, model: CanonicalTransformer, plan: Plan, seed: int) -> _Given:
    inputs = interpretation_inputs(model.task, plan, seed)
    if variant in (ORIGINAL, RERUN):
        return _Given(inputs)
    moved = rewritten(equivalence_of(variant), model, inputs, seed, "interpretation")
    if moved.before is moved.after:
        return _Given(moved.after)
    if variant.endswith(f"/{BEFORE}"):
        return _Given(moved.before, inputs)
    if variant.endswith(f"/{SAME_LENGTH}"):
        return _Given(as_long_as(moved.after, numpy_generator(seed, "same length", variant)), inputs)
    return _Given(moved.after, inputs, is_rewritten=True)


def _why_not(name: str, exact: CanonicalTransformer, given: _Given) -> str | None:
    plugin = method_named(name)
    why_not = plugin.not_applicable(exact)
    if why_not is not None or not given.is_rewritten:
        return why_not
    if plugin.by_position:
        return "its scores are laid out by position, and the inputs of this variant have others"
    if not plugin.input_claims:
        return "other inputs are free to change its scores: it makes no claim that they should keep"
    return None
