"""Classes of one function."""

from __future__ import annotations

from auditor.fingerprint.groups import one_function
from auditor.fingerprint.projection import COORDINATES
from auditor.fingerprint.sketch import TOLERANCE, Sketch


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


def test_no_fingerprints_give_no_classes() -> None:
    assert one_function([]) == ()
