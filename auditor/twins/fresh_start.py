"""An untrained model with the original's architecture and task, and its input tables that were never trained."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.seeds import torch_generator
from auditor.training.initialisation import initialise

LARGEST_SEED = 2**31


def fresh_start(model: CanonicalTransformer, generator: np.random.Generator) -> CanonicalTransformer:
    """Random weights in float32; a table of inputs that is not trained is the original's.

    Such a table belongs to the task: it fixes how tokens are presented.
    """
    student = model.clone(architecture=model.architecture, dtype=torch.float32)
    initialise(student, torch_generator(new_seed(generator), "fresh start"))
    if not model.architecture.embedding_trained:
        with torch.no_grad():
            student.W_E.copy_(model.W_E)
    return student


def new_seed(generator: np.random.Generator) -> int:
    """A seed for what is made from a seed."""
    return int(generator.integers(LARGEST_SEED))
