"""From a plan to what an audit does: its methods, its variants, and the cells in their one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.canonical.architecture import Architecture
from auditor.contracts import Equivalence, equivalences, methods
from auditor.errors import PlanError
from auditor.plans.plan import PLANS, Plan
from auditor.readings import method_named
from auditor.records import ALL_OTHERS, BEFORE, ORIGINAL, RERUN, SAME_LENGTH, Cell, Json, Kind, Stage


@dataclass(frozen=True, slots=True)
class VariantRequest:
    """One variant that a plan asks for."""

    key: str
    equivalence: str
    kind: Kind
    parameters: Mapping[str, Json]


def planned_methods(plan: Plan) -> tuple[str, ...]:
    """Names of the methods to run."""
    return plan.methods or tuple(name for name, one in methods().items() if _reaches(plan, one.smallest_plan))


def methods_to_rerun(plan: Plan) -> tuple[str, ...]:
    """Those that draw at random: a second run on the original measures how much that alone moves their scores."""
    return tuple(name for name in planned_methods(plan) if method_named(name).draws_at_random)


def planned_equivalences(plan: Plan) -> tuple[str, ...]:
    """Names of the equivalences to make variants of."""
    return plan.equivalences or tuple(name for name, one in equivalences().items() if _reaches(plan, one.smallest_plan))


def planned_variants(plan: Plan, architecture: Architecture) -> tuple[VariantRequest, ...]:
    """Every variant to make; the trained ones first, because they take longest and so overlap with the rest."""
    requests = []
    for name in planned_equivalences(plan):
        plugin = equivalences()[name]
        for index, parameters in enumerate(plugin.choices(architecture, _variants_of(plugin, plan))):
            requests.append(VariantRequest(f"{name}/{index}", name, plugin.kind, parameters))
    return tuple(sorted(requests, key=lambda request: request.kind is Kind.EXACT))


def planned_variant(plan: Plan, architecture: Architecture, key: str) -> VariantRequest:
    """The variant with this key.

    Raises:
        PlanError: the plan asks for no such variant.
    """
    for request in planned_variants(plan, architecture):
        if request.key == key:
            return request
    raise PlanError(f"the plan {plan.name!r} has no variant {key!r}")


def planned_cells(plan: Plan, architecture: Architecture) -> tuple[Cell, ...]:
    """All cells of an audit, in the order of its report.

    One cell measures one variant with all methods, so that the model is loaded and the sequences are drawn once. Beside
    rewritten inputs the original is measured on the decisions that they share, and on other sequences as long as they.
    """
    names, again = planned_methods(plan), methods_to_rerun(plan)
    compared = tuple(name for name in names if method_named(name).input_claims)
    keys = [request.key for request in planned_variants(plan, architecture)]
    return (
        Cell("behaviour", Stage.BEHAVIOUR),
        *(Cell(f"build/{key}", Stage.BUILD, variant=key) for key in keys),
        Cell(f"measure/{ORIGINAL}", Stage.MEASURE, methods=names),
        *([Cell(f"measure/{RERUN}", Stage.MEASURE, None, RERUN, again)] if again else []),
        *(Cell(f"measure/{key}", Stage.MEASURE, f"build/{key}", key, names) for key in keys),
        *(
            Cell(f"measure/{key}/{beside}", Stage.MEASURE, f"build/{key}", f"{key}/{beside}", compared)
            for key in keys
            if compared and equivalences()[variant_name(key)].rewrites
            for beside in (BEFORE, SAME_LENGTH)
        ),
        Cell("conclude", Stage.CONCLUDE, ALL_OTHERS),
    )


def variant_name(key: str) -> str:
    """The equivalence of a variant, by its key."""
    return key.split("/", maxsplit=1)[0]


def _variants_of(plugin: Equivalence, plan: Plan) -> int:
    """How many variants a plan asks of an equivalence: one of a kind that only the broadest plan trains by default."""
    if plugin.kind is Kind.EXACT:
        return plan.exact_variants
    is_extra = plugin.kind is Kind.BEHAVIOURAL and plugin.smallest_plan == "full" and not plan.equivalences
    return min(1, plan.behavioural_variants) if is_extra else plan.behavioural_variants


def _reaches(plan: Plan, smallest: str) -> bool:
    """Whether a plan is at least as broad as the smallest that runs a plug-in."""
    order = tuple(PLANS)
    return order.index(smallest) <= order.index(plan.breadth)
