"""Options and arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
AuditId = Annotated[
    str, typer.Argument(metavar="AUDIT", help="An id, the start of one, or `latest`.", show_default=False)
]
AuditIds = Annotated[
    list[str], typer.Argument(metavar="AUDIT...", help="Ids, starts of ids, or `latest`.", show_default=False)
]
AnyAuditIds = Annotated[
    list[str] | None, typer.Argument(metavar="[AUDIT]...", help="Ids, starts of ids, or `latest`.", show_default=False)
]
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="An id, the start of one, or a name.", show_default=False)
]
Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A file, a folder of save_pretrained, or the name of a bundled model.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(help="The file that describes the model; else the one beside the checkpoint.", show_default=False),
]
FormatName = Annotated[
    str,
    typer.Option("--format", metavar="auto|NAME", help="Format of the checkpoint; `inspect --formats` lists them."),
]
EntryName = Annotated[
    str | None,
    typer.Option(
        "--entry",
        metavar="NAME",
        help="The entry of a nested checkpoint that holds the weights, where several do.",
        show_default=False,
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        help="Tokens and logits of the source (.npz, .safetensors, .json) that the model must reproduce.",
        show_default=False,
    ),
]
Strings = Annotated[
    Path | None,
    typer.Option(
        help="Your own strings in place of drawn ones: one a line, or .csv, .tsv, .jsonl or .json.", show_default=False
    ),
]
StringsFormat = Annotated[
    str,
    typer.Option(
        "--strings-format", metavar="auto|text|princeton|csv|jsonl|json", help="Format of the file of strings."
    ),
]
PlanName = Annotated[str, typer.Option("--plan", metavar="quick|standard|full|F.toml", help="What the audit computes.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of all random numbers.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is done; without a broker the work runs here.")]
Out = Annotated[Path | None, typer.Option(help="The file to write; else stdout.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Limit = Annotated[int, typer.Option(min=1, help="Largest number of rows.")]
After = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Go on after this row, the last of the page before.", show_default=False),
]
FunctionName = Annotated[
    str | None,
    typer.Option(
        "--function",
        metavar="LABEL|MODEL",
        help="Models of one function: the start of its label in `models list`, or one of them.",
        show_default=False,
    ),
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask a `dyck-audit serve` instead; its token is in DYCK_AUDIT_TOKEN.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(help="With --server: the file that holds its token.", show_default=False)
]
