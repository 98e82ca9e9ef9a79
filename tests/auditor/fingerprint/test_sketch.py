"""The text of a fingerprint and the comparison of two."""

from __future__ import annotations

import base64
import math
from dataclasses import replace

import numpy as np
import pytest

from auditor.fingerprint.projection import COORDINATES
from auditor.fingerprint.sketch import TOLERANCE, Sketch, distance, label, read_sketch, same_function
from auditor.seeds import numpy_generator

VALUES = numpy_generator(0, "sketch").normal(size=COORDINATES)
SKETCH = Sketch("0" * 16, tuple(VALUES.tolist()))


def moved(by: float) -> Sketch:
    """The sketch at that relative distance."""
    direction = numpy_generator(1, "sketch").normal(size=COORDINATES)
    step = by * np.linalg.norm(VALUES) * direction / np.linalg.norm(direction)
    return replace(SKETCH, values=tuple((VALUES + step).tolist()))


def test_a_text_is_read_back_to_float32() -> None:
    found = read_sketch(SKETCH.text)
    assert found is not None
    assert found.interface == SKETCH.interface
    assert found.values == tuple(np.float32(VALUES).astype(float).tolist())
    assert found.text.split(".")[3] == SKETCH.text.split(".")[3]


def test_the_text_begins_with_the_label_that_people_see() -> None:
    assert SKETCH.text.startswith(f"{SKETCH.label}.1.{'0' * 16}.")
    assert label(SKETCH.text) == SKETCH.label
    assert len(SKETCH.label) == 12
    assert len(SKETCH.text) == 12 + 1 + 1 + 1 + 16 + 1 + 171


@pytest.mark.parametrize("by", [0.0, 1e-7, TOLERANCE / 2])
def test_within_the_tolerance_is_one_function(by: float) -> None:
    assert same_function(SKETCH.text, moved(by).text)


@pytest.mark.parametrize("by", [2 * TOLERANCE, 1e-3, 1.0])
def test_beyond_the_tolerance_is_another_function(by: float) -> None:
    assert not same_function(SKETCH.text, moved(by).text)


def test_labels_tell_apart_what_noise_of_a_thousandth_changes() -> None:
    """Twelve coordinates move by about two steps of the grid each: they cannot all stay in their cells."""
    assert moved(1e-3).label != SKETCH.label


def test_twice_the_logits_are_another_function() -> None:
    """Distance ‖a − 2a‖ / ‖2a‖ = 1/2."""
    double = replace(SKETCH, values=tuple((2 * VALUES).tolist()))
    assert distance(SKETCH, double) == pytest.approx(0.5)
    assert double.label != SKETCH.label


def test_another_interface_is_another_function() -> None:
    other = replace(SKETCH, interface="1" * 16)
    assert distance(SKETCH, other) == math.inf
    assert not same_function(SKETCH.text, other.text)
    assert other.label != SKETCH.label


def test_two_constant_functions_are_one() -> None:
    nothing = replace(SKETCH, values=(0.0,) * COORDINATES)
    assert distance(nothing, nothing) == 0
    assert read_sketch(nothing.text) == nothing
    assert not same_function(nothing.text, SKETCH.text)


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "",
        "a.b.c.d",
        SKETCH.text.replace(".1.", ".2."),
        SKETCH.text[:-8],
        SKETCH.text[:-1] + "é",
        "x.1.y." + base64.urlsafe_b64encode(np.full(COORDINATES, math.nan, dtype="<f4").tobytes()).decode(),
    ],
)
def test_what_cannot_be_read_is_the_same_only_where_it_is_equal(text: str) -> None:
    assert read_sketch(text) is None
    assert same_function(text, text)
    assert not same_function(text, SKETCH.text)
