"""Small random models with nothing trivially zero, and inputs for them."""

from __future__ import annotations

import torch

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import numpy_generator, torch_generator
from auditor.training.initialisation import initialise

LANGUAGE = Dyck.standard(2, 3)
TASK = Task(LANGUAGE, max_length=10)
PLAIN = Architecture(
    model_width=8,
    vocabulary_size=len(LANGUAGE.vocabulary),
    blocks=(
        Block(heads=2, query_width=3, value_width=5, neurons=6),
        Block(heads=2, query_width=4, value_width=3, neurons=5),
    ),
)
"""Two layers of two heads; no width equals another, so a mixed-up axis cannot pass."""


def random_model(
    architecture: Architecture = PLAIN, task: Task = TASK, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> CanonicalTransformer:
    """Random weights, with biases and gains as large as the weights: no symmetry starts at a fixed point."""
    model = initialise(CanonicalTransformer(architecture, task), torch_generator(seed, "weights"))
    noise = torch_generator(seed, "noise")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.rsplit(".", 1)[-1].startswith(("b_", "bias")):
                parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=0.3)
            elif "norm" in name:
                parameter.mul_(torch.exp(0.3 * torch.randn(parameter.shape, generator=noise)))
    return model.to(dtype)


def inputs_for(model: CanonicalTransformer, count: int = 12, *, seed: int = 0) -> InputBatch:
    """A few sequences of different lengths from the model's own language."""
    return draw_inputs(model.task, count, numpy_generator(seed, "evidence"))
