"""Conversion between records and JSON, field by field, by their types.

A record is a frozen dataclass. Its JSON form has one entry for each field, under the field's name, and one for each
property that ``DERIVED`` names. The metadata of a field may change that: ``named("id")``, ``LEFT_OUT_IF_NONE``,
``NOT_WRITTEN``. Reading takes every type as it is: no text becomes a number. Entries that no field reads are ignored,
so that later versions may add some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, ClassVar, Self

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from auditor.errors import RecordError
from auditor.records.values import Json

_NAME = "name in JSON"
_LEFT_OUT = "left out of JSON"
LEFT_OUT_IF_NONE = {_LEFT_OUT: "if None"}
"""Metadata of a field whose default is None: its JSON has no such entry then."""

NOT_WRITTEN = {_LEFT_OUT: "always"}
"""Metadata of a field that is read but written at another place."""


def named(name: str) -> Mapping[str, str]:
    """Metadata of a field that goes by another name in JSON."""
    return {_NAME: name}


class Record:
    """A frozen dataclass with a JSON form."""

    __slots__ = ()
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON form: dict, list, str, int, float, bool and None only."""
        document: dict[str, Json] = _CONVERTER.unstructure(self)
        return document

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Inverse of :meth:`to_json`.

        Raises:
            RecordError: an entry is missing or of another type; the message gives its path.
        """
        try:
            return _CONVERTER.structure(data, cls)
        except BaseValidationError as wrong:
            raise RecordError(transform_error(wrong, path=cls.__name__, format_exception=_said)[0]) from None
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise RecordError(f"{cls.__name__}: {wrong}", expected="what this version writes") from None

    @classmethod
    def _before_reading(cls, data: Mapping[str, Json]) -> Mapping[str, Json]:
        """``data`` with one entry for each field, where what is written is laid out in another way."""
        return data

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        """``document`` as it is written, where that is not one entry for each field."""
        return document


def _said(wrong: BaseException, _type: type | None) -> str:
    if isinstance(wrong, KeyError):
        return "a required entry is missing"
    if isinstance(wrong, StructureHandlerNotFoundError):
        return "a value of no known kind"
    return str(wrong) or type(wrong).__name__


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


def _overrides(kind: type[Any]) -> dict[str, Any]:
    changed = {}
    for one in fields(kind):
        left_out = one.metadata.get(_LEFT_OUT)
        changed[one.name] = override(rename=one.metadata.get(_NAME), omit_if_default=left_out == "if None")
    return changed


def _writer(kind: type[Record]) -> Callable[[Any], dict[str, Json]]:
    skipped = [one.name for one in fields(kind) if one.metadata.get(_LEFT_OUT) == "always"]  # type: ignore[arg-type]
    changed = {**_overrides(kind), **{name: override(omit=True) for name in skipped}}
    plain = make_dict_unstructure_fn(kind, _CONVERTER, **changed)

    def write(record: Any) -> dict[str, Json]:
        derived = {name: _CONVERTER.unstructure(getattr(record, name)) for name in kind.DERIVED}
        return kind._after_writing({**plain(record), **derived})

    return write


def _reader(kind: type[Record]) -> Callable[[Any, Any], Record]:
    plain = make_dict_structure_fn(kind, _CONVERTER, **_overrides(kind))

    def read(data: Any, asked: Any) -> Record:
        if not isinstance(data, Mapping):
            raise TypeError(f"{ascii(data)[:40]} is not an object")
        found: Record = plain(kind._before_reading(data), asked)
        return found

    return read


def _exactly(*kinds: type) -> Callable[[Any, Any], Any]:
    """Take a value as it is; True is not a number."""

    def check(value: Any, _: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(f"{ascii(value)[:40]} is not of type {kinds[0].__name__}")
        return value

    return check


_CONVERTER = Converter(unstruct_collection_overrides={tuple: list})
_CONVERTER.register_structure_hook_func(lambda kind: kind is Json, lambda value, _: value)
_CONVERTER.register_unstructure_hook_func(lambda kind: kind is Json, _CONVERTER.unstructure)
for _kind, _accepted in ((bool, (bool,)), (int, (int,)), (float, (float, int)), (str, (str,))):
    _CONVERTER.register_structure_hook(_kind, _exactly(*_accepted))
_CONVERTER.register_structure_hook(StrEnum, lambda value, kind: kind(value))
_CONVERTER.register_unstructure_hook(StrEnum, str)
_CONVERTER.register_structure_hook_factory(_is_record, _reader)
_CONVERTER.register_unstructure_hook_factory(_is_record, _writer)
