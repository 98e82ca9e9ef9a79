"""What a file of ``torch.save`` may look like, checked before anything in it is unpickled.

``torch.save`` writes a zip of stored (never compressed) records: ``data.pkl``, which describes the objects, and one
record of raw bytes per storage. A compressed record can grow a thousandfold; a flipped bit passes ``torch.load``,
which does not check the zip's CRCs; a pickle can name any function of any module. So: sizes, CRCs and the pickle's
own opcodes are read first.
"""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import BinaryIO

from auditor.checkpoints.intake.inert_values import READ_BY_TORCH, is_inert
from auditor.errors import UnsafeFileError

MAGIC = b"PK\x03\x04"
MAX_RECORDS = 20_000
MAX_PICKLE_BYTES = 3_000_000
MAX_OPCODES = 500_000
"""About forty describe one tensor, and an optimizer keeps two more of each."""

_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_TYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
ALLOWED_GLOBALS = frozenset(
    (
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.nn.parameter.Parameter",
        *(f"torch.{kind}Storage" for kind in _STORAGES),
        *(f"torch.{kind}" for kind in _TYPES),
    )
)
"""All that a state dict of dense tensors names."""

_BY_STACK = frozenset(("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"))
"""Opcodes that name or build objects in ways ``torch.save`` does not use."""


def check_archive(file: BinaryIO, size: int) -> frozenset[str]:
    """The dotted names in the pickle of an archive, after checks.

    Checks the zip and the pickle in it, without unpickling and record by record, so that a large one takes no memory.

    Raises:
        UnsafeFileError: not a whole zip of ``torch.save``, compressed or damaged records, code, or a pickle that
            names more than tensors.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            _check_records(records, size)
            damaged = archive.testzip()
            if damaged is not None:
                raise UnsafeFileError(
                    f"record {ascii(damaged)[:80]} is damaged: its checksum does not match",
                    action="copy the file again",
                )
            pickles = [record for record in records if PurePosixPath(record.filename).name == "data.pkl"]
            return _check_pickle(archive.read(pickles[0]))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as wrong:
        raise UnsafeFileError(
            f"a damaged or truncated zip: {ascii(str(wrong))[:80]}", expected="a whole file", action="copy it again"
        ) from None


def _check_records(records: list[zipfile.ZipInfo], size: int) -> None:
    names = [record.filename for record in records]
    if len(records) > MAX_RECORDS:
        raise UnsafeFileError(f"a zip of {len(records)} records", expected=f"at most {MAX_RECORDS}")
    if len(set(names)) != len(names):
        raise UnsafeFileError("a zip with two records of one name", expected="distinct names")
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            raise UnsafeFileError(
                f"compressed record {ascii(record.filename)[:80]} of {record.file_size:,} bytes",
                expected="stored records, as torch.save writes them",
                action="save it with torch.save, not with a zip program",
            )
    if sum(record.file_size for record in records) > size:
        raise UnsafeFileError("a zip whose records overlap", expected="records that fit into the file")
    if any("code" in PurePosixPath(name).parts or PurePosixPath(name).name == "constants.pkl" for name in names):
        raise UnsafeFileError(
            "a TorchScript archive, which holds code",
            expected="weights only",
            action="save module.state_dict() instead",
        )
    pickles = [record for record in records if PurePosixPath(record.filename).name == "data.pkl"]
    if len(pickles) != 1:
        raise UnsafeFileError(
            f"a zip with {len(pickles)} data.pkl", expected="one", action="save module.state_dict() with torch.save"
        )
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise UnsafeFileError(
            f"a data.pkl of {pickles[0].file_size:,} bytes",
            expected=f"at most {MAX_PICKLE_BYTES:,}: names and shapes only",
            action="save module.state_dict() instead",
        )


def _dotted(argument: object) -> str:
    """``module name`` as it stands in a pickle → ``module.name``, with the module's name of Python 3."""
    module, _, name = str(argument).partition(" ")
    return f"{'builtins' if module == '__builtin__' else module}.{name}"


def _check_pickle(data: bytes) -> frozenset[str]:
    names = set()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count > MAX_OPCODES:
            raise UnsafeFileError("a pickle of too many steps", expected=f"at most {MAX_OPCODES:,}")
        if opcode.name in _BY_STACK:
            raise _more_than_tensors(f"uses {opcode.name}")
        if opcode.name == "GLOBAL":
            name = _dotted(argument)
            if name not in ALLOWED_GLOBALS and name not in READ_BY_TORCH and not is_inert(name):
                raise _more_than_tensors(f"names {ascii(name)[1:80]}".rstrip("'"))
            names.add(name)
    return frozenset(names)


def _more_than_tensors(what: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"a pickle that {what}; nothing in it was executed",
        expected="tensors by name, with plain values beside them at most",
        action="save module.state_dict() with torch.save, or as safetensors",
    )
