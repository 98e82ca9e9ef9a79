"""``python -m tests.benchmarks.twins [NAME …] [--plan PLAN] [--seed N] [--model MODEL …] [--table FILE]``

A table of trained twins in Markdown, one row per model and equivalence: what the certificate measured, the least that
attention moved in a head of the last layer, and the processor time of making and certifying. ``all`` names every
equivalence of the kind behavioural. Slow: about a minute per row on one core. Rows that ``FILE`` holds already are not
made again, so a table that was broken off goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import equivalences
from auditor.plans.plan import PLANS
from auditor.records import Certificate, Kind
from auditor.seeds import numpy_generator
from auditor.stages.build import Built, build
from auditor.twins.attention_distance import total_variation
from tests.wen2023_files import NAMES, checkpoint

DEFAULT = "behavioural_adversarial_attention"
AGAINST_CLAIMS = ("behavioural_adversarial_method", "behavioural_adversarial_rewritten")
"""Made against one claim, which this table has none of."""

ATTENTION_SEQUENCES = 500
HEADER = (
    "| model | twin | state | KL mean, 1e-3 nats | its upper end | total variation | seconds | reason |\n"
    "|---|---|---|---|---|---|---|---|"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every row as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.twins")
    parser.add_argument("equivalence", nargs="*", default=[DEFAULT], help="names, or all")
    parser.add_argument("--plan", default="quick", choices=list(PLANS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", help="part of a name; may be given again")
    parser.add_argument("--table", type=Path, help="a file that rows are added to")
    wanted = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table: Path | None = wanted.table
    known = table.read_text(encoding="utf-8") if table is not None and table.exists() else ""
    if not known:
        _write(HEADER, table)
    for model_name, path in _models(wanted.model):
        for name in _equivalences(wanted.equivalence):
            if f"| {model_name} | {_short(name)} |" not in known:
                _write(row(model_name, load(path).model, name, plan=wanted.plan, seed=wanted.seed), table)


def _models(parts: Sequence[str] | None) -> Iterator[tuple[str, Path]]:
    every = [(name, zoo.path(name)) for name in zoo.names()] + [(name, checkpoint(name)) for name in NAMES]
    yield from (one for one in every if not parts or any(part in one[0] for part in parts))


def _equivalences(names: Sequence[str]) -> list[str]:
    if list(names) != ["all"]:
        return list(names)
    known = equivalences()
    return [name for name in known if known[name].kind is Kind.BEHAVIOURAL and name not in AGAINST_CLAIMS]


def row(model_name: str, model: CanonicalTransformer, equivalence: str, *, plan: str, seed: int) -> str:
    """One twin, made and certified as an audit does it."""
    started = time.process_time()
    built = build(model, replace(PLANS[plan], equivalences=(equivalence,)), seed, f"{equivalence}/0")
    seconds = time.process_time() - started
    found = built.variant.certificate
    cells = [model_name, _short(equivalence), str(built.variant.state), *_kl(found), _moved(model, built, seed)]
    return "| " + " | ".join([*cells, f"{seconds:.0f}", built.variant.reason.replace("|", "/")]) + " |"


def _short(equivalence: str) -> str:
    return equivalence.removeprefix("behavioural_").replace("_", " ")


def _kl(found: Certificate | None) -> tuple[str, str]:
    if found is None or found.kl_mean_nats is None or found.kl_upper95_nats is None:
        return "–", "–"
    return f"{1e3 * found.kl_mean_nats:.3f}", f"{1e3 * found.kl_upper95_nats:.3f}"


def _moved(model: CanonicalTransformer, built: Built, seed: int) -> str:
    """Total variation of attention, the smallest over the heads of the last layer, heads matched by number."""
    if built.model is None or built.model.architecture.blocks[-1].heads != model.architecture.blocks[-1].heads:
        return "–"
    inputs = draw_inputs(model.task, ATTENTION_SEQUENCES, numpy_generator(seed, "benchmark"))
    pair = (one.clone(dtype=torch.float32) for one in (model, built.model))
    return f"{float(total_variation(*pair, inputs, (model.architecture.layers - 1,)).min()):.2f}"


def _write(text: str, table: Path | None) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if table is not None:
        with table.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
