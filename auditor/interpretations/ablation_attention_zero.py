"""Zero ablation of a whole attention layer: replace what it writes by 0."""

from __future__ import annotations

from auditor.measures.ablation.method import AttentionAblation


class AttentionZeroAblation(AttentionAblation):
    """KL(untouched ‖ ablated) when the output of an attention layer is set to zero, mean over the scored outputs.

    The output is what the layer writes, biases included: no gauge inside the layer moves this zero.
    """

    version = 1
    summary = "how much the output distribution moves when a whole attention layer writes nothing"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    substitute = "zero"
