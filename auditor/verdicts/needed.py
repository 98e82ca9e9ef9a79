"""How many sequences would decide an inconclusive finding."""

from __future__ import annotations

import math

from auditor.records import Finding, Verdict

MOST_SEQUENCES = 10_000_000
"""Beyond this number it is not useful to suggest more sequences."""


def needed_sequences(finding: Finding, sequences: int) -> int | None:
    """For an inconclusive finding with an interval, else None."""
    if finding.verdict is not Verdict.INCONCLUSIVE or finding.interval is None or finding.effect is None:
        return None
    raw = finding.effect + ((finding.noise_floor or 0.0) if finding.claim.kind == "pattern" else 0.0)
    return sequences_until(raw, finding.interval, finding.threshold, sequences)


def sequences_until(value: float, interval: tuple[float, float], threshold: float, sequences: int) -> int | None:
    """Sequences at which the interval's end would reach the threshold: n · (half-width / distance)².

    The half on the side of the threshold counts; a noise floor in its lower end shrinks as fast.
    """
    distance = abs(value - threshold)
    half = value - interval[0] if value > threshold else interval[1] - value
    if distance == 0 or half / distance > math.sqrt(MOST_SEQUENCES / sequences):
        return None
    return max(math.ceil(sequences * (half / distance) ** 2), sequences + 1)
