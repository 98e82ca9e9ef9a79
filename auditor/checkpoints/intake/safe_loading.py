"""Reading a checkpoint that a stranger may have made: bytes in, named tensors out, nothing executed.

The content decides how a file is read, not its name. Safetensors are read here under limits; a ``torch.save`` file is
checked record by record, unpickled with weights only in a child process, and comes back as safetensors. The foreign
file is not read again after this: what is stored is the canonical model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from auditor.canonical.serialisation import check_finite, decode
from auditor.canonical.tensor_header import header_size, read_header
from auditor.checkpoints.intake.file_checks import MAX_CHECKPOINT_BYTES, read_plain_file
from auditor.checkpoints.intake.sandbox import run_in_child
from auditor.checkpoints.intake.torch_archive import MAGIC, check_archive
from auditor.checkpoints.intake.unpickling import LIBRARY_KEY, prepare, unpickle
from auditor.errors import CheckpointError, UnsafeFileError
from auditor.records import Json

_PICKLE_MAGIC = b"\x80"


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A checkpoint after safe reading. ``sha256`` is that of the file as it came."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str
    library: Mapping[str, Json] | None = None  # what a nested checkpoint says of its own model


def read_checkpoint(path: Path) -> ForeignFile:
    """The tensors of a safetensors or ``torch.save`` file.

    Raises:
        UnsafeFileError: the file is hostile, damaged, over a limit, or of neither kind.
        CheckpointError: there is no such file, or a tensor is not finite.
    """

    def look(file: BinaryIO, size: int) -> None:
        with _named(path):
            _first_look(file, size)

    data = read_plain_file(path, limit=MAX_CHECKPOINT_BYTES, look=look)
    with _named(path):
        content = _in_child(data) if data.startswith(MAGIC) else data
        is_own, sha256 = content is data, hashlib.sha256(data).hexdigest()
        del data
        header = read_header(content)
        tensors = decode(content)
        check_finite({name: tensor for name, tensor in tensors.items() if tensor.dim()})  # scalars are no weights
    if is_own:
        return ForeignFile(tensors, header.metadata, sha256)
    return ForeignFile(tensors, {}, sha256, _library(header.metadata))


def _library(metadata: Mapping[str, str]) -> dict[str, Json] | None:
    """What the child found beside the weights; a file of safetensors cannot claim it."""
    if LIBRARY_KEY not in metadata:
        return None
    found: dict[str, Json] = json.loads(metadata[LIBRARY_KEY])
    return found


def _in_child(data: bytes) -> bytes:
    prepare()
    return run_in_child(unpickle, data)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name in front of a refusal."""
    try:
        yield
    except CheckpointError as refused:
        raise type(refused)(
            f"{ascii(path.name)[1:-1]}: {refused.found}", expected=refused.expected, action=refused.action
        ) from None


def _first_look(file: BinaryIO, size: int) -> None:
    """Refuse what is no checkpoint while only its beginning, or one record, is in memory."""
    head = file.read(9)
    if head.startswith(MAGIC):
        check_archive(file, size)
    elif head[8:9] == b"{" and (_has_small_header(head) or not head.startswith(_PICKLE_MAGIC)):
        length = header_size(head[:8], size)
        file.seek(0)
        read_header(file.read(8 + length), file_size=size)
    elif head.startswith(_PICKLE_MAGIC):
        raise UnsafeFileError(
            "a bare pickle (torch.save before 1.6, or another program's); nothing in it was executed",
            expected="safetensors, or a file of a current torch.save",
            action="load it where you trust it and save module.state_dict() again",
        )
    else:
        raise UnsafeFileError(
            f"neither safetensors nor a torch.save file (it begins with {ascii(head[:8])[1:]})",
            expected="a checkpoint",
            action="check that this is the checkpoint and that it was copied whole",
        )


def _has_small_header(head: bytes) -> bool:
    """Whether a map follows a header length under 4 GiB; its first byte may well be that of a pickle."""
    return head[4:9] == b"\x00\x00\x00\x00{"
