"""A canonical model ↔ bytes: safetensors without metadata, so that equal weights are equal bytes.

The bytes hold every table of the state dict, trained or not, in the dtype of the model. Architecture and task are
stored beside them; each key is checked against both by name and shape before anything is allocated. Reading builds
no Python object from the file, so these bytes may come from an untrusted source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.tensor_header import Header, read_header
from auditor.errors import CheckpointError, ConfigurationError, UnsafeFileError
from auditor.language.task import Task

_DTYPES = {"F32": torch.float32, "F64": torch.float64}
_LEAST_TENSORS_PER_LAYER = 6
"""Queries, keys and values with their biases stand in every layer."""


def state_of(model: CanonicalTransformer) -> dict[str, Tensor]:
    """Every table by name, detached, contiguous and on the CPU, sorted by name."""
    state = model.state_dict()
    return {name: state[name].detach().to("cpu").contiguous() for name in sorted(state)}


def weights_bytes(model: CanonicalTransformer) -> bytes:
    """The model's weights as safetensors: the same weights give the same bytes.

    Raises:
        CheckpointError: a weight that is not finite, by name.
    """
    state = state_of(model)
    check_finite(state)
    data: bytes = safetensors.torch.save(state)
    return data


def weights_sha256(data: bytes) -> str:
    """SHA-256 of weights in hex: the name under which they are stored."""
    return hashlib.sha256(data).hexdigest()


def model_from_bytes(data: bytes, architecture: Architecture, task: Task) -> CanonicalTransformer:
    """Inverse of :func:`weights_bytes`.

    Raises:
        UnsafeFileError: not safetensors, or a header that contradicts the bytes.
        ConfigurationError: an unknown or missing tensor, or one of another shape or dtype, by name.
        CheckpointError: a weight that is not finite, by name.
    """
    header = read_header(data)
    empty = _empty_model(architecture, task, len(header.tensors))
    dtype = _common_dtype(header)
    _check_names_and_shapes(header, {name: tuple(t.shape) for name, t in empty.state_dict().items()})
    tensors = decode(data)
    check_finite(tensors)
    model = empty.to(dtype)
    model.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    return model.eval()


def model_from_state(state: Mapping[str, Tensor], architecture: Architecture, task: Task) -> CanonicalTransformer:
    """A model from converted tables, checked as if they were read from a file.

    Raises:
        ConfigurationError: an unknown or missing tensor, or one of another shape or dtype, by name.
        CheckpointError: a weight that is not finite, by name.
    """
    return model_from_bytes(
        safetensors.torch.save({name: state[name].detach().contiguous().clone() for name in sorted(state)}),
        architecture,
        task,
    )


def decode(data: bytes) -> dict[str, Tensor]:
    """Tensors of a safetensors file in memory whose header was checked.

    Raises:
        UnsafeFileError: the safetensors library reads it otherwise than its header says.
    """
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(data)
    except safetensors.SafetensorError as wrong:
        raise UnsafeFileError(f"a safetensors file that cannot be read: {wrong}") from None
    return tensors


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError for the first tensor with NaN or infinity, by name."""
    for name in sorted(tensors):
        finite = torch.isfinite(tensors[name])
        if not bool(finite.all()):
            raise CheckpointError(
                f"{int((~finite).sum())} of {finite.numel()} values in {name!r} are NaN or infinite",
                expected="finite weights",
                action="train the model again: its loss diverged",
            )


def _empty_model(architecture: Architecture, task: Task, tensors: int) -> CanonicalTransformer:
    if architecture.layers * _LEAST_TENSORS_PER_LAYER > tensors:
        raise ConfigurationError(
            f"{architecture.layers} layers described, but only {tensors} tensors in the file",
            expected=f"at least {_LEAST_TENSORS_PER_LAYER} per layer",
        )
    size = len(task.language.vocabulary)
    if architecture.vocabulary_size != size:
        raise ConfigurationError(
            f"{architecture.vocabulary_size} tokens in the architecture, {size} in the vocabulary",
            expected="the same number",
        )
    with torch.device("meta"):
        return CanonicalTransformer(architecture, task)


def _common_dtype(header: Header) -> torch.dtype:
    found = {tensor.dtype for tensor in header.tensors.values()}
    if len(found) != 1 or not found <= set(_DTYPES):
        raise ConfigurationError(f"weights of dtype {', '.join(sorted(found))}", expected="all F32 or all F64")
    return _DTYPES[found.pop()]


def _check_names_and_shapes(header: Header, expected: Mapping[str, tuple[int, ...]]) -> None:
    unknown = sorted(set(header.tensors) - set(expected))
    if unknown:
        raise ConfigurationError(
            f"tensor {unknown[0]!r}, which this architecture does not have", expected=f"only {_some(expected)}"
        )
    missing = sorted(set(expected) - set(header.tensors))
    if missing:
        raise ConfigurationError(f"no tensor {missing[0]!r}", expected="every weight of the architecture")
    for name, shape in expected.items():
        if header.tensors[name].shape != shape:
            raise ConfigurationError(
                f"tensor {name!r} of shape {list(header.tensors[name].shape)}",
                expected=f"{list(shape)} by the architecture",
            )


def _some(names: Mapping[str, object]) -> str:
    first = sorted(names)[:4]
    return ", ".join(first) + (" …" if len(names) > len(first) else "")
