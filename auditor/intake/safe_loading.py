"""Reading a checkpoint that a stranger may have made: bytes in, named tensors out, nothing executed.

The content decides how a file is read, not its name. Safetensors are read here under limits; a ``torch.save`` file is
checked record by record, unpickled with weights only in a child process, and comes back as safetensors. The foreign
file is not read again after this: what is stored is the canonical model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from auditor.canonical.serialisation import check_finite, decode
from auditor.canonical.tensor_header import read_header
from auditor.errors import CheckpointError, UnsafeFileError
from auditor.intake.file_checks import MAX_CHECKPOINT_BYTES, read_plain_file
from auditor.intake.sandbox import run_in_child
from auditor.intake.torch_archive import MAGIC, check_archive
from auditor.intake.unpickling import unpickle

_PICKLE_MAGIC = b"\x80"


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A checkpoint after safe reading. ``sha256`` is that of the file as it came."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str


def read_checkpoint(path: Path) -> ForeignFile:
    """The tensors of a safetensors or ``torch.save`` file.

    Raises:
        UnsafeFileError: the file is hostile, damaged, over a limit, or of neither kind.
        CheckpointError: there is no such file, or a tensor is not finite.
    """
    data = read_plain_file(path, limit=MAX_CHECKPOINT_BYTES)
    try:
        content = _safetensors_of(data)
        header = read_header(content)
        tensors = decode(content)
        check_finite(tensors)
    except CheckpointError as refused:
        raise type(refused)(
            f"{ascii(path.name)[1:-1]}: {refused.found}", expected=refused.expected, action=refused.action
        ) from None
    return ForeignFile(tensors, header.metadata, hashlib.sha256(data).hexdigest())


def _has_small_header(data: bytes) -> bool:
    """Whether a map follows a header length under 4 GiB; its first byte may well be that of a pickle."""
    return data[4:9] == b"\x00\x00\x00\x00{"


def _safetensors_of(data: bytes) -> bytes:
    if data.startswith(MAGIC):
        check_archive(data)
        return run_in_child(unpickle, data)
    if _has_small_header(data):
        return data
    if data.startswith(_PICKLE_MAGIC):
        raise UnsafeFileError(
            "a bare pickle (torch.save before 1.6, or another program's); nothing in it was executed",
            expected="safetensors, or a file of a current torch.save",
            action="load it where you trust it and save module.state_dict() again",
        )
    if data[8:9] == b"{":
        return data
    raise UnsafeFileError(
        f"neither safetensors nor a torch.save file (it begins with {ascii(data[:8])[1:]})",
        expected="a checkpoint",
        action="check that this is the checkpoint and that it was copied whole",
    )
