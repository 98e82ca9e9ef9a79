"""The table of what theory predicts."""

from __future__ import annotations

from rich.console import Console

from auditor.records import Expected
from auditor.report.theory_table import COLUMNS, LETTERS, MEANINGS, predictions, render_oracle

EXPECTED = {"one": {"a": Expected.FREE, "b": Expected.INVARIANT}, "two": {"b": Expected.DILUTED}}


def test_every_prediction_has_a_letter_of_its_own_and_a_meaning() -> None:
    assert set(LETTERS) == set(MEANINGS) == set(Expected)
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_what_is_not_declared_is_open() -> None:
    assert predictions(EXPECTED, ("a", "b")) == {
        "one": {"a": "free", "b": "invariant"},
        "two": {"a": "open", "b": "diluted"},
    }


def test_the_table_names_methods_and_explains_numbers_and_letters() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render_oracle(EXPECTED, ("a", "b")))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["one", "F", "="] in lines
    assert ["two", "?", "D"] in lines
    assert ["2", "b"] in lines


def test_many_symmetries_fall_into_tables_that_fit_a_page() -> None:
    symmetries = [f"exact_{number}" for number in range(1, 2 * COLUMNS + 2)]
    method = "attribution_token_integrated_gradients_zero"
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        console.print(render_oracle({method: dict.fromkeys(symmetries, Expected.FREE)}, symmetries))
    rows = [line.split() for line in captured.get().splitlines() if method in line]
    assert [len(row) - 1 for row in rows] == [14, 14, 15]
    assert {letter for row in rows for letter in row[1:]} == {LETTERS[Expected.FREE]}
