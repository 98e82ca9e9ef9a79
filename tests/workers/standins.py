"""An audit whose cells take milliseconds, so that tests see the delivery and not the mathematics.

The functions replace those of ``auditor.stages``. Each call leaves a line in the journal, if the environment
names one, and takes the time that the environment gives: what a test in another process needs to see and to time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.plans.plan import PLANS
from auditor.records import ALL_OTHERS, AuditReport, Behaviour, Cell, Interpretation, Stage
from auditor.stages.build import Built
from tests.auditor.store.samples import BEHAVIOUR, TWIN, report, scores, twin
from workers import building, cells

JOURNAL = "DYCK_AUDIT_TEST_JOURNAL"
SECONDS = "DYCK_AUDIT_TEST_SECONDS"
FAILS_EVERY = "DYCK_AUDIT_TEST_FAILS_EVERY"
"""Names how often the behaviour of a model cannot be evaluated: for every so-manieth seed."""

STUBBORN = "DYCK_AUDIT_TEST_STUBBORN"
"""Names a call that goes on whatever is raised in it, as one long call into a library does."""

METHODS = ("zero", "mean")
MANY_TWINS = tuple(f"exact_head_permutation/{number}" for number in range(6))
PLAN = replace(PLANS["quick"], exact_variants=len(MANY_TWINS))


def _cells(twins: Sequence[str]) -> tuple[Cell, ...]:
    return (
        Cell("behaviour", Stage.BEHAVIOUR),
        *(Cell(f"build/{key}", Stage.BUILD, variant=key) for key in twins),
        Cell("measure/original", Stage.MEASURE, methods=METHODS),
        *(Cell(f"measure/{key}", Stage.MEASURE, f"build/{key}", key, METHODS) for key in twins),
        Cell("conclude", Stage.CONCLUDE, ALL_OTHERS),
    )


CELLS = _cells([TWIN])
MANY_CELLS = _cells(MANY_TWINS)


def small_model() -> CanonicalTransformer:
    """One layer of two heads with fixed random weights."""
    vocabulary = Vocabulary(("(", ")", "<s>"), (0,), (1,), start=2)
    model = CanonicalTransformer(Architecture(4, 3, (Block(2, 2, 2, 4),)), Task(Dyck(vocabulary, 3)))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def evaluate(_model: Any = None, _plan: Any = None, seed: int = 1) -> Behaviour:
    """Some behaviour, or an error for some seeds."""
    _work("behaviour")
    every = int(os.environ.get(FAILS_EVERY, "0"))
    if every and seed % every == 0:
        raise ConfigurationError("a model that cannot be evaluated")
    return BEHAVIOUR


def build(model: CanonicalTransformer, _plan: Any, _seed: int, key: str, **_: Any) -> Built:
    """A certified twin: the model itself."""
    _work(f"build/{key}")
    return Built(twin(key), model)


def measure_group(
    _model: CanonicalTransformer, _plan: Any, _seed: int, names: Sequence[str], *, variant: str, **_: Any
) -> dict[str, Interpretation]:
    """The same scores for everything."""
    _work(f"measure/{variant}")
    return {name: scores(name) for name in names}


def conclude(*_: Any) -> AuditReport:
    """A report with three findings."""
    _work("conclude")
    return report()


STEPS = (
    (cells, "evaluate", evaluate),
    (building, "build", build),
    (cells, "measure_group", measure_group),
    (cells, "conclude", conclude),
)


def install() -> None:
    """Replace the stages by the stand-ins until this process ends."""
    for module, name, step in STEPS:
        setattr(module, name, step)


def _work(what: str) -> None:
    _note(f"begin {what}")
    while os.environ.get(STUBBORN) == what:
        with suppress(Exception):
            time.sleep(60.0)
    time.sleep(float(os.environ.get(SECONDS, "0")))
    _note(f"end {what}")


def _note(line: str) -> None:
    journal = os.environ.get(JOURNAL)
    if journal is not None:
        with Path(journal).open("a", encoding="utf-8") as sink:
            sink.write(f"{os.getpid()} {line}\n")
