"""Mean ablation of a whole attention layer: replace what it writes by its mean."""

from __future__ import annotations

from auditor.measures.ablation.method import AttentionAblation


class AttentionMeanAblation(AttentionAblation):
    """KL(untouched ‖ ablated) when the output of an attention layer is set to its mean, mean over the scored outputs.

    The output is what the layer writes to the residual stream; its mean is over all positions of the inputs.
    """

    version = 1
    summary = "how much the output distribution moves when a whole attention layer writes its mean"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    substitute = "mean"
