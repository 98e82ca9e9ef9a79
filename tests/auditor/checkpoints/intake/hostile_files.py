"""Makers of hostile and broken checkpoints. Each writes one file (or something that is none) at a path.

Pickles are written opcode by opcode, so that making one runs nothing either. ``canary`` is a file that must never
appear.
"""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import torch

Maker = Callable[[Path, Path], None]
MAKERS: dict[str, Maker] = {}


def hostile(maker: Maker) -> Maker:
    """Enter a maker into the corpus under its own name."""
    MAKERS[maker.__name__] = maker
    return maker


def saved(value: object, **options: object) -> bytes:
    """The bytes of ``torch.save``."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def good() -> bytes:
    """A harmless state dict of two tensors."""
    return saved({"weight": torch.ones(64, 64), "bias": torch.zeros(4)})


def archive(pickle: bytes, *, compression: int = zipfile.ZIP_STORED, **records: bytes) -> bytes:
    """A zip laid out as by ``torch.save`` around any pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("archive/data.pkl", pickle)
        file.writestr("archive/version", b"3\n")
        for name, data in records.items():
            file.writestr(f"archive/{name.replace('__', '/')}", data)
    return buffer.getvalue()


def edited(data: bytes, edit: Callable[[str, bytes], bytes | None]) -> bytes:
    """A saved file with its records changed or (None) left out, and checksums that match."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = edit(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def call(module: str, function: str, argument: str) -> bytes:
    """A pickle that calls ``module.function(argument)`` when it is loaded."""
    text = argument.encode()
    return (
        f"\x80\x02c{module}\n{function}\n".encode("latin-1") + b"X" + len(text).to_bytes(4, "little") + text + b"\x85R."
    )


def tensors(header: object, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with any header: an object for JSON, or bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + payload


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    """One tensor of a safetensors header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _write(name: str, make: Callable[[Path], bytes]) -> None:
    def maker(path: Path, canary: Path) -> None:
        path.write_bytes(make(canary))

    MAKERS[name] = maker


def _flipped(data: bytes) -> bytes:
    middle = data.index(torch.ones(64, 64).numpy().tobytes()) + 5_000
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _lying_directory(data: bytes) -> bytes:
    """The zip's central directory declares that the largest record has 2 GB, stored."""
    place = data.index(b"PK\x01\x02")
    while int.from_bytes(data[place + 20 : place + 24], "little") != 64 * 64 * 4:
        place = data.index(b"PK\x01\x02", place + 1)
    size = (2**31).to_bytes(4, "little")
    return data[: place + 20] + size + size + data[place + 28 :]


_ONE = {"w": entry([2], 0, 8)}
_TOUCH = "touch {}"
_ENTRY = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'

