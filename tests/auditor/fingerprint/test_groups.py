"""Classes of one function."""

from __future__ import annotations

import math
import random

from auditor.fingerprint.groups import one_function
from auditor.fingerprint.projection import COORDINATES
from auditor.fingerprint.sketch import TOLERANCE, Sketch, same_function


def at(height: float) -> str:
    """A fingerprint at that relative height over the first: 1 + height in every coordinate."""
    return Sketch("0" * 16, (1.0 + height,) * COORDINATES).text


def test_names_of_one_function_stand_together_in_order() -> None:
    found = one_function([("a", at(0)), ("b", at(1)), ("c", at(1e-7)), ("d", at(1)), ("e", "old")])
    assert found == (("a", "c"), ("b", "d"), ("e",))


def test_a_class_does_not_grow_along_a_chain() -> None:
    """c is close to b, and b to a, but c is not close to a."""
    step = 0.7 * TOLERANCE
    assert one_function([("a", at(0)), ("b", at(step)), ("c", at(2 * step))]) == (("a", "b"), ("c",))


def test_classes_are_those_of_comparing_all_with_all() -> None:
    """Sketches of many sizes, some a fraction of the tolerance apart, zero among them."""
    draw = random.Random(0)
    names: dict[str, str] = {"zero": Sketch("0" * 16, (0.0,) * COORDINATES).text}
    for number in range(150):
        size = math.exp(draw.uniform(-3e-4, 3e-4))
        values = [size * (1 + draw.gauss(0, 2e-6)) for _ in range(COORDINATES)]
        names[str(number)] = Sketch(draw.choice("01") * 16, tuple(values)).text
    classes: list[list[str]] = []
    for name, text in names.items():
        near = next((one for one in classes if same_function(names[one[0]], text)), None)
        classes.append([name]) if near is None else near.append(name)
    assert 3 < len(classes) < 100
    assert one_function(names.items()) == tuple(map(tuple, classes))


def test_no_fingerprints_give_no_classes() -> None:
    assert one_function([]) == ()
