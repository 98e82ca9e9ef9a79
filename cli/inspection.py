"""``inspect``: what a checkpoint is and how it behaves; stores nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.checkpoints import compare, read_checkpoint
from cli.invocation import invocation
from cli.options import AsJson, Checkpoint, Config, FormatName, Reference, Seed
from cli.output import Output
from cli.packages import with_packages

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded


def _show_schema(asked: bool) -> None:
    if asked:
        from auditor.checkpoints.description.schema import json_schema

        Output().document(json_schema())
        raise typer.Exit


def _show_formats(asked: bool) -> None:
    if asked:
        from auditor.contracts import adapters

        found = adapters()
        rows = [(name, one.summary, one.source) for name, one in found.items()]
        Output().table(*with_packages(("format", "what it reads", "source"), rows, found))
        raise typer.Exit


def inspect(
    context: typer.Context,
    checkpoint: Checkpoint,
    *,
    config: Config = None,
    format_name: FormatName = "auto",
    reference: Reference = None,
    behaviour: Annotated[bool, typer.Option(help="Run the model on its language.")] = True,
    seed: Seed = 0,
    as_json: AsJson = False,
    schema: Annotated[  # noqa: ARG001 - an eager option
        bool, typer.Option("--schema", is_eager=True, callback=_show_schema, help="Show what --config may say.")
    ] = False,
    formats: Annotated[  # noqa: ARG001 - an eager option
        bool, typer.Option("--formats", is_eager=True, callback=_show_formats, help="List the checkpoint formats.")
    ] = False,
) -> None:
    """Show a checkpoint's format, architecture, parameters and behaviour; stores nothing."""
    output = invocation(context).output
    loaded = read_checkpoint(checkpoint, config=config, format_name=format_name)
    found = facts(loaded)
    parity = compare(loaded, reference)
    if parity is not None:
        found["parity"] = parity
    if behaviour:
        from auditor.plans.plan import read_plan
        from auditor.stages.evaluate import evaluate

        found["behaviour"] = evaluate(loaded.model, read_plan("quick"), seed).to_json()
    if as_json:
        output.document(found)
    else:
        tell(output, found)


def facts(loaded: Loaded) -> dict[str, Any]:
    """What a checkpoint is, as JSON."""
    return {
        "name": loaded.name,
        "format": loaded.format,
        "sha256": loaded.sha256,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "architecture": loaded.model.architecture.to_json(),
        "task": loaded.model.task.to_json(),
    }


def tell(output: Output, found: dict[str, Any]) -> None:
    """Facts, architecture, task and behaviour, one table each."""
    from auditor.records import Behaviour
    from auditor.report.view import behaviour_table
    from auditor.report.wording import setting, words

    plain = {name: value for name, value in found.items() if not isinstance(value, dict)}
    output.table(("checkpoint", ""), [(words(name), setting(value)) for name, value in plain.items()])
    for part in ("architecture", "task", *(("parity",) if "parity" in found else ())):
        rows = [(words(name), setting(value)) for name, value in found[part].items() if value is not None]
        output.text("")
        output.table((part, ""), rows)
    if "behaviour" in found:
        table = behaviour_table(Behaviour.from_json(found["behaviour"]))
        output.text("")
        columns = ("behaviour", *(f"{name}>" for name in table.ranges))
        output.table(columns, [(name, *values) for name, values in table.rows])
        for note in table.notes:
            output.text(note)
