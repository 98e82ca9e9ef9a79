"""The audit as one function in reading order. Workers follow the same cells and call the same steps (``stages/``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.plans.cells import planned_cells
from auditor.plans.own_strings import with_strings
from auditor.plans.plan import Plan, check_plan, read_plan
from auditor.provenance import local_audit_header, local_model_header
from auditor.records import Agreement, AuditReport, Interpretation, NotApplicable, Stage, VariantState, variant_of
from auditor.stages.build import Built, build
from auditor.stages.conclude import Results, conclude
from auditor.stages.evaluate import evaluate
from auditor.stages.measure import Failure, Share, measure_group
from auditor.strings.parts import facts_of
from auditor.strings.reading import open_strings, strings_of


def audit(
    model: CanonicalTransformer,
    plan: str | Plan = "quick",
    *,
    seed: int = 0,
    strings: str | Path | Sequence[str] | None = None,
    progress: Progress = silent,
) -> AuditReport:
    """Audit a model in this process: no database and no broker needed.

    ``strings`` are sequences of your own, in a file or a list, in place of those drawn from the task.

    Raises:
        PlanError: no such plan, or one that cannot run.
        LanguageError: strings that cannot be read or asked, or too few of them.
        CheckpointError: weights that are not finite.
    """
    chosen = read_plan(plan) if isinstance(plan, str) else plan
    check_plan(chosen)
    if strings is not None:
        chosen = _on_strings(chosen, model, strings)
    header = local_model_header(model)
    cells = planned_cells(chosen, model.architecture)
    behaviour = evaluate(model, chosen, seed)  # the cell that needs nothing
    built: dict[str, Built] = {}
    interpretations: dict[tuple[str, str], Interpretation | Agreement] = {}
    not_applicable: dict[tuple[str, str], NotApplicable] = {}
    share = Share(model, chosen, seed)
    for index, cell in enumerate(cells):
        progress(index / len(cells), cell.key)
        key = cell.variant
        if cell.stage is Stage.BUILD:
            built[key] = build(model, chosen, seed, key)
        elif cell.stage is Stage.MEASURE:
            of = variant_of(key)
            subject = _certified(built[of]) if of in built else model
            names = cell.methods if subject is not None else ()
            made = built[of].variant if of in built else None
            measured = measure_group(subject or model, chosen, seed, names, variant=key, made=made, share=share)
            for name, found in measured.items():
                if isinstance(found, Interpretation | Agreement):
                    interpretations[key, name] = found
                elif isinstance(found, NotApplicable):
                    not_applicable[key, name] = found
                else:
                    raise _named(found, key, name)
    variants = tuple(one.variant for one in built.values())
    results = Results(behaviour, variants, interpretations, not_applicable)
    facts = None if chosen.strings is None else facts_of(model.task, chosen.strings)
    return conclude(local_audit_header(chosen, seed, facts), header, chosen, seed, results)


def _on_strings(plan: Plan, model: CanonicalTransformer, strings: str | Path | Sequence[str]) -> Plan:
    if isinstance(strings, str | Path):
        path = Path(strings)
        return with_strings(plan, model, open_strings(path), path.name)
    return with_strings(plan, model, strings_of(strings), "strings")


def _certified(built: Built) -> CanonicalTransformer | None:
    return built.model if built.variant.state is VariantState.CERTIFIED else None


def _named(failure: Failure, variant: str, method: str) -> Exception:
    failure.error.add_note(f"in the method {method} on {variant}")
    return failure.error
