"""Every reader of a user's table takes what fits and names what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auditor.errors import PlanError
from auditor.files.documents import Table, shown

READERS: list[tuple[Callable[[Table], Any], Any, list[Any], str]] = [
    (lambda table: table.whole("a"), 1, [0, 1.0, True, "1", None], "a whole number of at least 1"),
    (lambda table: table.whole("a", at_least=0, at_most=9), 0, [-1, 10, False], "a whole number from 0 to 9"),
    (lambda table: table.positive("a"), 2.5, [0, -1.0, True, float("nan"), 1e9, "2"], "a positive number"),
    (lambda table: table.share("a"), 0.5, [0.0, 1.0, 1, float("nan"), "0.5"], "a number between 0 and 1"),
    (lambda table: table.truth("a"), False, [0, "no", None], "true or false"),
    (lambda table: table.text("a"), "x", ["", "  ", 3, ["x"]], "a text"),
    (lambda table: table.texts("a"), ("x", "y"), ["xy", ["x", 1], 3], "a list of texts"),
    (lambda table: table.wholes("a"), (0, 1), [[True], [1.0], 1], "a list of whole numbers"),
    (lambda table: table.table("a"), {"b": 1}, [[1], "b", None], "a table"),
    (lambda table: table.tables("a"), ({"b": 1},), [{"b": 1}, [1], "b"], "a list of tables"),
    (lambda table: table.choice("a", ("b", "c")), "c", ["d", 3, ["b"], None], "b or c"),
]


def _table(value: Any) -> Table:
    return Table({"a": value}, PlanError, where="file.toml: ")


@pytest.mark.parametrize(("read", "fits", "others", "expected"), READERS, ids=[row[-1] for row in READERS])
def test_what_fits_is_taken_and_the_rest_is_named(
    read: Callable[[Table], Any], fits: Any, others: list[Any], expected: str
) -> None:
    assert read(_table(list(fits) if isinstance(fits, tuple) else fits)) == fits
    for value in others:
        with pytest.raises(PlanError) as refused:
            read(_table(value))
        assert refused.value.found == f"file.toml: a = {shown(value)}"
        assert refused.value.expected == expected
    with pytest.raises(PlanError, match="no 'a'"):
        read(Table({}, PlanError))


def test_an_entry_that_is_not_read_is_refused_with_the_known_ones() -> None:
    _table(1).no_others(["a", "b"])
    with pytest.raises(PlanError, match="unknown field 'a'; expected b, c"):
        _table(1).no_others(["b", "c"])


def test_a_value_is_shown_short_and_harmless() -> None:
    assert shown("\x1b[31mé") == r"'\x1b[31m\xe9'"
    assert len(shown("x" * 10_000)) == 60
