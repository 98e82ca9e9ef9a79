"""Kinds of attention heads that people name, each a quantity with the mean from which a head is called so.

A head is called a kind when more than half of its attention does what the kind does, the rule by which Clark et al.
2019 (arXiv 1906.04341, section 3) describe heads that attend to the previous token or to a delimiter. A head is
called uniform when its entropy is close to the largest that its number of keys allows.
"""

from __future__ import annotations

from collections.abc import Mapping

MAJORITY = 0.5
"""Share of the attention mass."""

NEARLY_UNIFORM = 0.9
"""Share of the largest entropy: 14 keys with the entropy of 11 equal ones."""

THRESHOLDS: Mapping[str, float] = {
    "stack-like": MAJORITY,  # mass on the last unmatched opening bracket
    "previous-token": MAJORITY,  # mass on the token before
    "START sink": MAJORITY,  # mass on START
    "uniform": NEARLY_UNIFORM,  # entropy over ln(number of keys)
}
"""Mean score from which a head is said to be of a kind."""


def kind_of_head(name: str) -> Mapping[str, float]:
    """One kind with its threshold, as a method declares it."""
    return {name: THRESHOLDS[name]}
