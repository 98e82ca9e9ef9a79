"""Text that people's programs wrote: with a byte order mark or without, any line ends, never more than a limit.

Everything that a user gives as text is read here, so that one file is as good as another wherever it is given.
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from auditor.errors import AuditorError

LARGEST_BYTES = 10_000_000
"""Of a file that people write by hand or save from a spreadsheet."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(data: bytes) -> str:
    r"""The text of UTF-8, or of UTF-16 with its byte order mark; line ends become ``\n``.

    Raises:
        ValueError: other bytes; the message says where.
    """
    if data.startswith(_UTF_16):
        text = data.decode("utf-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as wrong:
            line = data.count(b"\n", 0, wrong.start) + 1
            raise ValueError(f"line {line} is not UTF-8 text (byte 0x{data[wrong.start]:02x})") from None
    if "\0" in text:
        raise ValueError("not text: it holds zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path, kind: type[AuditorError], *, expected: str, limit: int = LARGEST_BYTES) -> str:
    """The text of a file. ``expected`` says what should be in it.

    Raises:
        kind: no such file, a folder, no permission, more than ``limit`` bytes, or no UTF-8 text.
    """
    data = read_bytes(path, kind, expected=expected, limit=limit)
    try:
        return decoded(data)
    except ValueError as wrong:
        raise kind(f"{path}: {wrong}", expected=f"{expected} in UTF-8", action="save it again as UTF-8") from None


def read_bytes(path: Path, kind: type[AuditorError], *, expected: str, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        kind: no such file, a folder, no permission, or more than ``limit`` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as failed:
        reason = getattr(failed, "strerror", None) or str(failed)
        raise kind(f"{path}: {reason}", expected=expected, action="check the path") from None
    if len(data) > limit:
        raise kind(f"{path}: more than {limit:,} bytes", expected=expected)
    return data


def read_toml(text: str, where: object, kind: type[AuditorError], *, expected: str, action: str = "") -> dict[str, Any]:
    """The tables of a TOML text. ``where`` names its file in the message.

    Raises:
        kind: not TOML, or nested too deeply.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise kind(f"{where}: {wrong}", expected=expected, action=action) from None
    except RecursionError:
        raise kind(f"{where}: nested too deeply", expected=expected, action=action) from None


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """The lines of a stream as they come, without line ends; what is not UTF-8 becomes the replacement character."""
    start: bytes = stream.peek(2)[:2] if isinstance(stream, BufferedReader) else b""
    reader = TextIOWrapper(stream, encoding="utf-16" if start in _UTF_16 else "utf-8-sig", errors="replace")
    try:
        for line in reader:
            yield line.rstrip("\n")
    finally:
        reader.detach()
