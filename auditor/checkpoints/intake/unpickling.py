"""The work of the sandboxed child: one ``torch.save`` file → canonical safetensors, weights only.

A state dict is flat, or an entry of what a training script saved. What is beside it is dropped, except plain
values in groups such as ``model_args``, which go into the metadata with the names of all entries.

The tensors are checked for what ``torch.load`` accepts and a checkpoint has no use for: sparse or meta tensors, views
with more values than their storage holds, names that are not text.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache

import safetensors.torch
import torch
from torch import Tensor

from auditor.canonical.tensor_header import MAX_NAME_LENGTH, MAX_TENSORS
from auditor.checkpoints.intake.inert_values import stand_ins
from auditor.checkpoints.intake.wrappers import Entry, entries, facts_beside, outermost
from auditor.errors import UnsafeFileError

LIBRARY_KEY = "dyck_audit_library"
"""The key in the metadata of the answer for the checkpoint's own description, as JSON."""

MAX_NAMES = 20
"""Entries named in a message."""


@cache
def prepare() -> None:
    """Read a checkpoint of our own, so that a sandbox that may open no file finds everything imported."""
    buffer = io.BytesIO()
    weights = OrderedDict(weight=torch.nn.Parameter(torch.ones(1, 1)), mask=torch.ones(1, dtype=torch.bool))
    torch.save({"model": weights, "model_args": {"a": 1}, "args": argparse.Namespace(a=1), "bytes": b"\x00"}, buffer)
    unpickle(buffer.getvalue(), frozenset(("argparse.Namespace",)))


def unpickle(data: bytes, names: frozenset[str] = frozenset(), entry: str | None = None) -> bytes:
    """Safetensors of the state dict in ``data``, or of its entry of this name. Call it in a sandbox only.

    ``names`` are those in its pickle; the inert ones are read as objects without content.

    Where no one state dict is meant, there are no tensors in the answer, and its metadata list the candidates.

    Raises:
        UnsafeFileError: something other than dense tensors by name, flat or in an entry.
    """
    with torch.serialization.safe_globals(stand_ins(names)):
        found = torch.load(  # noqa: TID251 - the one place that reads pickles: weights only, in a child under limits
            io.BytesIO(data), map_location="cpu", weights_only=True
        )
    if not isinstance(found, Mapping):
        raise UnsafeFileError(f"a {type(found).__name__} instead of a state dict")
    nested = entries(found)
    candidates = outermost(nested) if entry is None else [one for one in nested if one.name == entry]
    if not candidates and entry is None:
        _require_tensors(found)
        candidates = [Entry((), found)]
    if len(candidates) != 1:
        return safetensors.torch.save({}, metadata={LIBRARY_KEY: json.dumps({"candidates": _names(nested)})})
    return _answer(found, candidates[0], nested)


def _answer(found: Mapping[object, object], chosen: Entry, nested: list[Entry]) -> bytes:
    content = chosen.tensors
    if not content:
        raise UnsafeFileError("an empty state dict")
    if len(content) > MAX_TENSORS:
        raise UnsafeFileError(f"a state dict of {len(content)} entries")
    about = {
        "entry": chosen.name[:MAX_NAME_LENGTH],
        "candidates": _names(nested),
        "beside": [str(name)[:60] for name in found if chosen.path and name != chosen.path[0]][:MAX_NAMES],
        "facts": facts_beside(found, chosen) if chosen.path else {},
    }
    tensors = {_name(name): _dense(name, tensor) for name, tensor in content.items()}
    result: bytes = safetensors.torch.save(tensors, metadata={LIBRARY_KEY: json.dumps(about, allow_nan=False)})
    return result


def _names(found: list[Entry]) -> list[str]:
    return [entry.name[:MAX_NAME_LENGTH] for entry in found[:MAX_NAMES]]


def _require_tensors(found: Mapping[object, object]) -> None:
    """Refuse with a list of the entries, unless it is meant as a flat state dict."""
    values = found.values()
    if found and (any(isinstance(v, Mapping) for v in values) or not any(isinstance(v, Tensor) for v in values)):
        held = ", ".join(f"{ascii(name)[:40]} ({type(value).__name__})" for name, value in list(found.items())[:5])
        raise UnsafeFileError(f"no entry that maps names to weights, only {held}")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise UnsafeFileError(f"an entry whose name is of type {type(name).__name__}")
    if len(name) > MAX_NAME_LENGTH:
        raise UnsafeFileError(f"a tensor name of {len(name):,} characters ({name[:30]!a} …)")
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
        raise UnsafeFileError(f"tensor {label} of shape {list(tensor.shape)} has a storage with fewer values")
    return tensor.detach().contiguous().clone()
