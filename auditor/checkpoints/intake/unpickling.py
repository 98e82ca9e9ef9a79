"""The work of the sandboxed child: one ``torch.save`` file → canonical safetensors, weights only.

A state dict is flat. The one nested layout that is read is nanoGPT's: weights under ``model`` and their sizes under
``model_args``, which go into the metadata; what lies beside them is known by name and dropped.

The tensors are checked for what ``torch.load`` accepts and a checkpoint has no use for: sparse or meta tensors, views
that stand for more values than their storage holds, names that are not text.
"""

from __future__ import annotations

import io
import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache

import safetensors.torch
import torch
from torch import Tensor

from auditor.canonical.tensor_header import MAX_TENSORS
from auditor.errors import UnsafeFileError

LIBRARY_KEY = "dyck_audit_library"
"""Under which the metadata of the answer holds what the checkpoint says of its own model."""

_WEIGHTS, _FACTS = "model", "model_args"
_TRAINING = ("optimizer", "iter_num", "best_val_loss", "config")
MAX_FACTS = 100


@cache
def prepare() -> None:
    """Read a checkpoint of our own, so that a sandbox that may open no file finds everything imported."""
    buffer = io.BytesIO()
    torch.save(OrderedDict(weight=torch.nn.Parameter(torch.ones(1)), mask=torch.ones(1, dtype=torch.bool)), buffer)
    unpickle(buffer.getvalue())


def unpickle(data: bytes) -> bytes:
    """Safetensors of the state dict in ``data``. Call it in a sandbox only.

    Raises:
        UnsafeFileError: something other than dense tensors by name, flat or under ``model``.
    """
    found = torch.load(  # noqa: TID251 - the one place that reads pickles: weights only, in a child under limits
        io.BytesIO(data), map_location="cpu", weights_only=True
    )
    if not isinstance(found, Mapping):
        raise UnsafeFileError(f"a {type(found).__name__} instead of a state dict")
    metadata = None
    if isinstance(found.get(_WEIGHTS), Mapping):
        metadata = {LIBRARY_KEY: json.dumps(_facts(found), allow_nan=False)}
        found = found[_WEIGHTS]
    if not found:
        raise UnsafeFileError("an empty state dict")
    if len(found) > MAX_TENSORS:
        raise UnsafeFileError(f"a state dict of {len(found)} entries")
    tensors = {_name(name): _dense(name, tensor) for name, tensor in found.items()}
    result: bytes = safetensors.torch.save(tensors, metadata=metadata)
    return result


def _facts(checkpoint: Mapping[object, object]) -> dict[str, bool | int | float | str | None]:
    for entry in checkpoint:
        if entry not in (_WEIGHTS, _FACTS, *_TRAINING):
            raise UnsafeFileError(f"entry {ascii(entry)[:80]} beside {_WEIGHTS!r}, which is not known")
    found = checkpoint.get(_FACTS)
    if not isinstance(found, Mapping) or len(found) > MAX_FACTS:
        raise UnsafeFileError(f"{_WEIGHTS!r} without {_FACTS!r}, the sizes of the model")
    for name, value in found.items():
        is_number = isinstance(value, float) and math.isfinite(value)
        if not isinstance(name, str) or not (is_number or type(value) in (bool, int, str, type(None))):
            raise UnsafeFileError(f"{_FACTS} entry {ascii(name)[:80]} is neither a number, text, true nor false")
    return {str(name): value for name, value in found.items()}


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise UnsafeFileError(f"an entry whose name is of type {type(name).__name__}")
    return name


def _dense(name: object, tensor: object) -> Tensor:
    label = ascii(name)[:80]
    if not isinstance(tensor, Tensor):
        raise UnsafeFileError(f"entry {label} is of type {type(tensor).__name__}, not a tensor")
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        raise UnsafeFileError(f"tensor {label} is {tensor.layout}, {tensor.dtype}")
    if tensor.device.type != "cpu":
        raise UnsafeFileError(f"tensor {label} is on the {tensor.device.type} device: it has no values")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise UnsafeFileError(f"tensor {label} of shape {list(tensor.shape)} stands on fewer values than it has")
    return tensor.detach().contiguous().clone()
