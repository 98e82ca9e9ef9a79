"""Laws of reading strangers' files: one clear line, nothing executed, bounded time and memory; good files are read."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import psutil
import pytest
import safetensors.torch
import torch

from auditor.checkpoints.intake.safe_loading import read_checkpoint
from auditor.checkpoints.intake.sandbox import run_in_child
from auditor.checkpoints.intake.unpickling import prepare, unpickle
from auditor.errors import AuditorError, CheckpointError, UnsafeFileError
from tests.auditor.checkpoints.intake.hostile_files import MAKERS, good

pytestmark = pytest.mark.slow

MOST_SECONDS = 10.0
MOST_GROWTH_BYTES = 200 * 2**20


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_hostile_file_gives_one_line_and_runs_nothing(name: str, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.params"
    MAKERS[name](path, canary)
    before, start = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(AuditorError) as caught:
        read_checkpoint(path)
    assert time.monotonic() - start < MOST_SECONDS
    assert psutil.Process().memory_info().rss - before < MOST_GROWTH_BYTES
    assert not canary.exists()
    line = str(caught.value)
    assert isinstance(caught.value, CheckpointError)
    assert "model.params" in line
    assert line.isprintable()
    assert len(line) < 500


def test_the_corpus_is_large_enough() -> None:
    assert len(MAKERS) >= 40


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pickle_calls_system", "posix.system"),
        ("bit_flip", "damaged"),
        ("compressed_zeros", "compressed"),
        ("legacy_torch_file", "nothing in it was executed"),
        ("two_entries", "model_state_dict, ema.*--entry"),
        ("wrapped_call_of_system", r"posix\.system; nothing in it was executed"),
        ("wrapped_call_of_exec_by_its_old_name", r"builtins\.exec"),
        ("wrapped_module", r"torch\.nn"),
        ("nested_without_a_matrix", "no entry that maps names to weights"),
        ("weights_and_a_number_in_one_entry", "no entry that maps names to weights"),
        ("name_of_100_000_dots", "100,001 characters"),
        ("state_dict_with_a_number", "'epoch'"),
        ("stride_zero", "fewer values"),
        ("meta_tensor", "meta"),
        ("double_key", "'w' 2 times"),
        ("symbolic_link", "a symbolic link"),
        ("directory", "a directory"),
        ("pipe", "a pipe"),
        ("missing_file", "no file"),
        ("file_over_the_limit", "at most"),
        ("truncated_tensors", "truncated"),
        ("long_header", "3000000"),
        ("shared_tuples", "Weights only load failed;"),
    ],
)
def test_the_line_names_the_fault(name: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    MAKERS[name](path, tmp_path / "canary")
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(path)


def test_a_device_is_refused_without_reading_it() -> None:
    with pytest.raises(UnsafeFileError, match="a device"):
        read_checkpoint(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    path.write_bytes(good())
    path.chmod(0)
    with pytest.raises(CheckpointError, match="permission"):
        read_checkpoint(path)


def test_a_state_dict_is_read_value_by_value(tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    weight = torch.arange(12.0).reshape(3, 4).T  # not contiguous
    torch.save(
        {"weight": weight, "parameter": torch.nn.Parameter(torch.ones(2)), "mask": torch.ones(2, dtype=torch.uint8)},
        path,
    )
    found = read_checkpoint(path)
    assert torch.equal(found.tensors["weight"], weight)
    assert torch.equal(found.tensors["parameter"], torch.ones(2))
    assert found.tensors["mask"].dtype is torch.uint8
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_shared_storage_is_written_out(tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    table = torch.arange(6.0)
    torch.save({"a": table, "b": table, "c": table[2:4]}, path)
    found = read_checkpoint(path).tensors
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], table[2:4])


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    path.write_bytes(safetensors.torch.save({"w": torch.ones(2)}, metadata={"made": "here"}))
    found = read_checkpoint(path)
    assert torch.equal(found.tensors["w"], torch.ones(2))
    assert found.metadata == {"made": "here"}


@pytest.mark.parametrize("length", [0x180, 0x280])
def test_a_safetensors_header_may_be_as_long_as_a_pickle_begins(length: int, tmp_path: Path) -> None:
    """The first byte is the low one of the header's length: 0x80 in one of 32 files."""
    path = tmp_path / "model.safetensors"
    data = b""
    for padding in range(length):
        data = safetensors.torch.save({"w": torch.ones(2)}, metadata={"made": "x" * padding})
        if int.from_bytes(data[:8], "little") == length:
            break
    assert data[:1] == b"\x80"
    path.write_bytes(data)
    assert torch.equal(read_checkpoint(path).tensors["w"], torch.ones(2))


def test_reading_leaves_no_child_and_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "model.params"
    path.write_bytes(good())
    read_checkpoint(path)
    process = psutil.Process()
    before, children = process.num_fds(), process.children()
    read_checkpoint(path)
    assert process.num_fds() == before
    assert process.children() == children


@pytest.mark.parametrize("name", [name for name in sorted(MAKERS) if name.startswith("pickle_")])
def test_the_child_alone_runs_nothing_either(name: str, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.params"
    MAKERS[name](path, canary)
    prepare()
    with pytest.raises(UnsafeFileError, match="UnpicklingError"):
        run_in_child(unpickle, path.read_bytes())
    assert not canary.exists()
