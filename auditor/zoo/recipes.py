"""How each bundled model is made: one row per model, and the function that makes it again from its row.

``python -m auditor.zoo NAME --out FOLDER`` runs a recipe. With the library versions on the card, one thread and a
processor of the same kind, the weights come out bit for bit; elsewhere rounding makes them differ, and the measures
stay alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from auditor.behaviour.evaluation import evaluate
from auditor.behaviour.evidence import Evidence, draw_evidence
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.native_file import native_bytes
from auditor.contracts import Progress, silent
from auditor.errors import NotFoundError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.records import Json
from auditor.seeds import numpy_generator
from auditor.training.fit import CurvePoint, FitResult, fit

CARD_SCHEMA = "dyck-audit/card/1"
MEASURED_SEQUENCES = 5_000
LONGER = 100
LONGER_SEQUENCES = 500
MEASURING_SEED = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights of a bundled model."""

    summary: str
    architecture: Architecture
    task: Task
    seed: int
    steps: int
    batch: int = 64
    learning_rate: float = 5e-3


@dataclass(frozen=True)
class Made:
    """A model made from its recipe, the bytes of its native file and its card."""

    model: CanonicalTransformer
    weights: bytes
    card: Mapping[str, Json]


def _two_heads(seed: int, summary: str) -> Recipe:
    language = Dyck.standard(2, 4)
    return Recipe(
        summary=summary,
        architecture=Architecture(
            model_width=32,
            vocabulary_size=len(language.vocabulary),
            blocks=(Block(heads=2, query_width=16, value_width=16, neurons=128),) * 2,
        ),
        task=Task(language, min_length=2, max_length=40),
        seed=seed,
        steps=2_500,
    )


def _learned_positions() -> Recipe:
    language = Dyck.standard(3, 3)
    return Recipe(
        summary="Post-norm, tanh GELU, four heads and learned positions: it has no outputs beyond its position table.",
        architecture=Architecture(
            model_width=32,
            vocabulary_size=len(language.vocabulary),
            blocks=(Block(heads=4, query_width=8, value_width=8, neurons=64),) * 2,
            norm_sites=("attention_out", "mlp_out"),
            activation="gelu_tanh",
            positions="learned",
            max_positions=41,
        ),
        task=Task(language, min_length=2, max_length=40),
        seed=0,
        steps=2_500,
    )


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "dyck2x4-2layer-2head": _two_heads(
            0, "Pre-norm, ReLU, two heads a layer, no positions: the model of the demonstration."
        ),
        "dyck2x4-2layer-2head-again": _two_heads(1, "The same architecture and task from another seed."),
        "dyck3x3-2layer-4head-positions": _learned_positions(),
    }
)


def make(name: str, *, progress: Progress = silent) -> Made:
    """Train and measure a bundled model from its recipe. Slow: one to two minutes on one core.

    Raises:
        NotFoundError: no recipe has this name.
    """
    if name not in RECIPES:
        raise NotFoundError(f"no recipe {name[:80]!r}", expected=" or ".join(RECIPES))
    recipe = RECIPES[name]
    result = fit(
        recipe.architecture,
        recipe.task,
        seed=recipe.seed,
        steps=recipe.steps,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        progress=progress,
    )
    weights = native_bytes(result.model)
    return Made(result.model, weights, _card(name, recipe, result, weights))


def write(name: str, folder: Path, *, progress: Progress = silent) -> None:
    """Make a bundled model and write its two files into a folder."""
    made = make(name, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made.card, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{name}.card.json").write_text(text + "\n", encoding="utf-8")
    (folder / f"{name}.safetensors").write_bytes(made.weights)


def measure(model: CanonicalTransformer) -> dict[str, Json]:
    """The behaviour on a card: in distribution and on strings of 100 brackets, or why there is none."""
    task = model.task
    known = draw_evidence(task, MEASURED_SEQUENCES, numpy_generator(MEASURING_SEED, "card", "in distribution"))
    limit = model.architecture.max_positions
    longer: Json = {"undefined": f"the position table ends at {limit}"}
    if limit is None or limit > LONGER:
        generator = numpy_generator(MEASURING_SEED, "card", "longer")
        strings = draw_evidence(task, LONGER_SEQUENCES, generator, lengths=(LONGER, LONGER))
        longer = {"length": LONGER, **_accuracies(model, strings)}
    return {"in_distribution": _accuracies(model, known), "longer": longer}


def _accuracies(model: CanonicalTransformer, evidence: Evidence) -> dict[str, Json]:
    found = evaluate(model, evidence).to_json()
    return {name: found[name] for name in ("closing_accuracy", "argmax_accuracy", "sequences", "tokens")}


def _card(name: str, recipe: Recipe, result: FitResult, weights: bytes) -> dict[str, Json]:
    return {
        "schema": CARD_SCHEMA,
        "name": name,
        "summary": recipe.summary,
        "command": f"python -m auditor.zoo {name} --out FOLDER",
        "architecture": recipe.architecture.to_json(),
        "task": recipe.task.to_json(),
        "training": {
            "seed": recipe.seed,
            "steps": recipe.steps,
            "batch": recipe.batch,
            "learning_rate": recipe.learning_rate,
            "curve": [_point(point) for point in result.curve],
        },
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "parameters": sum(parameter.numel() for parameter in result.model.parameters()),
        "bytes": len(weights),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "behaviour": measure(result.model),
    }


def _point(point: CurvePoint) -> dict[str, Json]:
    return {key: round(value, 6) for key, value in asdict(point).items()}
