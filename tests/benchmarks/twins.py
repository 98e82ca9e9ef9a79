"""``python -m tests.benchmarks.twins [NAME …] [--plan PLAN] [--seed N] [--model MODEL …]``: a table of trained twins.

One line per equivalence and model: what the certificate measured, how far every head's attention moved, and the
processor time of making and certifying. Slow: about a minute per line; one core.
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
from auditor.plans.plan import PLANS
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from auditor.twins.divergence import total_variation
from tests.wen2023_files import NAMES, checkpoint

DEFAULT = "behavioural_adversarial_attention"
ATTENTION_SEQUENCES = 500
HEADER = (
    f"{'model':40}{'KL mean':>10}{'upper':>10}{'q999':>8}{'disagree':>10}{'closing':>9}{'longer':>9}{'cpu s':>7}"
    "  total variation per head, verdict"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every line as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.twins")
    parser.add_argument("equivalence", nargs="*", default=[DEFAULT])
    parser.add_argument("--plan", default="quick", choices=list(PLANS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", help="part of a name; may be given again")
    wanted = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in wanted.equivalence:
        _write(f"{name}, plan {wanted.plan}, seed {wanted.seed}; KL in 1e-3 nats per token, accuracies in points")
        _write(HEADER)
        for model_name, path in _models(wanted.model):
            _write(line(model_name, load(path).model, name, plan=wanted.plan, seed=wanted.seed))


def _models(parts: Sequence[str] | None) -> Iterator[tuple[str, Path]]:
    every = [(name, checkpoint(name)) for name in NAMES] + [(name, zoo.path(name)) for name in zoo.names()]
    yield from (one for one in every if not parts or any(part in one[0] for part in parts))


def line(model_name: str, model: CanonicalTransformer, equivalence: str, *, plan: str, seed: int) -> str:
    """One twin, made and certified as an audit does it."""
    started = time.process_time()
    key = f"{equivalence}/0"
    built = build(model, replace(PLANS[plan], equivalences=(equivalence,)), seed, key)
    seconds = time.process_time() - started
    found = built.variant.certificate
    if found is None or built.model is None or found.kl_mean_nats is None:
        return f"{model_name:40}{built.variant.state}: {built.variant.reason}"
    closing = None if found.closing_accuracy is None else found.closing_accuracy[1] - found.closing_accuracy[0]
    beyond = found.longer or {}
    longer = beyond.get("closing_accuracy_variant", 0.0) - beyond.get("closing_accuracy_original", 0.0)
    inputs = draw_inputs(model.task, ATTENTION_SEQUENCES, numpy_generator(seed, "benchmark"))
    original, layers = model.clone(dtype=torch.float32), range(model.architecture.layers)
    moved = total_variation(original, built.model.clone(dtype=torch.float32), inputs, layers).tolist()
    return (
        f"{model_name:40}{1e3 * found.kl_mean_nats:10.3f}{1e3 * (found.kl_upper95_nats or 0):10.3f}"
        f"{found.kl_q999_nats or 0:8.3f}{_percent(found.disagreement_upper95):>10}{_points(closing):>9}"
        f"{_points(longer if beyond else None):>9}{seconds:7.0f}  {' '.join(f'{one:.2f}' for one in moved)}"
        f"  {built.variant.state} {built.variant.reason}"
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _points(difference: float | None) -> str:
    return "–" if difference is None else f"{100 * difference:+.2f}"


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
