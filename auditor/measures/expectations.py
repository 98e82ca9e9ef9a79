"""What the scores of a family of methods depend on besides the function and its paths.

A score that reads only what the function and its paths fix (attention weights, effects of edits) depends on nothing but
the names, the number and the copies of the components that it is laid out by. What else a method depends on it adds:

    depends_on = {**HEAD_SCORES, Aspect.VALUE_ZERO: Expected.FREE}
"""

from __future__ import annotations

from auditor.records.states import Expected
from auditor.records.theory import Aspect, Dependence, Expectation

HEAD_READINGS: Dependence = {Aspect.HEAD_ORDER: Expected.RELABELLED, Aspect.HEAD_COUNT: Expected.RELABELLED}
"""One score per head, of what all copies of a head have alike: where they attend, how they read."""

HEAD_SCORES: Dependence = {
    **HEAD_READINGS,
    Aspect.HEAD_SHARES: Expected.DILUTED,
    Aspect.HEAD_SURPLUS: Expected.CHANGES,
}
"""One score per head, of what the head writes."""

NEURON_SCORES: Dependence = {
    Aspect.NEURON_ORDER: Expected.RELABELLED,
    Aspect.NEURON_COUNT: Expected.RELABELLED,
    Aspect.NEURON_SHARES: Expected.DILUTED,
    Aspect.NEURON_SURPLUS: Expected.CHANGES,
}
"""One score per neuron, of what the neuron writes."""

WHOLE_SCORES: Dependence = {}
"""Scores of layers, inputs or the whole model."""

RAW_STREAM: Dependence = {
    Aspect.STREAM_WRITES: Expected.CHANGES,
    Aspect.NORM_OUTPUTS: Expectation(Expected.OPEN, "reads the stream, which loses its gain where it is normed"),
}
"""What is read off the raw residual stream in no basis of its own."""
