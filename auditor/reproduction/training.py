"""Trains the missing seeds of a cohort side by side and continues where an earlier run was stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import ConfigurationError
from auditor.files.whole_file import write_whole
from auditor.reproduction.cohort import FROZEN, Cohort
from auditor.training.stacked import Stack, StackedTraining

WRITE_SECONDS = 20.0
"""Between two states on disk: at most so much work is lost by a kill."""


def trained(
    cohort: Cohort, seeds: Sequence[int], folder: Path, *, progress: Progress = silent
) -> tuple[CanonicalTransformer, ...]:
    """The models of these seeds, in their order. What is known so far is in ``folder`` until :func:`forget`.

    Raises:
        ConfigurationError: a loss is not finite.
        whatever ``progress`` raises, to interrupt: the state is written before.
    """
    path = state_file(cohort, seeds, folder)
    training = StackedTraining(Stack([cohort.start(seed) for seed in seeds], frozen=FROZEN), cohort.schedule)
    if path.exists():
        _continue(training, path)
    written = time.monotonic()
    try:
        while not training.is_done:
            loss = training.advance(lambda step: cohort.losses(training.stack, seeds, step))
            if training.step % 10 == 0:
                words = f"step {training.step:,} of {cohort.schedule.steps:,}, loss {float(loss.mean()):.2e}"
                progress(training.step / cohort.schedule.steps, words)
            if time.monotonic() - written > WRITE_SECONDS:
                write_whole(path, training.to_bytes())
                written = time.monotonic()
    except BaseException:  # Ctrl-C as well: nothing that was computed is lost
        if training.step:
            write_whole(path, training.to_bytes())
        raise
    write_whole(path, training.to_bytes())
    return training.stack.models()


def state_file(cohort: Cohort, seeds: Sequence[int], folder: Path) -> Path:
    """Where the state of this training is kept."""
    recipes = hashlib.sha256("/".join(cohort.recipe(seed) for seed in seeds).encode()).hexdigest()
    return folder / f"{cohort.name}-{recipes[:16]}.safetensors"


def forget(cohort: Cohort, seeds: Sequence[int], folder: Path) -> None:
    """Remove the state of a training whose models are kept elsewhere by now."""
    state_file(cohort, seeds, folder).unlink(missing_ok=True)


def _continue(training: StackedTraining, path: Path) -> None:
    """Take up a state; a damaged one is as good as none."""
    try:
        training.restore(path.read_bytes())
    except ConfigurationError:
        path.unlink()
