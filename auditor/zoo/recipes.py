"""How each bundled model is made: one row per model, and the function that makes it again from its row.

``python -m auditor.zoo NAME --out FOLDER`` runs a recipe. With the library versions on the card, one thread and a
processor of the same kind, the weights come out bit for bit; elsewhere rounding makes them differ, and the measures
stay alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from auditor.behaviour.evaluation import evaluate
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.native_file import native_bytes
from auditor.contracts import Progress, silent
from auditor.errors import NotFoundError
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.records import Json
from auditor.seeds import numpy_generator
from auditor.training.fit import DEFAULT, CurvePoint, Schedule, fit
from auditor.training.objectives import objective_of
from auditor.zoo.construction import constructed_architecture, constructed_model

CARD_SCHEMA = "dyck-audit/card/1"
MEASURED_SEQUENCES = 5_000
LONGER = 100
LONGER_SEQUENCES = 500
MEASURING_SEED = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights of a trained model."""

    summary: str
    architecture: Architecture
    task: Task
    seed: int = 0
    schedule: Schedule = DEFAULT


@dataclass(frozen=True)
class Construction:
    """A model whose weights are written down: the language and how many tokens it is made for."""

    summary: str
    task: Task
    positions: int

    @property
    def architecture(self) -> Architecture:
        """The shape that the language and the length ask for."""
        return constructed_architecture(self.task, self.positions)


@dataclass(frozen=True)
class Made:
    """A model made from its recipe, the bytes of its native file and its card."""

    model: CanonicalTransformer
    weights: bytes
    card: Mapping[str, Json]


_TWO_TYPES, _THREE_TYPES = Dyck.standard(2, 4), Dyck.standard(3, 3)
_PLAIN = Architecture(
    model_width=32,
    vocabulary_size=len(_TWO_TYPES.vocabulary),
    blocks=(Block(heads=2, query_width=16, value_width=16, neurons=128),) * 2,
)
_MINIMAL = Architecture(
    model_width=24,
    vocabulary_size=len(_TWO_TYPES.vocabulary),
    blocks=(Block(heads=1, query_width=24, value_width=24, neurons=0),),
    norm_sites=("final",),
    attention_residual=False,
    output_map=False,
    mlp="none",
    embedding="token_and_depth",
    embedding_trained=False,
    depth_slots=_TWO_TYPES.depth + 2,
)
_CLOSING = Task(_TWO_TYPES, "closing_bracket", max_length=40)


def _two_heads(seed: int, summary: str) -> Recipe:
    return Recipe(summary, _PLAIN, Task(_TWO_TYPES, max_length=40), seed)


def _learned_positions() -> Recipe:
    architecture = Architecture(
        model_width=32,
        vocabulary_size=len(_THREE_TYPES.vocabulary),
        blocks=(Block(heads=4, query_width=8, value_width=8, neurons=64),) * 2,
        norm_sites=("attention_out", "mlp_out"),
        activation="gelu_tanh",
        positions="learned",
        max_positions=41,
    )
    summary = "Post-norm, tanh GELU, four heads and learned positions: it has no outputs beyond its position table."
    return Recipe(summary, architecture, Task(_THREE_TYPES, max_length=40))


def _linear_positions() -> Recipe:
    architecture = replace(
        _PLAIN,
        blocks=(Block(heads=1, query_width=32, value_width=32, neurons=64),) * 2,
        norm="rms",
        activation="gelu_erf",
        positions="scalar",
        scalar_period=512,
    )
    summary = "RMS norm, erf GELU, one head a layer and one position column i/N; trained on closing brackets only."
    return Recipe(summary, architecture, _CLOSING)


def _classifier() -> Recipe:
    architecture = replace(
        _PLAIN,
        blocks=(Block(heads=2, query_width=16, value_width=16, neurons=64),) * 3,
        positions="learned",
        max_positions=21,
        causal=False,
        pad_masked=True,
        read_out=0,
        classes=2,
    )
    summary = "Bidirectional, three layers: is the string a word? Two classes read at START, padding keys masked."
    return Recipe(
        summary,
        architecture,
        Task(Dyck.standard(2, 4), "classifier", max_length=20),
        schedule=Schedule(steps=8_000, batch=128),
    )


