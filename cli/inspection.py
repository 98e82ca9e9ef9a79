"""``inspect``: what a checkpoint is and how it behaves; stores nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.checkpoints import compare, existing, read_checkpoint
from cli.invocation import invocation
from cli.options import AsJson, Checkpoint, Config, EntryName, FormatName, Reference, Seed, Strings, StringsFormat
from cli.output import Output
from cli.packages import with_packages
from cli.strings import fitting

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
    entry: EntryName = None,
    reference: Reference = None,
    behaviour: Annotated[bool, typer.Option(help="Run the model on its language.")] = True,
    template: Annotated[
        bool, typer.Option("--template", help="Print a description to fill in, and all tensors; then --config.")
    ] = False,
    strings: Strings = None,
    strings_format: StringsFormat = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
    schema: Annotated[  # noqa: ARG001 - an eager option
        bool,
        typer.Option(
            "--schema", is_eager=True, callback=_show_schema, help="Show all facts that --config may contain."
        ),
    ] = False,
    formats: Annotated[  # noqa: ARG001 - an eager option
        bool, typer.Option("--formats", is_eager=True, callback=_show_formats, help="List the checkpoint formats.")
    ] = False,
) -> None:
    """Show a checkpoint's format, architecture, parameters and behaviour; stores nothing."""
    output = invocation(context).output
    if template:
        _show_template(output, checkpoint, config=config, format_name=format_name, entry=entry)
        return
    loaded = read_checkpoint(checkpoint, output, config=config, format_name=format_name, entry=entry)
    found = facts(loaded)
    parity = compare(loaded, reference)
    if parity is not None:
        found["parity"] = parity
    given = None
    if strings is not None:
        given, known = fitting(loaded, strings, strings_format)
        found["strings"] = known.to_json()
    if behaviour:
        from auditor.plans.plan import read_plan
        from auditor.stages.evaluate import evaluate

        plan = replace(read_plan("quick"), strings=given)
        found["behaviour"] = evaluate(loaded.model, plan, seed).to_json()
    if as_json:
        output.document(found)
    else:
        print_result(output, found)


def _show_template(
    output: Output, checkpoint: str, *, config: Path | None, format_name: str, entry: str | None
) -> None:
    """A description to fill in; where no format reads the tensors, a list of them before the refusal."""
    from auditor.checkpoints.intake.gathering import gather
    from auditor.checkpoints.intake.template import listing, template
    from auditor.errors import FormatError

    found = gather(existing(checkpoint), config=config, entry=entry)
    for note in found.notes:
        output.note(f"{found.name}: {note}")
    try:
        text = template(found, format_name)
    except FormatError:
        output.text("\n".join(listing(found)))
        raise
    output.text(text)


def facts(loaded: Loaded) -> dict[str, Any]:
    """What a checkpoint is, as JSON."""
    return {
        "name": loaded.name,
        "format": loaded.format,
        "sha256": loaded.sha256,
        "precision": loaded.precision,
        "notes": list(loaded.notes),
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "architecture": loaded.model.architecture.to_json(),
        "task": loaded.model.task.to_json(),
    }


def print_result(output: Output, found: dict[str, Any]) -> None:
    """Facts, architecture, task and behaviour, one table each."""
    from auditor.records import Behaviour
    from auditor.report.view import behaviour_table
    from auditor.report.wording import setting, words

    plain = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    output.table(("checkpoint", ""), [(words(name), setting(value)) for name, value in plain.items()])
    for part in ("architecture", "task", *(name for name in ("parity", "strings") if name in found)):
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