_write("pickle_calls_system", lambda c: archive(call("posix", "system", _TOUCH.format(c))))
_write("pickle_calls_eval", lambda c: archive(call("builtins", "eval", f"open({str(c)!r}, 'w')")))
_write("pickle_calls_getattr", lambda c: archive(call("builtins", "getattr", str(c))))
_write("pickle_calls_torch_load", lambda c: archive(call("torch", "load", str(c))))
_write(
    "pickle_names_by_stack",
    lambda c: archive(
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(str(c)) + 6]) + f"touch {c}\x85R.".encode("latin-1")
    ),
)
_write("pickle_builds_instance", lambda c: archive(f"(S'touch {c}'\niposix\nsystem\n.".encode()))
_write("bare_pickle_calls_system", lambda c: call("posix", "system", _TOUCH.format(c)))
_write("bare_text_pickle", lambda c: f"cposix\nsystem\n(S'touch {c}'\ntR.".encode())
_write("legacy_torch_file", lambda _: saved({"w": torch.ones(2)}, _use_new_zipfile_serialization=False))
_write("whole_module", lambda _: saved(torch.nn.Linear(2, 2)))
_write("torchscript", lambda _: archive(b"\x80\x02}.", constants_pkl=b"", code__model=b"import os"))
_write("truncated_to_a_tenth", lambda _: good()[: len(good()) // 10])
_write("truncated_to_half", lambda _: good()[: len(good()) // 2])
_write("truncated_by_ten_bytes", lambda _: good()[:-10])
_write("empty_file", lambda _: b"")
_write("random_bytes", lambda _: bytes((i * 7919 + 13) % 251 for i in range(5_000)))
_write("text_file", lambda _: b"(a (b b) a)\n" * 50)
_write("one_byte", lambda _: b"P")
_write(
    "compressed_zeros", lambda _: archive(b"\x80\x02}.", compression=zipfile.ZIP_DEFLATED, data__0=bytes(20_000_000))
)
_write("huge_pickle", lambda _: archive(b"\x80\x02]" + b"0]" * 600_000 + b"."))
_write("lying_directory", lambda _: _lying_directory(good()))
_write("bit_flip", lambda _: _flipped(good()))
_write("no_pickle", lambda _: edited(good(), lambda name, data: None if name.endswith("data.pkl") else data))
_write("no_storage", lambda _: edited(good(), lambda name, data: None if name.endswith("data/0") else data))
_write("short_storage", lambda _: edited(good(), lambda name, data: data[:100] if name.endswith("data/0") else data))
_write(
    "shape_beyond_storage",
    lambda _: edited(saved({"w": torch.ones(4)}), lambda _, data: data.replace(b"K\x04\x85", b"K\x7f\x85")),
)
_write("stride_zero", lambda _: saved({"w": torch.zeros(1).expand(1_000_000, 1_000_000)}))
_write("sparse_tensor", lambda _: saved({"w": torch.eye(3).to_sparse()}))
_write("meta_tensor", lambda _: saved({"w": torch.empty(3, device="meta")}))
_write("complex_tensor", lambda _: saved({"w": torch.ones(3, dtype=torch.complex64)}))
_write("nested_lists", lambda _: archive(b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b"."))
_write("shared_tuples", lambda _: archive(b"\x80\x02)" + b"2\x86" * 100 + b"."))
_write("state_dict_with_a_number", lambda _: saved({"w": torch.ones(2), "epoch": 3}))
_write("state_dict_with_number_keys", lambda _: saved({1: torch.ones(2)}))
_write("list_of_tensors", lambda _: saved([torch.ones(2)]))
_write("empty_state_dict", lambda _: saved({}))
_write("long_header", lambda _: tensors(b"{" + b" " * 4_000_000 + b"}"))
_write("header_longer_than_file", lambda _: tensors(_ONE, bytes(8), length=900_000))
_write("enormous_header", lambda _: tensors(_ONE, bytes(8), length=2**63))
_write("many_entries", lambda _: tensors({f"t{i}": entry([0], 0, 0) for i in range(30_000)}))
_write("double_key", lambda _: tensors(b'{"w":%b,"w":%b}' % (_ENTRY, _ENTRY), bytes(4)))
_write("overlapping_tensors", lambda _: tensors({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)))
_write("gap_between_tensors", lambda _: tensors({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)))
_write("trailing_bytes", lambda _: tensors(_ONE, bytes(80)))
_write("truncated_tensors", lambda _: tensors(_ONE, bytes(3)))
_write("huge_declared_tensor", lambda _: tensors({"w": entry([2**20, 2**20], 0, 2**42)}, bytes(8)))
_write("overflowing_shape", lambda _: tensors({"w": entry([2**40, 2**40], 0, 0)}, b""))
_write("number_of_5000_digits", lambda _: tensors(b'{"w":%b}' % _ENTRY.replace(b"1", b"9" * 5_000), bytes(4)))
_write("negative_offset", lambda _: tensors({"w": entry([2], -8, 0)}, bytes(8)))
_write("unknown_dtype", lambda _: tensors({"w": entry([2], 0, 8, "F31")}, bytes(8)))
_write("control_characters", lambda _: tensors({"w\x00\x1b[2J": entry([2], 0, 8)}, bytes(8)))
_write("deep_header", lambda _: tensors(b"{" + b'"a":{' * 100_000 + b"}" * 100_001))
_write("header_not_utf8", lambda _: tensors(b'{"\xff\xfe":1}'))
_write("header_not_an_object", lambda _: tensors(b"{}x"))
_write("metadata_not_text", lambda _: tensors({"__metadata__": {"a": [1]}, **_ONE}, bytes(8)))


def _growing_zip() -> bytes:
    """2 MB of deflated zeros that a reader would turn into 2 GB: one compressed block of 1 MB, 2,048 times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = block * 2048 + packer.flush()
    name, facts = b"archive/data/0", struct.pack("<IIIHH", 0, len(body), 2**31, 14, 0)
    local = struct.pack("<IHHHHH", 0x04034B50, 20, 0, zipfile.ZIP_DEFLATED, 0, 0) + facts + name + body
    central = struct.pack("<IHHHHHH", 0x02014B50, 20, 20, 0, zipfile.ZIP_DEFLATED, 0, 0) + facts
    central += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), len(local), 0)


def _many_entries(count: int) -> bytes:
    text = b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(count))
    return tensors(b"{" + text + b"}")


_STATE = {"weight": torch.ones(4, 4)}


def _wrapped(**entries: object) -> bytes:
    return saved({"model_state_dict": _STATE, "epoch": 3, **entries})


def _wrapped_call(module: str, function: str, argument: str) -> bytes:
    """Weights under ``model`` and beside them a call."""
    marker = "MARKER"
    data = _wrapped(payload=marker)
    pickled = b"X" + len(marker).to_bytes(4, "little") + marker.encode()
    return edited(
        data,
        lambda name, part: part.replace(pickled, call(module, function, argument)[2:-1]) if "pkl" in name else part,
    )


def _deep(levels: int) -> dict[str, object]:
    found: dict[str, object] = {"w": torch.ones(2, 2)}
    for _ in range(levels):
        found = {"model": found}
    return found


def _nested(**entries: object) -> bytes:
    return saved({"model": {"w": torch.ones(2)}, "model_args": {"n_layer": 1}, **entries})


_write("zip_of_2_mb_that_grows_to_2_gb", lambda _: _growing_zip())
_write("million_entries", lambda _: _many_entries(1_000_000))
_write("lists_200_000_deep", lambda _: archive(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."))
_write("stack_of_marks", lambda _: archive(b"\x80\x02" + b"(" * 100_000 + b"."))
_write(
    "negative_stride",
    lambda _: edited(good(), lambda _, data: data.replace(b"K\x40K\x01\x86", b"J\xff\xff\xff\xffK\x01\x86")),
)
_write(
    "offset_beyond_storage",
    lambda _: edited(good(), lambda _, data: data.replace(b"K\x00K\x04\x85", b"K\x09K\x04\x85")),
)
_write("eight_bit_floats", lambda _: saved({"w": torch.ones(4).to(torch.float8_e4m3fn)}))
_write("nested_without_a_matrix", lambda _: saved({"state_dict": {"w": torch.ones(2)}, "epoch": 1}))
_write("nested_twice_without_a_matrix", lambda _: _nested(model={"model": {"w": torch.ones(2)}}))
_write("two_entries", lambda _: _wrapped(ema=_STATE))
_write("weights_and_a_number_in_one_entry", lambda _: saved({"model": {**_STATE, "epoch": 3}}))
_write("wrapped_sparse_tensor", lambda _: saved({"model": {**_STATE, "s": torch.eye(3).to_sparse()}}))
_write("wrapped_meta_tensor", lambda _: saved({"model": {**_STATE, "m": torch.empty(3, device="meta")}}))
_write("wrapped_stride_zero", lambda _: saved({"model": {"w": torch.zeros(1).expand(1_000_000, 1_000_000)}}))
_write("wrapped_call_of_system", lambda c: _wrapped_call("posix", "system", _TOUCH.format(c)))
_write("wrapped_call_of_eval", lambda c: _wrapped_call("builtins", "eval", f"open({str(c)!r}, 'w')"))
_write("wrapped_call_of_exec_by_its_old_name", lambda c: _wrapped_call("__builtin__", "exec", f"open({str(c)!r}, 'w')"))
_write("wrapped_call_of_numpy_load", lambda c: _wrapped_call("numpy", "load", str(c)))
_write("wrapped_call_of_runpy", lambda c: _wrapped_call("runpy", "_run_code", str(c)))
_write("wrapped_module", lambda _: saved({"model_state_dict": _STATE, "net": torch.nn.Linear(2, 2)}))
_write("inert_script_object", lambda c: archive(call("__main__", "run", _TOUCH.format(c))))
_write("inert_training_loop", lambda c: archive(call("pytorch_lightning", "run", _TOUCH.format(c))))
_write("wrappers_200_deep", lambda _: saved(_deep(200)))
_write(
    "wrappers_30_000_deep",
    lambda _: archive(b"\x80\x02" + b"}X\x01\x00\x00\x00m" * 30_000 + b"}" + b"s" * 30_000 + b"."),
)
_write("wrappers_10_deep", lambda _: saved(_deep(10)))
_write("wide_wrapper", lambda _: saved({f"e{i}": {} for i in range(20_000)}))
_write("hundred_entries", lambda _: saved({f"e{i}": {"w": torch.ones(2, 2)} for i in range(100)}))
_write("name_of_100_000_dots", lambda _: saved({"." * 100_000 + "w": torch.ones(2, 2)}))
_write("wrapped_name_of_100_000_dots", lambda _: saved({"model": {"module." * 20_000 + "w": torch.ones(2, 2)}}))
_write("tensors_name_of_100_000_dots", lambda _: tensors({"." * 100_000: entry([2], 0, 8)}, bytes(8)))


@hostile
def sparse_file_with_a_zip_head(path: Path, canary: Path) -> None:
    """400 MB of nothing behind the magic of a zip: it must be refused before it is read."""
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(400 * 2**20)


@hostile
def sparse_file_of_zeros(path: Path, canary: Path) -> None:
    """500 MB of nothing."""
    with path.open("wb") as file:
        file.truncate(500 * 2**20)


@hostile
def sparse_tensors_that_do_not_add_up(path: Path, canary: Path) -> None:
    """A header for eight bytes in front of 400 MB."""
    with path.open("wb") as file:
        file.write(tensors(_ONE, bytes(8)))
        file.truncate(400 * 2**20)


@hostile
def dangling_link(path: Path, canary: Path) -> None:
    """A link to nothing."""
    path.symlink_to(path.with_name("nothing"))


@hostile
def socket_file(path: Path, canary: Path) -> None:
    """A socket; its name is short because that of a socket must be."""
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


@hostile
def symbolic_link(path: Path, canary: Path) -> None:
    """A link to a good file."""
    target = path.with_name("target")
    target.write_bytes(good())
    path.symlink_to(target)


@hostile
def directory(path: Path, canary: Path) -> None:
    """A folder in the place of a file."""
    path.mkdir()


@hostile
def pipe(path: Path, canary: Path) -> None:
    """A pipe without a writer: opening it must not wait."""
    os.mkfifo(path)


@hostile
def link_to_device(path: Path, canary: Path) -> None:
    """A link to an endless device."""
    path.symlink_to("/dev/zero")


@hostile
def file_over_the_limit(path: Path, canary: Path) -> None:
    """A sparse file of 3 GB that takes no disk."""
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


@hostile
def missing_file(path: Path, canary: Path) -> None:
    """No file."""
