"""Plain values that records are made of, and the keys with a meaning of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import TypeAliasType

from auditor.errors import RecordError

Json = TypeAliasType("Json", "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None")
"""A value made of dict, list, str, int, finite float, bool and None."""

ORIGINAL = "original"
"""The key of the audited model among its variants."""

RERUN = "original/again"
"""The key of a second run on the audited model, of a method that draws at random: the noise of the method itself."""

BEFORE = "before"
"""What the key of a variant that rewrites inputs ends with, where the original is measured on the same decisions."""

SAME_LENGTH = "same-length"
"""What such a key ends with, where the original is measured on other sequences as long as the rewritten ones."""


def variant_of(key: str) -> str:
    """The key of the variant to which a measurement belongs."""
    return key.removesuffix(f"/{BEFORE}").removesuffix(f"/{SAME_LENGTH}")


ALL_OTHERS = "*"
"""What the concluding cell needs: every other cell of its audit."""


def whole(values: Mapping[str, Json], name: str, default: int | None = None) -> int:
    """A whole number among parameters.

    Raises:
        RecordError: it is something else, or not there and without a default.
    """
    found = values.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool):
        raise RecordError(f"{name} = {ascii(found)[:40]}", expected="a whole number")
    return found


def number(values: Mapping[str, Json], name: str) -> float:
    """A number among parameters.

    Raises:
        RecordError: it is not there, or something else.
    """
    found = values.get(name)
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise RecordError(f"{name} = {ascii(found)[:40]}", expected="a number")
    return float(found)


def texts(values: Mapping[str, Json], name: str) -> tuple[str, ...]:
    """A list of texts among parameters; empty where it is not there.

    Raises:
        RecordError: it is something else.
    """
    found = values.get(name, ())
    if isinstance(found, str) or not isinstance(found, Sequence) or not all(isinstance(one, str) for one in found):
        raise RecordError(f"{name} = {ascii(found)[:40]}", expected="a list of texts")
    return tuple(str(one) for one in found)


def group(values: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """An object among the entries of another.

    Raises:
        RecordError: it is not there, or something else.
    """
    found = values.get(name)
    if not isinstance(found, Mapping):
        raise RecordError(f"{name} = {ascii(found)[:40]}", expected="an object")
    return found
