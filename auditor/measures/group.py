"""Several methods on one model and one batch of inputs: what they read alike is computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request, Shared
from auditor.records import Interpretation

Asked = Sequence[tuple[InterpretationMethod, np.random.Generator]]
"""Methods, each with its own random draws: the numbers of one do not depend on which others there are."""


def interpretations(
    asked: Asked,
    model: CanonicalTransformer,
    inputs: InputBatch,
    *,
    reference: InputBatch | None = None,
    times_more: int = 1,
    only_compared: bool = False,
) -> Iterator[tuple[str, Interpretation | Exception]]:
    """(name, scores) method by method; an error of a method replaces its scores, and the others are still computed.

    ``reference`` are the inputs over which means are taken, where these are not the inputs themselves; ``times_more``
    multiplies the sequences of methods that take only the first few.
    """
    shared = Shared(reading for method, _ in asked for reading in method.readings)
    for method, generator in asked:
        try:
            yield (
                method.name,
                method.interpret(Request(model, inputs, generator, shared, times_more, reference, only_compared)),
            )
        except Exception as error:  # noqa: BLE001 - a plug-in's door: one method's defect must not be another's
            yield method.name, error
