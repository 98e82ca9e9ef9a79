"""The header of a safetensors file, checked before a byte of its tensors is used.

A file is ``u64 n · n bytes of JSON · tensor bytes``; the JSON maps each name to dtype, shape and byte range, and
``__metadata__`` to texts. The tensor bytes must be covered exactly once, in whatever order. Source: the safetensors
format description (github.com/huggingface/safetensors). Known limit: only the dtypes of a Transformer's state dict.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.errors import UnsafeFileError

MAX_HEADER_BYTES = 3_000_000
"""A Dyck model needs some kilobytes, ten thousand tensors two megabytes; parsing a 100 MB header takes gigabytes."""

MAX_TENSORS = 10_000
MAX_NAME_LENGTH = 300
MAX_AXES = 8
MAX_NUMBER = 2**48
"""Above any size or offset of a real file; keeps products of declared sizes small."""

_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True, slots=True)
class Declared:
    """One tensor as its header declares it; ``begin`` and ``end`` count from the first tensor byte."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A checked safetensors header."""

    tensors: Mapping[str, Declared]
    metadata: Mapping[str, str]


def read_header(data: bytes, *, file_size: int | None = None) -> Header:
    """The header of a safetensors file, of which at least the header is in memory; ``file_size`` if not all of it is.

    Raises:
        UnsafeFileError: too long, not JSON, a name twice, an unknown dtype, or shapes and ranges that contradict the
            bytes.
    """
    whole = len(data) if file_size is None else file_size
    size = header_size(data[:8], whole)
    entries = _parse(data[8 : 8 + size])
    metadata = _metadata(entries.pop("__metadata__", {}))
    if len(entries) > MAX_TENSORS:
        raise UnsafeFileError(f"a safetensors header with {len(entries)} tensors", expected=f"at most {MAX_TENSORS}")
    tensors = {name: _declared(name, entry) for name, entry in entries.items()}
    _check_cover(tensors, whole - 8 - size)
    return Header(tensors, metadata)


def header_size(first_eight: bytes, file_size: int) -> int:
    """Bytes of JSON that the file announces.

    Raises:
        UnsafeFileError: more than the limit, or more than the file has.
    """
    if len(first_eight) < 8:
        raise UnsafeFileError(f"a safetensors file of {file_size} bytes", expected="a header length of 8 bytes")
    size = int.from_bytes(first_eight, "little")
    if size > MAX_HEADER_BYTES:
        raise UnsafeFileError(f"a safetensors header of {size} bytes", expected=f"at most {MAX_HEADER_BYTES}")
    if size < 2 or 8 + size > file_size:
        raise UnsafeFileError(
            f"a safetensors header of {size} bytes in a file of {file_size}",
            expected="the whole header",
            action="the file is truncated: copy it again",
        )
    return size


def _parse(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise UnsafeFileError("a safetensors header that is not JSON", action="save the file again") from None
    if not isinstance(found, dict):
        raise UnsafeFileError("a safetensors header that is not a JSON object", action="save the file again")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise UnsafeFileError(
            f"a safetensors header that names {_shown(twice)} {times} times", expected="each name once"
        )
    return found


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnsafeFileError("safetensors metadata that is not text", expected="a map from text to text")
    return found


def _declared(name: str, entry: Any) -> Declared:
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise UnsafeFileError(f"tensor name {_shown(name)}", expected=f"1 to {MAX_NAME_LENGTH} printable characters")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise UnsafeFileError(f"tensor {name!r} with an unreadable entry", expected="dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise UnsafeFileError(f"tensor {name!r} of dtype {_shown(str(dtype))}", expected=" or ".join(_ITEM_BYTES))
    if not _whole_numbers(shape) or len(shape) > MAX_AXES:
        raise UnsafeFileError(f"tensor {name!r} with an unreadable shape", expected=f"up to {MAX_AXES} sizes")
    if not _whole_numbers(offsets) or len(offsets) != 2:
        raise UnsafeFileError(f"tensor {name!r} with unreadable offsets", expected="[begin, end]")
    begin, end = offsets
    needed = math.prod(shape) * _ITEM_BYTES[dtype]
    if end - begin != needed:
        raise UnsafeFileError(
            f"tensor {name!r}: {needed} bytes by its shape, {end - begin} by its offsets",
            expected="the same number",
        )
    return Declared(dtype, tuple(shape), begin, end)


def _whole_numbers(found: Any) -> bool:
    return isinstance(found, list) and all(type(n) is int and 0 <= n <= MAX_NUMBER for n in found)


def _check_cover(tensors: Mapping[str, Declared], size: int) -> None:
    reached = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != reached:
            what = "overlaps another" if tensor.begin < reached else "leaves a gap before it"
            raise UnsafeFileError(f"tensor {name!r} {what}", expected="ranges that follow one another")
        reached = tensor.end
    if reached != size:
        raise UnsafeFileError(
            f"{size} tensor bytes, but the header declares {reached}",
            expected="the same number",
            action="the file is truncated or has something appended: copy it again",
        )


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")
