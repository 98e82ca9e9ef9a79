"""What theory predicts of scores under an exact equivalence, from what the one depends on and the other changes.

A function leaves much of a model open: the order of its heads, the zero of its values, the basis of its residual
stream. An exact equivalence says which of these aspects it changes, a method says on which of them its scores depend
and how they answer; the prediction for the pair is the strongest answer to a change. Neither knows the other.

Sources of the aspects: Elhage et al. 2021, "A mathematical framework for transformer circuits" (bases of queries, keys
and values, of the stream); Kobayashi et al. 2020, arXiv 2004.10102 (value bias); Chen et al. 2016, arXiv 1511.05641,
and Simsek et al. 2021, arXiv 2105.12221 (copies and cancelling units); Ashkboos et al. 2024, arXiv 2401.15024 (norms).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from auditor.records.states import Expected


class Aspect(StrEnum):
    """What models of one function may differ in."""

    HEAD_ORDER = "the order of the heads"
    HEAD_COUNT = "how many heads there are"
    HEAD_SHARES = "how copies of a head share what it writes"
    HEAD_SURPLUS = "what one copy of a head writes too much and another takes back"
    NEURON_ORDER = "the order of the neurons"
    NEURON_COUNT = "how many neurons there are"
    NEURON_SHARES = "how copies of a neuron share what it writes"
    NEURON_SURPLUS = "what one copy of a neuron writes too much and another takes back"
    NEURON_SCALE = "the scale of a neuron's activation"
    QUERY_KEY_BASIS = "the basis in which queries and keys meet"
    KEY_ZERO = "the zero of the keys (key bias)"
    VALUE_BASIS = "the basis of the values"
    VALUE_ZERO = "the zero of the values (value bias)"
    STREAM_READS = "how weights read the residual stream"
    STREAM_WRITES = "the mean over features of what weights write into the residual stream"
    STREAM_BASIS = "the basis of the residual stream"
    NORM_OUTPUTS = "the gain and bias of the norms' outputs"
    TOKEN_VECTORS = "how token and position vectors share a constant"
    LOGIT_ZERO = "the zero of the logits"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A prediction and why it is made."""

    expected: Expected
    reason: str


Dependence = Mapping[Aspect, Expected | Expectation]
"""How scores answer to a change of each aspect that they depend on; they depend on no other."""

STRENGTH = (
    Expected.INVARIANT,
    Expected.RELABELLED,
    Expected.DILUTED,
    Expected.CHANGES,
    Expected.FREE,
    Expected.OPEN,
)
"""From the weakest answer to the strongest: of several changes at once the strongest is seen."""


def derived(depends_on: Dependence, changes: Iterable[Aspect]) -> Expectation:
    """The strongest answer to any of the changes."""
    answers = [_explained(aspect, depends_on[aspect]) for aspect in sorted(changes) if aspect in depends_on]
    return max(answers, key=_strength, default=Expectation(Expected.INVARIANT, "depends on nothing that it changes"))


def composed(parts: Mapping[str, Expectation]) -> Expectation:
    """What is predicted of several changes, one after another, from what is predicted of each by name.

    Parts that only rename compose. A part that changes scores may be undone by a later one, so that nothing follows.
    """
    strongest = max(parts, key=lambda name: _strength(parts[name]))
    found = parts[strongest]
    if _strength(found) <= STRENGTH.index(Expected.RELABELLED):
        return found
    return Expectation(Expected.OPEN, f"under {strongest} it {found.reason}, and another part may undo that")


def _explained(aspect: Aspect, answer: Expected | Expectation) -> Expectation:
    return answer if isinstance(answer, Expectation) else Expectation(answer, f"depends on {aspect}")


def _strength(expectation: Expectation) -> int:
    return STRENGTH.index(expectation.expected)
