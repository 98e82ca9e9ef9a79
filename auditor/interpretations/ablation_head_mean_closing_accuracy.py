"""Mean ablation of a head, scored by closing accuracy."""

from __future__ import annotations

from auditor.measures.ablation.method import HeadAblation


class HeadMeanAblationClosingAccuracy(HeadAblation):
    """How much closing accuracy falls when a head's z is set to its mean: untouched minus ablated, per sequence.

    A decision is right where the matching bracket has more than 0.8 of the closing brackets' probability.
    """

    version = 1
    summary = "how much closing accuracy falls when the head's output z is set to its mean"
    source = "Wen et al. 2023, arXiv 2312.01429, section 5 (accuracy); Wang et al. 2022, arXiv 2211.00593"
    substitute = "mean"
    effect = "closing_accuracy"
