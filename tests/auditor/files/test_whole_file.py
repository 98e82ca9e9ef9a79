"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from auditor.files.whole_file import write_whole, writing_whole


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    write_whole(file, b"first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("auditor.files.whole_file.os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*report\.html"):
        write_whole(file, b"second")
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("report.html", b"first")]


def test_a_directory_is_refused_and_a_device_is_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"text")
    write_whole(Path(os.devnull), b"text")


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    write_whole(file, b"first")

    def write(error: Exception) -> None:
        with writing_whole(file) as stream:
            stream.write(b"second")
            raise error

    with pytest.raises(ValueError, match="half way"):
        write(ValueError("half way"))
    with pytest.raises(TimeoutError) as raised:
        write(TimeoutError("the server"))
    assert str(raised.value) == "the server"
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("table.csv", b"first")]
