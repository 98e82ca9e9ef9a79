"""Everything about a model and its inputs that an analysis must leave as it was."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.serialisation import weights_bytes, weights_sha256

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)


def snapshot(model: CanonicalTransformer, inputs: InputBatch) -> dict[str, Any]:
    """Weights, flags, gradients, modes, hooks, attributes, inputs and global state, as comparable values."""
    modules = dict(model.named_modules())
    tensors = (inputs.tokens, inputs.not_padding, inputs.scored, inputs.depth, inputs.stack_top_type, inputs.opener)
    state = np.random.get_state(legacy=False)["state"]
    numbers = {name: np.asarray(value).tolist() for name, value in state.items()}
    return {
        "weights": weights_sha256(weights_bytes(model)),
        "parameters": {name: id(p) for name, p in model.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "gradients": {name: None if p.grad is None else p.grad.tolist() for name, p in model.named_parameters()},
        "training": {name: module.training for name, module in modules.items()},
        "hooks": {(name, kind): tuple(getattr(module, kind)) for name, module in modules.items() for kind in _HOOKS},
        "attributes": {name: sorted(vars(module)) for name, module in modules.items()},
        "inputs": [(t.tolist(), t.requires_grad) for t in tensors],
        "gradients enabled": torch.is_grad_enabled(),
        "global random numbers": (random.getstate(), numbers, torch.get_rng_state().tolist()),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What has changed, by name."""
    return [name for name, value in before.items() if after[name] != value]
