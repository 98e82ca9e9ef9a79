"""A linear probe for the bracket on top of the stack."""

from __future__ import annotations

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attention import with_open_bracket
from auditor.measures.probing import Probe, ProbeTask


class StackTopProbe(Probe):
    """Held-out accuracy of a linear probe for the type of the last open bracket, minus that of a random-label control.

    For the stream as embedded and after each layer, and for what each half of a layer writes, where a bracket is open.
    Reads the raw stream: a mean over features that every LayerNorm removes may still be read.
    """

    version = 1
    summary = "how much better than random labels a linear probe reads the type of the last open bracket"
    higher_means = "the top of the stack can be read there linearly"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two types to tell apart."""
        return "with one bracket type there is nothing to tell apart" if model.task.language.types == 1 else None

    def task(self, inputs: InputBatch) -> ProbeTask:
        """The type of the last open bracket, where one is open."""
        return ProbeTask(inputs.stack_top_type, with_open_bracket(inputs))
