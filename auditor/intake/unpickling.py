"""The work of the sandboxed child: one ``torch.save`` file → canonical safetensors, weights only.

The tensors are checked for what ``torch.load`` accepts and a checkpoint has no use for: sparse or meta tensors, views
that stand for more values than their storage holds, names that are not text.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor

from auditor.canonical.tensor_header import MAX_TENSORS
from auditor.errors import UnsafeFileError


def unpickle(data: bytes) -> bytes:
    """Safetensors of the state dict in ``data``. Call it in a sandbox only.

    Raises:
        UnsafeFileError: something other than a flat dict of dense tensors, by name.
    """
    found = torch.load(  # noqa: TID251 - the one place that reads pickles: weights only, in a child under limits
        io.BytesIO(data), map_location="cpu", weights_only=True
    )
    if not isinstance(found, Mapping):
        raise UnsafeFileError(f"a {type(found).__name__} instead of a state dict")
    if not found:
        raise UnsafeFileError("an empty state dict")
    if len(found) > MAX_TENSORS:
        raise UnsafeFileError(f"a state dict of {len(found)} entries")
    result: bytes = safetensors.torch.save({_name(name): _dense(name, tensor) for name, tensor in found.items()})
    return result


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
