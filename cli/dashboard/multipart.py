"""A multipart form, written to a folder while it arrives: nothing of a file is kept in memory.

Parts with a file name become files ``FOLDER/PART/FILE``; the others are short texts.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from anyio.to_thread import run_sync
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cli.dashboard.refusal import Refusal

MOST_PARTS: Final = 80
FIELD_BYTES: Final = 10_000
NAME_BYTES: Final = 200
"""Of a file's name; file systems end at 255."""


@dataclass
class Form:
    """What has arrived: texts by part, files by part in the order they came."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Path]] = field(default_factory=dict)


@dataclass
class _Part:
    disposition: bytes = b""
    name: str = ""
    text: bytearray = field(default_factory=bytearray)
    sink: BinaryIO | None = None
    is_empty: bool = False


class FormReader:
    """Takes the pieces of a body; ``form`` is complete after :meth:`finish`. Use it as a context manager."""

    def __init__(self, content_type: str, folder: Path, *, texts: Collection[str], files: Collection[str]) -> None:
        self.form = Form()
        self._folder, self._texts, self._files = folder, texts, files
        self._header = (bytearray(), bytearray())
        self._part, self._parts, self._ended = _Part(), 0, False
        self._open = ExitStack()
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise Refusal(415, f"the content type {content_type[:60]!a}", expected="multipart/form-data")
        try:
            self._parser = MultipartParser(options[b"boundary"], self._callbacks())  # type: ignore[arg-type]
        except FormParserError as wrong:
            raise _unreadable(wrong) from None

    def __enter__(self) -> FormReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, piece: bytes) -> None:
        """The next piece of the body.

        Raises:
            Refusal: no such form, too many parts, a name that no file may have, or no room on the disk.
        """
        try:
            self._parser.write(piece)
        except FormParserError as wrong:
            raise _unreadable(wrong) from None
        except OSError as wrong:
            if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refusal(507, "no room for the upload on the server", do="ask who runs it to make room") from wrong
            raise

    def finish(self) -> Form:
        """The form, once all of it has arrived.

        Raises:
            Refusal: its end is missing.
        """
        if not self._ended:
            raise Refusal(400, "a form that ends early", expected="all of its parts", do="send it again")
        return self.form

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise Refusal(413, "too many parts in the form", expected=f"at most {MOST_PARTS}")

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._part.disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        known = self._files if b"filename" in options else self._texts
        if name not in known:
            kind = "file" if b"filename" in options else "text"
            raise Refusal(422, f"a {kind} named {name[:60]!a} in the form", expected=", ".join(known))
        self._part.name = name
        if options.get(b"filename") == b"":  # a browser's form has a part for each file that was not chosen
            self._part.is_empty = True
        elif b"filename" in options:
            self._part.sink = self._new_file(name, options[b"filename"])

    def _new_file(self, part: str, raw: bytes) -> BinaryIO:
        path = self._folder / part / plain_name(raw)
        path.parent.mkdir(exist_ok=True)
        try:
            sink = self._open.enter_context(path.open("xb"))
        except FileExistsError:
            raise Refusal(422, f"two files {path.name!a} in the form", expected="each once") from None
        self.form.files.setdefault(part, []).append(path)
        return sink

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.sink is not None:
            self._part.sink.write(data[start:end])
            return
        self._part.text += data[start:end]
        if len(self._part.text) > FIELD_BYTES:
            raise Refusal(413, f"a long text {self._part.name}", expected=f"at most {FIELD_BYTES:,} bytes")

    def _end(self) -> None:
        if self._part.sink is not None:
            self._part.sink.close()
            return
        if self._part.is_empty:
            return
        try:
            self.form.texts[self._part.name] = self._part.text.decode()
        except UnicodeDecodeError:
            raise Refusal(422, f"a text {self._part.name} that is not UTF-8", expected="UTF-8") from None

    def _all(self) -> None:
        self._ended = True


async def read_form(pieces: AsyncIterator[bytes], reader: FormReader) -> Form:
    """The form of a body; its pieces are written in another thread, so that a slow disk holds up no other request."""
    with reader:
        async for piece in pieces:
            await run_sync(reader.write, piece)
        return reader.finish()


def plain_name(raw: bytes) -> str:
    """A name for a file or folder inside one of ours, never a path.

    Raises:
        Refusal: it is none.
    """
    name = raw.decode("utf-8", "replace")
    unfit = "/" in name or "\\" in name or name in ("", ".", "..") or not name.isprintable()
    if unfit or len(name.encode("utf-8", "replace")) > NAME_BYTES:
        raise Refusal(
            422, f"the file name {name[:60]!a}", expected=f"a name of at most {NAME_BYTES} bytes without path"
        )
    return name


def _unreadable(wrong: Exception) -> Refusal:
    return Refusal(400, f"no multipart form: {str(wrong)[:100]}", expected="multipart/form-data")
