"""``submit --explain``: what an audit would compute, how long it would take, and what it could detect."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cli.following import processes
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded
    from auditor.plans.plan import Plan
    from auditor.settings import Settings
    from cli.output import Output


def explain(output: Output, settings: Settings, loaded: Loaded, plan: Plan, *, seed: int, as_json: bool) -> None:
    """Forecast the audit of one checkpoint; stores nothing."""
    from auditor.plans.forecast import forecast

    kept = _kept(settings, loaded, plan, seed)
    with tracking(output) as track:
        move = partial(track.move, f"estimating: {loaded.name}")
        found = forecast(loaded.model, plan, seed=seed, kept=kept, progress=move)
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
    if found.reruns:
        verb = "method draws" if found.reruns == 1 else "methods draw"
        output.note(f"{found.reruns} {verb} at random; each is run twice on the original")
    if found.kept:
        verb = "twin is" if found.kept == 1 else "twins are"
        output.note(f"{found.kept} {verb} kept from earlier audits and only certified again")
    output.note("changes under exact symmetries are deterministic: any above rounding is found")


def _kept(settings: Settings, loaded: Loaded, plan: Plan, seed: int) -> frozenset[str]:
    """The variants whose twins the store has; without a usable database there are none, and none is made."""
    from auditor.errors import StoreError
    from auditor.store.session import open_database
    from workers.building import kept_variants

    try:
        database = open_database(settings.database_url, create=False)
    except StoreError:
        return frozenset()
    try:
        with database.transaction(read_only=True) as session:
            return kept_variants(session, loaded.model, plan, seed)
    finally:
        database.dispose()
