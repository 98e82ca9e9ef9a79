"""Zero ablation of a whole MLP: replace what it writes by 0."""

from __future__ import annotations

from auditor.measures.ablation.method import MlpAblation


class MlpZeroAblation(MlpAblation):
    """KL(untouched ‖ ablated) when the output of an MLP is set to zero, mean over the scored outputs.

    The output is what the layer writes, biases included: no gauge inside the layer moves this zero.
    """

    version = 1
    summary = "how much the output distribution moves when a whole MLP writes nothing"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    substitute = "zero"
