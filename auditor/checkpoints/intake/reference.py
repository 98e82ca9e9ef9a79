"""The source's own numbers: a file of tokens and of the logits that the original model gives for them.

``tokens``: whole numbers [sequence, position]. ``logits``: [sequence, position, output], or [sequence, class] of a
classifier. As ``.npz``, ``.safetensors`` or ``.json``. The file is untrusted: its size is bounded and nothing
in it is run.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.canonical.serialisation import decode
from auditor.canonical.tensor_header import read_header
from auditor.checkpoints.intake.file_checks import read_plain_file
from auditor.errors import AuditorError, CheckpointError, ConfigurationError, UnsafeFileError
from auditor.files.text_file import decoded

MAX_BYTES = 32 * 2**20
MAX_ARRAY_BYTES = 32 * 2**20
"""Of one array after it is unpacked."""

ARRAYS = ("tokens", "logits")
SUFFIXES = (".json", ".npz", ".safetensors")


@dataclass(frozen=True)
class Reference:
    """Inputs and what the source computes for them. ``precision`` is the type in which the logits were saved."""

    tokens: NDArray[np.int64]
    logits: NDArray[np.floating]
    precision: str = "float32"


def read_reference(path: Path) -> Reference:
    """The arrays of a reference file.

    Raises:
        ConfigurationError: no such file, another kind of file, or arrays that are missing or do not belong together.
        UnsafeFileError: a link, directory or device, or a file over a limit or damaged.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise ConfigurationError(f"reference {path.name!a}", expected="a file in " + ", ".join(SUFFIXES))
    data = read_plain_file(path, limit=MAX_BYTES, missing=ConfigurationError, holds="tokens and logits")
    readers = {".json": _from_json, ".npz": _from_npz, ".safetensors": _from_safetensors}
    try:
        found = readers[kind](data)
        return _checked(found, _half(data) if kind == ".safetensors" else None)
    except AuditorError as wrong:
        where = ascii(path.name)[1:-1]
        raise type(wrong)(f"{where}: {wrong.found}", expected=wrong.expected, action=wrong.action) from None


def _from_json(data: bytes) -> dict[str, NDArray[np.generic]]:
    try:
        found = json.loads(decoded(data))
    except (ValueError, RecursionError):
        raise ConfigurationError("not JSON", expected="tokens and logits as nested lists") from None
    if not isinstance(found, dict):
        raise ConfigurationError("a reference that is not a map", expected=" and ".join(ARRAYS))
    _check_entries(found)
    try:
        return {
            "tokens": np.asarray(found["tokens"]),
            "logits": np.asarray(found["logits"], dtype=np.float32),  # JSON does not record the type it was computed in
        }
    except (ValueError, TypeError, OverflowError):
        raise ConfigurationError("lists of different lengths, or not of numbers", expected="full arrays") from None


def _from_npz(data: bytes) -> dict[str, NDArray[np.generic]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _check_entries(entries.keys())
            return {name: _array(name, _unpacked(archive, entries[name])) for name in ARRAYS}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as wrong:
        raise UnsafeFileError(f"a damaged zip: {ascii(str(wrong))[:80]}", action="save it again with numpy") from None


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as record:
        data = record.read(MAX_ARRAY_BYTES + 1)
    if len(data) > MAX_ARRAY_BYTES:
        raise UnsafeFileError(f"array {ascii(info.filename)[:60]} over {MAX_ARRAY_BYTES:,} bytes")
    return data


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _array(name: str, data: bytes) -> NDArray[np.generic]:
    """One .npy file in memory; its declared size is checked against its bytes before anything is allocated."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = _HEADERS[version](stream)
    except (ValueError, KeyError):
        raise UnsafeFileError(f"array {name!r} without a numpy header", action="save it with numpy.savez") from None
    rest = data[stream.tell() :]
    if dtype.hasobject or dtype.itemsize * math.prod(shape) != len(rest):
        raise UnsafeFileError(f"array {name!r} of shape {list(shape)} in {len(rest)} bytes", expected="plain numbers")
    return np.frombuffer(rest, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")


def _from_safetensors(data: bytes) -> dict[str, NDArray[np.generic]]:
    _check_entries(read_header(data).tensors.keys())
    tensors = decode(data)
    return {
        name: tensors[name].float().numpy() if tensors[name].dtype is torch.bfloat16 else tensors[name].numpy()
        for name in ARRAYS
    }


def _half(data: bytes) -> str | None:
    """The type of logits that numpy does not have."""
    return "bfloat16" if read_header(data).tensors["logits"].dtype == "BF16" else None


def _check_entries(found: Collection[str]) -> None:
    missing = [name for name in ARRAYS if name not in found]
    if missing:
        raise ConfigurationError(f"no {missing[0]!r} in the reference", expected=" and ".join(ARRAYS))


def _checked(found: dict[str, NDArray[np.generic]], precision: str | None) -> Reference:
    tokens, logits = found["tokens"], found["logits"]
    if tokens.ndim != 2 or tokens.size == 0 or not np.issubdtype(tokens.dtype, np.integer):
        raise ConfigurationError(
            f"tokens {tokens.dtype} {list(tokens.shape)}", expected="whole numbers [sequence, position]"
        )
    if not np.issubdtype(logits.dtype, np.floating) or logits.ndim not in (2, 3):
        raise ConfigurationError(
            f"logits {logits.dtype} {list(logits.shape)}",
            expected="[sequence, position, output], or [sequence, class] of a classifier",
        )
    wanted = tokens.shape if logits.ndim == 3 else tokens.shape[:1]
    if logits.shape[: len(wanted)] != wanted:
        raise ConfigurationError(
            f"tokens {list(tokens.shape)} and logits {list(logits.shape)}", expected="the same sequences and positions"
        )
    if not np.isfinite(logits).all():
        raise CheckpointError("reference logits that are NaN or infinite", expected="finite numbers")
    known = str(logits.dtype) if str(logits.dtype) in ("float16", "float32", "float64") else "float64"
    floats = logits if logits.dtype.itemsize >= 4 else logits.astype(np.float32)
    return Reference(tokens.astype(np.int64), np.ascontiguousarray(floats), precision or known)
