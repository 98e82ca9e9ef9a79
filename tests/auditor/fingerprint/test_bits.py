"""Bits that every version and machine must draw alike."""

from __future__ import annotations

import hashlib

import numpy as np

from auditor.fingerprint.bits import integers, signs


def test_signs_are_the_bits_of_shake_from_the_highest_down() -> None:
    """A bit 0 is +1, a bit 1 is −1."""
    first = hashlib.shake_256(b"name").digest(1)[0]
    expected = [1.0 - 2.0 * (first >> (7 - i) & 1) for i in range(8)]
    assert signs("name", 8).tolist() == expected
    assert signs("name", 5).tolist() == expected[:5]


def test_signs_are_fair_and_independent_of_another_name() -> None:
    """10,000 fair signs: the mean has a standard deviation of 0.01; 5 of them are allowed."""
    one, other = signs("one", 10_000), signs("other", 10_000)
    assert abs(one.mean()) < 0.05
    assert abs((one * other).mean()) < 0.05


def test_integers_are_little_endian_words_modulo_the_bound() -> None:
    words = np.frombuffer(hashlib.shake_256(b"name").digest(12), dtype="<u4")
    assert integers("name", 3, 7).tolist() == [int(word) % 7 for word in words]
    assert set(integers("name", 500, 7).tolist()) == set(range(7))
