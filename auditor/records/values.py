"""Plain values that records are made of, and the keys with a meaning of their own."""

from __future__ import annotations

from typing import Any

Json = Any
"""A value made of dict, list, str, int, finite float, bool and None."""

ORIGINAL = "original"
"""The key under which the audited model stands beside its variants."""

RERUN = "original/again"
"""The key of a second run on the audited model, of a method that draws at random: the noise of the method itself."""

ALL_OTHERS = "*"
"""What the concluding cell needs: every other cell of its audit."""
