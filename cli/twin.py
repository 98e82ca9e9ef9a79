"""``twin``: one function-preserving variant of a checkpoint, or one against a method, with its certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.checkpoints import read_checkpoint
from cli.destinations import require_empty
from cli.invocation import invocation
from cli.options import AsJson, Checkpoint, Config, EntryName, FormatName, PlanName, Seed, Strings, StringsFormat
from cli.output import Output
from cli.progress import tracking
from cli.strings import planned

if TYPE_CHECKING:
    from auditor.plans.plan import Plan
    from auditor.records import Certificate, Variant
    from auditor.stages.attack import Attacked


BOUNDED = {
    "closing_accuracy": "closing_accuracy_upper95",
    "longer_closing_accuracy": "longer: closing_accuracy_upper95",
    "longer_kl_upper95_nats": "longer: kl_upper95_nats",
    "longer_disagreement_upper95": "longer: disagreement_upper95",
    "worst_string_kl_nats": "worst_string: kl_nats",
}
"""The number of a certificate that a margin bounds, where it has another name."""


def twin(
    context: typer.Context,
    checkpoint: Checkpoint,
    *,
    equivalence: Annotated[
        str | None, typer.Option(help="A name from `equivalences`; or give --against.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help="Move what this method says, as far as it goes.", show_default=False),
    ] = None,
    component: Annotated[
        str | None,
        typer.Option(metavar="L1H0", help="Whose score --against moves.", show_default="the top one, or the last"),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps of --against in all.", show_default="the plan's")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write; new or empty.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Which variant, such as target=L0H1.", show_default=False),
    ] = None,
    strings: Strings = None,
    strings_format: StringsFormat = "auto",
    plan: PlanName = "quick",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps of a trained twin.", show_default="the plan's")
    ] = None,
    config: Config = None,
    format_name: FormatName = "auto",
    entry: EntryName = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make one function-preserving variant and write it with its certificate; exit 1 if it is not certified.

    With --against: the variant that moves what a method says as far as its certificate allows.
    """
    from auditor.errors import PlanError
    from auditor.exports.twin import export_twin, make_twin
    from auditor.stages.attack import attack_method, with_budget

    chosen, output = _chosen(settings or ()), invocation(context).output
    _require_one(equivalence, against, component=component, budget=budget, settings=settings, steps=steps)
    require_empty(out)
    sizes = _sizes(plan, steps) if budget is None else with_budget(_sizes(plan, steps), budget)
    loaded = read_checkpoint(checkpoint, output, config=config, format_name=format_name, entry=entry)
    sizes = planned(sizes, loaded, strings, strings_format)
    attacked: Attacked | None = None
    with tracking(output) as track:
        move = partial(track.move, equivalence or f"against {against}")
        if equivalence is not None:
            built = make_twin(loaded.model, equivalence, sizes, seed, chosen=chosen, progress=move)
        else:
            attacked = attack_method(loaded.model, sizes, seed, against or "", component=component, progress=move)
            built = attacked.built
    if built.model is None:
        raise PlanError(f"{built.variant.equivalence} makes no twin of {loaded.name}: {built.variant.reason}")
    export_twin(out, original=loaded.model, built=built, plan=sizes, name=loaded.name)
    print_result(output, built.variant, out, attacked, as_json=as_json)
    if built.variant.state != "certified":
        output.error(f"{built.variant.key} is not certified: {built.variant.reason}; its files are in {out}")
        raise typer.Exit(1)


def _require_one(
    equivalence: str | None, against: str | None, *, settings: object, steps: object, **aim: object
) -> None:
    if (equivalence is None) == (against is None):
        raise typer.BadParameter("give either --equivalence NAME or --against METHOD")
    foreign = {"set": settings, "steps": steps} if equivalence is None else aim
    for name, value in foreign.items():
        if value:
            raise typer.BadParameter(
                f"--{name} does not go with --{'against' if equivalence is None else 'equivalence'}"
            )


def _chosen(settings: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in settings]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise typer.BadParameter(f"--set {name}{sign}{value}: give NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _sizes(plan: str, steps: int | None) -> Plan:
    from auditor.plans.plan import read_plan

    found = read_plan(plan)
    return found if steps is None else replace(found, twin_steps=steps)


def print_result(
    output: Output, variant: Variant, out: Path, attacked: Attacked | None = None, *, as_json: bool
) -> None:
    """The certificate as a table, or the variant as JSON, and how to check it; for an attack, what it has moved."""
    if as_json:
        more = {} if attacked is None else {"attack": attacked.to_json()}
        output.document({"directory": str(out), "variant": variant.to_json(), **more})
        return
    from auditor.report.wording import setting, words

    if attacked is not None:
        output.table(("attack", ""), _moved(attacked))
        output.text("")
    facts = [("variant", variant.key), ("kind", str(variant.kind)), ("state", words(variant.state))]
    facts += [(words(name), setting(value)) for name, value in variant.parameters.items()]
    if variant.seconds is not None:
        facts.append(("seconds", setting(variant.seconds)))
    output.table(("twin", ""), facts)
    if variant.certificate is not None:
        output.text("")
        output.table(("certificate", "found>", "at most>"), list(certificate_rows(variant.certificate)))
    output.note(f"check it from its files with `dyck-audit verify {out}`")


def _moved(attacked: Attacked) -> list[tuple[str, str]]:
    from auditor.report.wording import number, words

    verdict = "not certified, so no witness" if attacked.finding is None else words(attacked.finding.verdict)
    return [
        ("claim", attacked.claim.text),
        (f"{words(attacked.quantity)} of the original", number(attacked.original)),
        (f"{words(attacked.quantity)} of the twin", "undefined" if attacked.twin is None else number(attacked.twin)),
        ("verdict under this twin", verdict),
        ("optimiser steps", f"{attacked.spent:,} of {attacked.budget:,}"),
    ]


def certificate_rows(certificate: Certificate) -> Iterator[tuple[str, str, str]]:
    """Each number that was measured, beside its margin where it has one."""
    from auditor.report.view import measured
    from auditor.report.wording import number, share, words

    facts: Mapping[str, Any] = certificate.to_json()
    margins = {BOUNDED.get(name, name): margin for name, margin in certificate.margins.items()}
    for name, value in facts.items():
        if isinstance(value, Mapping) and name != "margins":
            for inner, entry in value.items():
                place = f"{name}: {inner}"
                yield words(place), measured(inner, entry), number(margins.get(place))
        elif name == "rows":
            yield from _weak_rows(certificate)
        elif name == "closing_accuracy" and value is not None:
            yield words(name), " and ".join(share(one) for one in value), number(None)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield words(name), measured(name, value), number(margins.get(name))


def _weak_rows(certificate: Certificate) -> Iterator[tuple[str, str, str]]:
    """The worst bin of each way to cut the outputs, beside the margin of all bins."""
    from auditor.report.wording import number, words

    for row in certificate.rows:
        margin = "row_" if row.inputs == "in_distribution" else "longer_row_"
        bounds = (
            ("kl_upper95_nats", row.kl_upper95_nats, row.kl_at),
            ("disagreement_upper95", row.disagreement_upper95, row.disagreement_at),
        )
        for name, value, place in bounds:
            if value is not None:
                label = words(f"{row.inputs}, worst {row.by} ({place}): {name}")
                yield label, number(value), number(certificate.margins.get(margin + name))
