"""Random bits that never change: SHAKE-256 (FIPS 202) of a name.

Stored fingerprints are compared across library versions, and NumPy may change what its generators draw (NEP 19).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def signs(name: str, count: int) -> NDArray[np.float64]:
    """``count`` independent fair values of ±1."""
    data = hashlib.shake_256(name.encode()).digest((count + 7) // 8)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count)
    return np.where(bits, -1.0, 1.0).astype(np.float64)


def integers(name: str, count: int, below: int) -> NDArray[np.int64]:
    """``count`` integers from 0 to ``below`` − 1; the bias of the remainder is under below/2³²."""
    data = hashlib.shake_256(name.encode()).digest(4 * count)
    return np.frombuffer(data, dtype="<u4").astype(np.int64) % below
