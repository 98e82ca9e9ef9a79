"""``train``: new Dyck Transformers in the native format."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.canonical.switches import Activation, Embedding, Mlp, Norm, Positions, RotaryPairs
from cli.destinations import require_free
from cli.invocation import invocation
from cli.options import AsJson, Force, Seed
from cli.output import Output
from cli.progress import tracking
from cli.shapes import Attention, NormPlace, ObjectiveName, ReadOut, Shape, architecture_of

if TYPE_CHECKING:
    from auditor.canonical.architecture import Architecture
    from auditor.language.task import Task
    from auditor.training.fit import Schedule


def train(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="The file to write, .safetensors.", show_default=False)],
    brackets: Annotated[int, typer.Option(min=1, max=1_000, help="Bracket types, k.")] = 2,
    depth: Annotated[int, typer.Option(min=1, max=1_000, help="Deepest nesting, D.")] = 4,
    layers: Annotated[int, typer.Option(min=1, max=100, help="Layers.")] = 2,
    heads: Annotated[int, typer.Option(min=1, max=1_000, help="Heads in each layer.")] = 2,
    width: Annotated[int, typer.Option(min=1, max=4_096, help="Width of the residual stream.")] = 32,
    head_width: Annotated[
        int | None, typer.Option(min=1, max=4_096, help="Width of a head.", show_default="width / heads")
    ] = None,
    neurons: Annotated[
        int | None, typer.Option(min=1, max=16_384, help="Neurons of a layer.", show_default="4 x width")
    ] = None,
    positions: Annotated[Positions, typer.Option(help="Position encoding.")] = "none",
    rotary_pairs: Annotated[
        RotaryPairs, typer.Option(help="Features that rotary positions turn together: as GPT-NeoX or as GPT-J does.")
    ] = "halves",
    norm: Annotated[Norm, typer.Option(help="LayerNorm or RMSNorm.")] = "layer",
    norm_place: Annotated[NormPlace, typer.Option(help="Where norms are placed.")] = "pre",
    embedding_norm: Annotated[bool, typer.Option("--embedding-norm", help="A norm right after the embedding.")] = False,
    mlp: Annotated[Mlp, typer.Option(help="Kind of MLP after attention.")] = "two_layer",
    activation: Annotated[Activation, typer.Option(help="The MLP's activation.")] = "relu",
    embedding: Annotated[
        Embedding, typer.Option(help="Input vectors: of tokens, or of tokens with their depth (minimal first layer).")
    ] = "token",
    fixed_embedding: Annotated[bool, typer.Option("--fixed-embedding", help="One-hot, not trained.")] = False,
    attention_residual: Annotated[
        bool, typer.Option(help="Add the output of attention to the residual stream.")
    ] = True,
    mlp_residual: Annotated[bool, typer.Option(help="Add the output of the MLP to the residual stream.")] = True,
    output_map: Annotated[bool, typer.Option(help="Heads have an output map W_O.")] = True,
    tied: Annotated[bool, typer.Option("--tied", help="The unembedding is the embedding.")] = False,
    objective: Annotated[
        ObjectiveName, typer.Option(help="What is learned; a classifier tells words from other strings.")
    ] = ObjectiveName.NEXT_TOKEN,
    read_out: Annotated[
        ReadOut, typer.Option(help="Where a classifier is read: first token, last token, or the mean of all.")
    ] = "first",
    attention: Annotated[
        Attention | None,
        typer.Option(help="Which way a query may look.", show_default="bidirectional in a classifier, else causal"),
    ] = None,
    start: Annotated[bool, typer.Option(help="START stands in front of every string.")] = True,
    reads_end: Annotated[bool, typer.Option("--reads-end", help="A classifier sees END behind the string.")] = False,
    balance_penalty: Annotated[
        float, typer.Option(min=0.0, max=1e3, help="Weight of the contrastive balance regulariser.")
    ] = 0.0,
    min_length: Annotated[int, typer.Option(min=2, max=10_000, help="Shortest training string.")] = 2,
    max_length: Annotated[int, typer.Option(min=2, max=10_000, help="Longest training string.")] = 28,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 2_500,
    batch: Annotated[int, typer.Option(min=1, max=100_000, help="Sequences per step.")] = 64,
    learning_rate: Annotated[float, typer.Option(min=1e-9, max=1.0, help="Peak of the one-cycle schedule.")] = 5e-3,
    seed: Seed = 0,
    seeds: Annotated[
        int, typer.Option(min=1, max=1_000, help="Number of models; their seeds count up from --seed.")
    ] = 1,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train Dyck Transformers and write them in the native format; one seed gives one model, bit for bit."""
    from auditor.training.fit import Schedule

    shape = Shape(
        layers=layers,
        heads=heads,
        width=width,
        head_width=head_width,
        neurons=neurons,
        positions=positions,
        norm=norm,
        norm_place=norm_place,
        mlp=mlp,
        activation=activation,
        embedding=embedding,
        embedding_trained=not fixed_embedding,
        attention_residual=attention_residual,
        mlp_residual=mlp_residual,
        output_map=output_map,
        tied_unembedding=tied,
        embedding_norm=embedding_norm,
        rotary_pairs=rotary_pairs,
        read_out=read_out,
        attention=attention,
    )
    files = {number: file_of(out, number, seeds) for number in range(seed, seed + seeds)}
    for file in files.values():
        require_free(file, force=force)
    task = task_of(brackets, depth, objective, min_length, max_length, start=start, reads_end=reads_end)
    architecture = architecture_of(task, shape)
    schedule = Schedule(steps=steps, batch=batch, learning_rate=learning_rate, contrast=balance_penalty)
    train_all(invocation(context).output, architecture, task, schedule, files, as_json=as_json)


