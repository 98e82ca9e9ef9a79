"""Mean ablation of a whole MLP: replace what it writes by its mean."""

from __future__ import annotations

from auditor.measures.ablation.method import MlpAblation


class MlpMeanAblation(MlpAblation):
    """KL(untouched ‖ ablated) when the output of an MLP is set to its mean, mean over the scored outputs.

    The output is what the layer writes to the residual stream; its mean is over all positions of the inputs.
    """

    version = 1
    smallest_plan = "standard"
    summary = "how much the output distribution moves when a whole MLP writes its mean"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    substitute = "mean"
