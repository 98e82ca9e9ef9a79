"""An audit whose cells take milliseconds, so that tests see the delivery and not the mathematics.

The functions stand in for those of ``auditor.pipeline``. Each call leaves a line in the journal, if the environment
names one, and takes as long as the environment says: what a test in another process needs to see and to time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from auditor import pipeline
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary
from auditor.pipeline import Built
from auditor.plans.plan import PLANS
from auditor.records import ALL_OTHERS, AuditReport, Behaviour, Cell, Interpretation, Stage
from tests.auditor.store.samples import BEHAVIOUR, TWIN, report, scores, twin

JOURNAL = "DYCK_AUDIT_TEST_JOURNAL"
SECONDS = "DYCK_AUDIT_TEST_SECONDS"

METHODS = ("zero", "mean")
PLAN = PLANS["quick"]

CELLS = (
    Cell("behaviour", Stage.BEHAVIOUR),
    Cell(f"build/{TWIN}", Stage.BUILD, variant=TWIN),
    *(Cell(f"measure/original/{name}", Stage.MEASURE, method=name) for name in METHODS),
    *(Cell(f"measure/{TWIN}/{name}", Stage.MEASURE, f"build/{TWIN}", TWIN, name) for name in METHODS),
    Cell("conclude", Stage.CONCLUDE, ALL_OTHERS),
)

MANY_TWINS = tuple(f"exact_head_permutation/{number}" for number in range(6))

MANY_CELLS = (
    Cell("behaviour", Stage.BEHAVIOUR),
    *(Cell(f"build/{key}", Stage.BUILD, variant=key) for key in MANY_TWINS),
    *(Cell(f"measure/original/{name}", Stage.MEASURE, method=name) for name in METHODS),
    *(
        Cell(f"measure/{key}/{name}", Stage.MEASURE, f"build/{key}", key, name)
        for key in MANY_TWINS
        for name in METHODS
    ),
    Cell("conclude", Stage.CONCLUDE, ALL_OTHERS),
)


def small_model() -> CanonicalTransformer:
    """One layer of two heads with fixed random weights."""
    vocabulary = Vocabulary(("(", ")", "<s>"), (0,), (1,), start=2)
    model = CanonicalTransformer(Architecture(4, 3, (Block(2, 2, 2, 4),)), Task(Dyck(vocabulary, 3)))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def evaluate(*_: Any) -> Behaviour:
    """Some behaviour."""
    _work("behaviour")
    return BEHAVIOUR


def build(model: CanonicalTransformer, _plan: Any, _seed: int, key: str, **_: Any) -> Built:
    """A certified twin: the model itself."""
    _work(f"build/{key}")
    return Built(twin(key), model)


def measure(_model: CanonicalTransformer, _plan: Any, _seed: int, method: str, **_: Any) -> Interpretation:
    """The same scores for everything."""
    _work(f"measure/{method}")
    return scores(method)


def conclude(*_: Any) -> AuditReport:
    """A report with three findings."""
    _work("conclude")
    return report()


STEPS = {"evaluate": evaluate, "build": build, "measure": measure, "conclude": conclude}


def install() -> None:
    """Put the stand-ins in the pipeline's place, in this process for good."""
    for name, step in STEPS.items():
        setattr(pipeline, name, step)


def _work(what: str) -> None:
    _note(f"begin {what}")
    time.sleep(float(os.environ.get(SECONDS, "0")))
    _note(f"end {what}")


def _note(line: str) -> None:
    journal = os.environ.get(JOURNAL)
    if journal is not None:
        with Path(journal).open("a", encoding="utf-8") as sink:
            sink.write(f"{os.getpid()} {line}\n")
