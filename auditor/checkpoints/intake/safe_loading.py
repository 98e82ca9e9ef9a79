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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from auditor.canonical.serialisation import decode
from auditor.canonical.tensor_header import MAX_NAME_LENGTH, header_size, read_header
from auditor.checkpoints.intake.file_checks import MAX_CHECKPOINT_BYTES, read_plain_file
from auditor.checkpoints.intake.sandbox import run_in_child
from auditor.checkpoints.intake.torch_archive import MAGIC, check_archive
from auditor.checkpoints.intake.unpickling import LIBRARY_KEY, prepare, unpickle
from auditor.errors import CheckpointError, FormatError, UnsafeFileError
from auditor.records import Json

_PICKLE_MAGIC = b"\x80"


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A checkpoint after safe reading. ``sha256`` is that of the file as it came."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str
    entry: str = ""  # which entry of a nested checkpoint the tensors are
    beside: tuple[str, ...] = ()  # the other entries
    facts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)  # plain values in them, by entry


def read_checkpoint(path: Path, *, entry: str | None = None) -> ForeignFile:
    """The tensors of a safetensors or ``torch.save`` file, or of one entry of the latter.

    Raises:
        UnsafeFileError: the file is hostile, damaged, over a limit, or of neither kind.
        FormatError: several entries hold weights and none is named, or none has this name.
        CheckpointError: there is no such file.
    """

    names: frozenset[str] = frozenset()

    def look(file: BinaryIO, size: int) -> None:
        nonlocal names
        with _named(path):
            names = _first_look(file, size)

    data = read_plain_file(path, limit=MAX_CHECKPOINT_BYTES, look=look)
    with _named(path):
        content = _in_child(data, names, entry) if data.startswith(MAGIC) else data
        is_own, sha256 = content is data, hashlib.sha256(data).hexdigest()
        del data
        header = read_header(content)
        decoded = decode(content)
        tensors = {name: decoded[name] for name in header.tensors}  # in the order of the file
        if is_own:
            if entry is not None:
                raise _no_entry(entry, [])
            return ForeignFile({**tensors, **_shared(tensors, header.metadata)}, header.metadata, sha256)
        about = json.loads(header.metadata[LIBRARY_KEY])  # of the child; a file of safetensors cannot claim it
        if not tensors:
            raise _several(about["candidates"]) if entry is None else _no_entry(entry, about["candidates"])
    return ForeignFile(tensors, {}, sha256, about["entry"], tuple(about["beside"]), about["facts"])


def read_shards(shards: Mapping[Path, frozenset[str]], *, entry: str | None = None) -> ForeignFile:
    """The tensors of split weights. The hash is that of the hashes of the files in the order of their names.

    Raises:
        UnsafeFileError: a file that is hostile, damaged, or over a limit; the limit of size is for all together.
        FormatError: a file that does not hold just the tensors that the index names.
    """
    size = sum(path.stat().st_size for path in shards if path.is_file())
    if size > MAX_CHECKPOINT_BYTES:
        raise UnsafeFileError(f"{len(shards)} files of {size:,} bytes", expected=f"at most {MAX_CHECKPOINT_BYTES:,}")
    tensors: dict[str, Tensor] = {}
    hashes = []
    for path, names in shards.items():
        part = read_checkpoint(path, entry=entry)
        differing = sorted(names ^ set(part.tensors))
        if differing:
            where = "missing from it" if differing[0] in names else "in it, which the index does not place there"
            raise FormatError(
                f"{path.name}: tensor {differing[0]!a} is {where}",
                expected="the files that belong to this index",
                action="copy the whole folder again",
            )
        tensors |= part.tensors
        hashes.append(part.sha256)
    return ForeignFile(tensors, {}, hashlib.sha256("".join(hashes).encode()).hexdigest())


def _shared(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors that ``safetensors.torch.save_model`` left out as copies; it names the one kept in the metadata."""
    return {
        name: tensors[kept]
        for name, kept in metadata.items()
        if kept in tensors and name not in tensors and name.isprintable() and 0 < len(name) <= MAX_NAME_LENGTH
    }


def _several(candidates: list[str]) -> FormatError:
    names = ", ".join(ascii(name)[1:-1] for name in candidates)
    return FormatError(
        f"{len(candidates)} entries hold weights: {names}", expected="one", action="choose one with --entry NAME"
    )


def _no_entry(entry: str, candidates: list[str]) -> FormatError:
    names = " or ".join(ascii(name)[1:-1] for name in candidates)
    return FormatError(
        f"no entry {entry!a} that holds weights",
        expected=names or "a file whose weights are one flat map, read without --entry",
        action="choose one of these with --entry" if names else "leave --entry out",
    )


def _in_child(data: bytes, names: frozenset[str], entry: str | None) -> bytes:
    prepare()
    return run_in_child(partial(unpickle, names=names, entry=entry), data)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name in front of a refusal."""
    try:
        yield
    except CheckpointError as refused:
        raise type(refused)(
            f"{ascii(path.name)[1:-1]}: {refused.found}", expected=refused.expected, action=refused.action
        ) from None


def _first_look(file: BinaryIO, size: int) -> frozenset[str]:
    """Refuse what is no checkpoint while only its beginning, or one record, is in memory; the names in its pickle."""
    head = file.read(9)
    if head.startswith(MAGIC):
        return check_archive(file, size)
    if head[8:9] == b"{" and (_has_small_header(head) or not head.startswith(_PICKLE_MAGIC)):
        length = header_size(head[:8], size)
        file.seek(0)
        read_header(file.read(8 + length), file_size=size)
        return frozenset()
    if head.startswith(_PICKLE_MAGIC):
        raise UnsafeFileError(
            "a bare pickle (torch.save before 1.6, or another program's); nothing in it was executed",
            expected="safetensors, or a file of a current torch.save",
            action="load it where you trust it and save module.state_dict() again",
        )
    raise UnsafeFileError(
        f"neither safetensors nor a torch.save file (it begins with {ascii(head[:8])[1:]})",
        expected="a checkpoint",
        action="check that this is the checkpoint and that it was copied whole",
    )


def _has_small_header(head: bytes) -> bool:
    """Whether a map follows a header length under 4 GiB; its first byte may well be that of a pickle."""
    return head[4:9] == b"\x00\x00\x00\x00{"
