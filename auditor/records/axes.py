"""The words for the axes of scores, and for the components that a relabelling moves."""

from __future__ import annotations

SEQUENCE = "sequence"
POSITION = "position"
QUERY = "query"
KEY = "key"
HEAD = "head"
NEURON = "neuron"
PART = "part"  # of a layer, or of the model
FEATURE = "feature"  # of the residual stream
EDGE = "edge"  # from what writes the residual stream to what reads it
TO_HEAD = "to_head"  # the head that is written to
WITH_HEAD = "with_head"  # the head that is ablated too

SECOND_AXES = (TO_HEAD, WITH_HEAD)
"""Axes by which the scores of each head are laid out, over the same heads: edges, pairs."""

AXES = frozenset((SEQUENCE, POSITION, QUERY, KEY, HEAD, NEURON, PART, EDGE, FEATURE, TO_HEAD, WITH_HEAD))
"""Every axis that scores may have."""
