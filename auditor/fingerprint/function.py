"""From a model to the fingerprint of its function."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import CheckpointError
from auditor.fingerprint.probes import Interface, probe_strings
from auditor.fingerprint.projection import project
from auditor.fingerprint.sketch import Sketch

INTERFACE_DIGITS = 16

LARGEST_LOGIT = 1e30
"""Sums of these still fit float32, in which a sketch is kept."""


def function_fingerprint(model: CanonicalTransformer) -> str:
    """The fingerprint: equal, under ``same_function``, for all models of one function.

    Computed in float64 on the CPU, some tens of milliseconds for a model of two layers. Known limit: two functions
    that differ only on strings longer than the probes, or by a thousandth at one late position, are taken for one.

    Raises:
        CheckpointError: a logit on the probe strings is NaN or too large to keep.
    """
    interface = Interface.of(model.architecture, model.task.language.vocabulary)
    return Sketch(_digest(interface), tuple(project(_centred_logits(model, interface)).tolist())).text


@torch.no_grad()
def _centred_logits(model: CanonicalTransformer, interface: Interface) -> NDArray[np.float64]:
    """Logits of all probes minus their mean over the outputs, so that equal probabilities are equal; flat."""
    exact = model.clone(dtype=torch.float64).cpu()
    logits = [exact(torch.from_numpy(strings)) for strings in probe_strings(interface)]
    flat: NDArray[np.float64] = torch.cat([(y - y.mean(-1, keepdim=True)).flatten() for y in logits]).numpy()
    if not bool((np.abs(flat) <= LARGEST_LOGIT).all()):
        raise CheckpointError(
            f"a model whose logits on the probe strings are NaN or beyond {LARGEST_LOGIT:.0e}",
            expected="finite logits on every string of its vocabulary",
            action="train the model again: its weights overflow",
        )
    return flat


def _digest(interface: Interface) -> str:
    content = json.dumps(asdict(interface), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:INTERFACE_DIGITS]
