"""A random explanation: scores drawn anew for every model. The audit must not call it stable."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from auditor.contracts import InterpretationMethod, Request
from auditor.records import Expected, Interpretation
from auditor.records.axes import HEAD, SEQUENCE
from auditor.records.theory import Aspect, Dependence, Expectation
from auditor.seeds import numpy_generator

SPREAD = 0.3
"""Standard deviation between sequences, of scores between 0 and 1."""


class RandomExplanation(InterpretationMethod):
    """Per head a mean drawn from U(0, 1) by the hash of the weights, and noise per sequence around it."""

    name = "random_explanation"
    version = 1
    family = "control"
    summary = "random scores, different for every set of weights"
    unit = "nothing"
    higher_means = "nothing"
    source = "a control, after Adebayo et al. 2018, arXiv 1810.03292"
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = dict.fromkeys(Aspect, Expectation(Expected.OPEN, "random scores have no theory"))

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        digest = hashlib.sha256()
        for weight in model.state_dict().values():
            digest.update(weight.detach().numpy().tobytes())
        heads = model.architecture.heads
        means = numpy_generator(int.from_bytes(digest.digest()[:4], "little"), self.name).uniform(size=len(heads))
        noise = generator.normal(size=(len(inputs), len(heads)))
        return Interpretation(self.name, (SEQUENCE, HEAD), heads, means + SPREAD * noise)
