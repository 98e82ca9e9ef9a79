"""The fingerprint as a text, its short label, and the comparison of two of them. No torch.

    LABEL.VERSION.INTERFACE.SKETCH        12 letters . number . 16 hex digits . 32 float32 in base64

No rounding can give every function its own text and yet give one text to all its float32 copies: a map from vectors
to texts that is constant around each point is constant everywhere. Fuzzy extractors (Dodis et al. 2008, SIAM J.
Comput. 38:97) get around it with published helper data. Here the sketch itself is published, since it need not be
secret, and ``same_function`` compares two of them with a tolerance. The label is for display. Equal labels are one
function, but one function has two labels where a value falls on an edge of the grid (by the size of float32 noise for
under 1 in 100 functions; in none of 900 rewritings of nine trained models), so programs compare fingerprints.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.fingerprint.projection import COORDINATES

VERSION = 1
"""Of probes, projection and text together; fingerprints of two versions are not compared."""

TOLERANCE = 4e-5
"""Largest relative distance of one function: the geometric middle of the gap.

Measured on nine trained models, 100 times each: 0 (to the sketch's precision) when all exact symmetries are composed
in float64, up to 7e-7 when the result is stored in float32, up to 4e-6 when it is computed in float32; from 5e-4 when
the weights carry relative noise of 1e-3; about 1 between two seeds.
"""

LABEL_LETTERS = 12
LABEL_COORDINATES = 12
LABEL_BITS = 11
"""The label's grid: a step of 2⁻¹¹ of the function's size, below the 5e-4 of the noise that must show."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a fingerprint says: the interface (16 hex digits) and the projected centred logits [coordinate]."""

    interface: str
    values: tuple[float, ...]

    @property
    def vector(self) -> NDArray[np.float64]:
        """The values as an array."""
        return np.array(self.values)

    @property
    def label(self) -> str:
        """Twelve letters for display, a hash of values on a grid."""
        size = float(np.sqrt(np.mean(self.vector**2)))
        exponent = math.floor(math.log2(size)) - LABEL_BITS if size > 0 else 0
        cells = np.round(self.vector[:LABEL_COORDINATES] * 2.0**-exponent).astype(np.int64)
        content = f"{VERSION}/{self.interface}/{exponent}/{'/'.join(map(str, cells.tolist()))}"
        return base64.b32encode(hashlib.sha256(content.encode()).digest())[:LABEL_LETTERS].decode().lower()

    @property
    def text(self) -> str:
        """The fingerprint."""
        data = base64.urlsafe_b64encode(self.vector.astype("<f4").tobytes()).decode().rstrip("=")
        return f"{self.label}.{VERSION}.{self.interface}.{data}"


def read_sketch(text: str) -> Sketch | None:
    """Inverse of ``Sketch.text``; None for a text of another version or of another kind."""
    parts = text.split(".")
    if len(parts) != 4 or parts[1] != str(VERSION):
        return None
    try:
        data = base64.urlsafe_b64decode(parts[3] + "=" * (-len(parts[3]) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(data) != 4 * COORDINATES:
        return None
    values = np.frombuffer(data, dtype="<f4").astype(np.float64)
    return Sketch(parts[2], tuple(values.tolist())) if bool(np.isfinite(values).all()) else None


def distance(one: Sketch, other: Sketch) -> float:
    """‖a − b‖ / max(‖a‖, ‖b‖): 0 for one function, near √2 for unrelated ones; infinite between two interfaces."""
    return float(distances(one, other.vector[None])[0]) if one.interface == other.interface else math.inf


def distances(one: Sketch, others: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`distance` from one sketch to each of many of its interface, vectors [sketch, coordinate] → [sketch]."""
    size = np.maximum(np.linalg.norm(one.vector), np.linalg.norm(others, axis=1))
    apart = np.linalg.norm(others - one.vector, axis=1)
    return np.asarray(apart / np.where(size > 0, size, 1.0), dtype=np.float64)


def same_function(one: str, other: str) -> bool:
    """Whether two fingerprints are of one function. Texts that cannot be read are the same where they are equal."""
    if one == other:
        return True
    first, second = read_sketch(one), read_sketch(other)
    return first is not None and second is not None and distance(first, second) <= TOLERANCE


def label(text: str) -> str:
    """The short form of a fingerprint, for display."""
    return text.partition(".")[0][:LABEL_LETTERS]