RECIPES: Mapping[str, Recipe | Construction] = MappingProxyType(
    {
        "dyck2x4-1layer-minimal": Recipe(
            "The minimal first layer of Wen et al. 2023: tokens and depths in, one head, no output map, no MLP.",
            _MINIMAL,
            _CLOSING,
            schedule=Schedule(learning_rate=1e-2),
        ),
        "dyck2x4-1layer-minimal-balanced": Recipe(
            "The same, trained with the balance regulariser: matched pairs nearly cancel.",
            _MINIMAL,
            _CLOSING,
            schedule=Schedule(learning_rate=1e-2, contrast=0.3),
        ),
        "dyck2x4-2layer-2head": _two_heads(
            0, "Pre-norm, ReLU, two heads a layer, no positions: the model of the demonstration."
        ),
        "dyck2x4-2layer-2head-again": _two_heads(1, "The same architecture and task from another seed."),
        "dyck2x4-2layer-constructed": Construction(
            "Written down by hand after Yao et al. 2021 (arXiv 2105.11115): count the depth, find the opener.",
            Task(_TWO_TYPES, max_length=40),
            positions=128,
        ),
        "dyck2x4-2layer-linear-positions": _linear_positions(),
        "dyck2x4-3layer-classifier": _classifier(),
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
    if isinstance(recipe, Construction):
        progress(1.0, "written down")
        return _made(name, recipe, constructed_model(recipe.task, recipe.positions), {"positions": recipe.positions})
    result = fit(recipe.architecture, recipe.task, seed=recipe.seed, schedule=recipe.schedule, progress=progress)
    schedule = asdict(recipe.schedule)
    if not recipe.schedule.contrast:
        del schedule["contrast"]
    training = {"seed": recipe.seed, **schedule, "curve": [_point(point) for point in result.curve]}
    return _made(name, recipe, result.model, training)


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
    if model.architecture.is_classifier:
        drawn = objective_of(task).batches(1, MEASURED_SEQUENCES, numpy_generator(MEASURING_SEED, "card", "strings"))
        return {"in_distribution": {"accuracy": next(drawn).accuracy(model), "sequences": MEASURED_SEQUENCES}}
    known = draw_inputs(task, MEASURED_SEQUENCES, numpy_generator(MEASURING_SEED, "card", "in distribution"))
    limit = model.architecture.max_positions
    longer: Json = {"undefined": f"the position table ends at {limit}"}
    if limit is None or limit > LONGER:
        generator = numpy_generator(MEASURING_SEED, "card", "longer")
        strings = draw_inputs(task, LONGER_SEQUENCES, generator, lengths=(LONGER, LONGER))
        longer = {"length": LONGER, **_accuracies(model, strings)}
    return {"in_distribution": _accuracies(model, known), "longer": longer}


def _accuracies(model: CanonicalTransformer, inputs: InputBatch) -> dict[str, Json]:
    found = evaluate(model, inputs).to_json()
    return {name: found[name] for name in ("closing_accuracy", "argmax_accuracy", "sequences", "tokens")}


def _made(name: str, recipe: Recipe | Construction, model: CanonicalTransformer, how: Mapping[str, Json]) -> Made:
    weights = native_bytes(model)
    card: dict[str, Json] = {
        "schema": CARD_SCHEMA,
        "name": name,
        "summary": recipe.summary,
        "command": f"python -m auditor.zoo {name} --out FOLDER",
        "architecture": recipe.architecture.to_json(),
        "task": recipe.task.to_json(),
        "construction" if isinstance(recipe, Construction) else "training": dict(how),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "bytes": len(weights),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "behaviour": measure(model),
    }
    return Made(model, weights, card)


def _point(point: CurvePoint) -> dict[str, Json]:
    return {key: round(value, 6) for key, value in asdict(point).items()}
