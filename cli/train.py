"""``train``: a new Dyck Transformer in the native format."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.invocation import invocation
from cli.options import AsJson, Force, Seed
from cli.progress import tracking

if TYPE_CHECKING:
    from auditor.canonical.architecture import Architecture
    from auditor.language.task import Task


class PositionsName(StrEnum):
    """How a model knows where a token stands."""

    NONE = "none"
    LEARNED = "learned"
    SINUSOIDAL = "sinusoidal"


class ObjectiveName(StrEnum):
    """Which outputs the loss covers."""

    NEXT_TOKEN = "next_token"
    CLOSING_BRACKET = "closing_bracket"


Count = Annotated[int, typer.Option(min=1)]


def train(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="The file to write, .safetensors.", show_default=False)],
    brackets: Annotated[int, typer.Option(min=1, max=26, help="Bracket types, k.")] = 2,
    depth: Annotated[int, typer.Option(min=1, max=1_000, help="Deepest nesting, D.")] = 4,
    layers: Annotated[int, typer.Option(min=1, max=100, help="Layers.")] = 2,
    heads: Annotated[int, typer.Option(min=1, max=1_000, help="Heads in each layer.")] = 2,
    width: Annotated[
        int, typer.Option(min=1, max=4_096, help="Width of the residual stream, a multiple of the heads.")
    ] = 32,
    positions: Annotated[PositionsName, typer.Option(help="Position encoding.")] = PositionsName.NONE,
    objective: Annotated[ObjectiveName, typer.Option(help="Which outputs the loss covers.")] = ObjectiveName.NEXT_TOKEN,
    min_length: Annotated[int, typer.Option(min=2, max=10_000, help="Shortest training string.")] = 2,
    max_length: Annotated[int, typer.Option(min=2, max=10_000, help="Longest training string.")] = 28,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 2_500,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train a Dyck Transformer and write it in the native format."""
    require_free(out, force=force)
    from auditor.canonical.native_file import save_native
    from auditor.training.fit import fit

    task = task_of(brackets, depth, objective, min_length, max_length)
    architecture = architecture_of(task, layers, heads, width, positions)
    output = invocation(context).output
    with tracking(output) as track:
        result = fit(architecture, task, seed=seed, steps=steps, progress=partial(track.move, "training"))
    save_native(result.model, out)
    found = {"file": str(out), "closing_accuracy": result.closing_accuracy, "seconds": result.seconds, "seed": seed}
    if as_json:
        output.document(found)
    else:
        took = f"{steps:,} steps, {result.seconds:.0f} s"
        output.text(f"{out}: closing accuracy {result.closing_accuracy:.4f} after {took}")
        output.note(f"audit it with `dyck-audit submit {out} --wait`")


def require_free(file: Path, *, force: bool) -> None:
    """Refuse, before any work, a native file that cannot be written.

    Raises:
        CheckpointError: another ending, a folder that takes no file, or the file or its description is there and
            ``force`` is not given.
    """
    import tempfile

    from auditor.errors import CheckpointError

    if file.suffix != ".safetensors":
        raise CheckpointError(f"{file}: ending {file.suffix!r}", expected="a file that ends with .safetensors")
    for taken in (file, file.with_suffix(".json")):
        if taken.is_dir() or (taken.exists() and not force):
            raise CheckpointError(f"{taken} exists", expected="a new file", action="choose another or add --force")
    folder = file.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CheckpointError(
            f"no file can be written in {folder}: {error.strerror}",
            expected="a writable folder",
            action="choose another",
        ) from error


def task_of(brackets: int, depth: int, objective: str, min_length: int, max_length: int) -> Task:
    """The language and its training distribution."""
    from auditor.language.grammar import Dyck
    from auditor.language.task import Task

    return Task(Dyck.standard(brackets, depth), str(objective), min_length=min_length, max_length=max_length)  # type: ignore[arg-type]


def architecture_of(task: Task, layers: int, heads: int, width: int, positions: str) -> Architecture:
    """A pre-norm Transformer of equal layers, with four neurons for each feature of the stream.

    Raises:
        ConfigurationError: the heads do not share the width evenly.
    """
    from auditor.canonical.architecture import Architecture, Block
    from auditor.errors import ConfigurationError

    if width % heads:
        raise ConfigurationError(f"width {width} for {heads} heads", expected="a multiple of the heads")
    block = Block(heads=heads, query_width=width // heads, value_width=width // heads, neurons=4 * width)
    return Architecture(
        model_width=width,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(block,) * layers,
        positions=str(positions),  # type: ignore[arg-type]
        max_positions=None if positions == "none" else 4 * task.max_length,
    )
