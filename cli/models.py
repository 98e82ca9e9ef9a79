"""``models``: the stored models and the bundled ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.destinations import require_free
from cli.documents import document, moment
from cli.invocation import invocation
from cli.options import AsJson, Force, Limit, ModelName, ServerUrl, TokenFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.store.functions import Function

COLUMNS = (
    "model",
    "name",
    "format",
    "shape",
    "parameters>",
    "language",
    "stored (UTC)",
    "function",
    "same function as",
)

app = typer.Typer(no_args_is_help=True, help="The stored models and the bundled ones: list, show, export, remove, zoo.")


@app.command("list")
def list_(
    context: typer.Context,
    limit: Limit = 50,
    server: ServerUrl = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the stored models, newest first. Models of one function carry one label."""
    from auditor.store.functions import list_functions
    from auditor.store.models import list_models
    from cli.api_documents import ListedModel

    door = invocation(context)
    if server is None:
        with door.reading() as session:
            computes = list_functions(session)
            found = [ListedModel.of(one, computes[one.id]) for one in list_models(session, limit=limit)]
    else:
        from cli.remote.store import remote_store

        with remote_store(server, token_file, door.output) as store:
            found = store.models(limit)
    if as_json:
        door.output.document({"models": document(found)})
        return
    rows = [
        (
            m.id,
            m.name,
            m.format,
            shape(m.architecture),
            f"{m.parameters:,}",
            language(m.task),
            moment(m.created_at),
            m.function,
            ", ".join(m.same_function_as) or None,
        )
        for m in found
    ]
    if rows:
        door.output.table(COLUMNS, rows)
    else:
        door.output.note("no models yet; store one with `dyck-audit submit CHECKPOINT`, or see `dyck-audit models zoo`")


@app.command()
def show(context: typer.Context, model: ModelName, as_json: AsJson = False) -> None:
    """Show one stored model and its audits."""
    from auditor.report.wording import setting, words
    from auditor.store.audits import list_audits
    from auditor.store.filters import AuditFilter
    from auditor.store.functions import list_functions
    from auditor.store.models import get_model

    door = invocation(context)
    with door.reading() as session:
        found = get_model(session, model)
        audits = list_audits(session, AuditFilter(model=found.id, limit=None)).rows
        computes = list_functions(session)[found.id]
    if as_json:
        door.output.document(document(found) | _function(computes) | {"audits": [audit.id for audit in audits]})
        return
    facts: dict[str, Any] = document(found) | {"function_fingerprint": computes.label}
    facts["same_function_as"] = ", ".join(computes.shared_with) or None
    for part in ("architecture", "task"):
        facts |= {f"{part}: {name}": value for name, value in facts.pop(part).items() if value is not None}
    rows = [(words(name), setting(value)) for name, value in facts.items()]
    door.output.table(("model", ""), [*rows, ("audits", ", ".join(audit.id for audit in audits) or None)])


@app.command()
def export(
    context: typer.Context,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="The native file to write.", show_default=False)],
    canonical: Annotated[
        bool, typer.Option("--canonical", help="The gauge-fixed form of its weights, in float64.")
    ] = False,
    force: Force = False,
) -> None:
    """Write a stored model as a native file, which any command reads again."""
    from auditor.canonical.architecture import Architecture
    from auditor.canonical.serialisation import model_from_bytes
    from auditor.checkpoints.native_file import save_native
    from auditor.language.task import Task
    from auditor.store.models import get_model
    from auditor.store.results import load_weights

    require_free(out, force=force)
    door = invocation(context)
    with door.reading() as session:
        found = get_model(session, model)
        weights = load_weights(session, found.weights_sha256)
    architecture, task = Architecture.from_json(found.architecture), Task.from_json(found.task)
    written = model_from_bytes(weights, architecture, task)
    if canonical:
        from auditor.symmetries.gauge_fixing.canonical_form import canonicalise, largest_logit_difference

        source, written = written, canonicalise(written)
        door.output.note(f"max|Δlogit| = {largest_logit_difference(source, written):.1e} to the stored model")
    save_native(written, out)
    door.output.text(str(out))


@app.command()
def remove(
    context: typer.Context,
    model: ModelName,
    with_audits: Annotated[bool, typer.Option("--with-audits", help="Its audits too.")] = False,
) -> None:
    """Remove a stored model; with --with-audits its audits too."""
    from auditor.store.removal import remove_model

    door = invocation(context)
    with door.database() as database, database.transaction() as session:
        removed = remove_model(session, model, with_audits=with_audits)
    door.output.line(f"removed {removed.id} {removed.name}")


@app.command("zoo")
def zoo_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the bundled models; every CHECKPOINT argument takes their names."""
    from auditor import zoo
    from auditor.report.wording import share

    cards = {name: zoo.card(name) for name in zoo.names()}
    output = invocation(context).output
    if as_json:
        output.document({"models": list(cards.values())})
        return
    rows = [
        (
            name,
            shape(card["architecture"]),
            f"{card['parameters']:,}",
            language(card["task"]),
            share(card["behaviour"]["in_distribution"].get("closing_accuracy")),
            card["summary"],
        )
        for name, card in cards.items()
    ]
    output.table(("name", "shape", "parameters>", "language", "closing accuracy>", "what it is"), rows)


def _function(computes: Function) -> dict[str, Any]:
    return {"function": computes.label, "same_function_as": list(computes.shared_with)}


def shape(architecture: Mapping[str, Any]) -> str:
    """Layers, heads and width in short: 2L 2H 32d; several head counts as 2+4H."""
    heads = [block["heads"] for block in architecture["blocks"]]
    counts = str(heads[0]) if len(set(heads)) == 1 else "+".join(map(str, heads))
    return f"{len(heads)}L {counts}H {architecture['model_width']}d"


def language(task: Mapping[str, Any]) -> str:
    """Dyck(k, D)."""
    return f"Dyck({task['brackets']}, {task['depth']})"
