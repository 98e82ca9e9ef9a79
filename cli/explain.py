"""``submit --explain``: what an audit would compute, how long it would take, and what it could detect."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cli.following import processes
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded
    from auditor.plans.plan import Plan
    from cli.output import Output


def explain(output: Output, loaded: Loaded, plan: Plan, *, seed: int, as_json: bool) -> None:
    """Look ahead for one checkpoint; stores nothing."""
    from auditor.plans.forecast import forecast

    with tracking(output) as track:
        found = forecast(loaded.model, plan, seed=seed, progress=partial(track.move, f"looking ahead: {loaded.name}"))
    if as_json:
        output.document({"model": loaded.name, **found.to_json()})
        return
    minutes = found.seconds / 60 / processes()
    output.text(
        f"{loaded.name}, plan {plan.name}: {found.cells} cells, {sum(found.variants.values())} variants of "
        f"{len(found.variants)} equivalences, {plan.sequences} sequences; about {minutes:.1f} min on {processes()} "
        f"processes"
    )
    rows = [
        (
            one.name,
            "–" if one.why_not else f"{one.seconds:.2f}",
            "–" if one.detectable is None else f"{one.detectable:.0%}",
            one.why_not or "",
        )
        for one in found.methods
    ]
    output.table(("method", "seconds a model>", "smallest change it detects>", "not applicable"), rows)
    output.table(("equivalence", "variants>"), list(found.variants.items()))
    for name, why in found.not_applicable.items():
        output.note(f"{name}: not applicable, {why}")
    output.note("changes under exact symmetries are deterministic: any above rounding is found")
