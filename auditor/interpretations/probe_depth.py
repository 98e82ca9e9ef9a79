"""A linear probe for the depth of the stack."""

from __future__ import annotations

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.attention import with_choice
from auditor.measures.probing import Probe, ProbeTask


class DepthProbe(Probe):
    """Held-out accuracy of a linear probe for the number of open brackets, minus that of a random-label control.

    For the stream as embedded and after each layer, and for what each half of a layer writes, at every position
    behind the first. Reads the raw stream: a mean over features that every LayerNorm removes may still be read.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much better than random labels a linear probe reads the depth of the stack"
    higher_means = "the depth can be read there linearly"

    def task(self, inputs: InputBatch) -> ProbeTask:
        """The depth behind every token but the first."""
        return ProbeTask(inputs.depth, with_choice(inputs))