def train_all(
    output: Output,
    architecture: Architecture,
    task: Task,
    schedule: Schedule,
    files: dict[int, Path],
    *,
    as_json: bool,
) -> None:
    """Train one model per seed and write each as soon as it is done."""
    from auditor.checkpoints.native_file import save_native
    from auditor.training.fit import fit

    metric = "accuracy" if task.objective == "classifier" else "closing_accuracy"
    found = []
    with tracking(output) as track:
        for seed, file in files.items():
            key = "training" if len(files) == 1 else f"seed {seed}"
            result = fit(architecture, task, seed=seed, schedule=schedule, progress=partial(track.move, key))
            save_native(result.model, file)
            track.end(key, f"{metric.replace('_', ' ')} {result.accuracy:.4f}")
            found.append({"file": str(file), metric: result.accuracy, "seconds": result.seconds, "seed": seed})
    if as_json:
        output.document(found[0] if len(found) == 1 else {"models": found})
        return
    for one in found:
        took = f"{schedule.steps:,} steps, {one['seconds']:.0f} s"
        output.text(f"{one['file']}: {metric.replace('_', ' ')} {one[metric]:.4f} after {took}")
    output.note(f"audit it with `dyck-audit submit {found[0]['file']} --wait`")


def file_of(out: Path, seed: int, seeds: int) -> Path:
    """``out`` itself, or with the seed in its name where there are several."""
    return out if seeds == 1 else out.with_name(f"{out.stem}-seed{seed}{out.suffix}")


def task_of(
    brackets: int, depth: int, objective: str, min_length: int, max_length: int, *, start: bool, reads_end: bool
) -> Task:
    """The language and its training distribution."""
    from auditor.language.grammar import Dyck
    from auditor.language.task import Task
    from auditor.language.vocabulary import standard_vocabulary

    vocabulary = standard_vocabulary(brackets)
    return Task(
        Dyck(vocabulary if start else replace(vocabulary, start=None), depth),
        str(objective),  # type: ignore[arg-type]
        min_length=min_length,
        max_length=max_length,
        reads_end=reads_end,
    )
