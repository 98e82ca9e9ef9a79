"""How near the bounds of a certificate come to their margins."""

from __future__ import annotations

from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS
from auditor.records import Certificate

PREFIXES = {"in_distribution": "row", "rare": "rare_row", "longer": "longer_row"}
"""Of the names of margins, by the inputs of a row."""


def used(found: Certificate) -> float:
    """The largest share of its margin that a bound takes: a certificate fails above 1.

    Closing accuracies are left out: of few sequences their bounds are wide where nothing differs. Of a classifier the
    worst string is under no margin.
    """
    bounds: list[tuple[str, float | None]] = [
        ("kl_upper95_nats", found.kl_upper95_nats),
        ("kl_q999_nats", found.kl_q999_nats),
        ("disagreement_upper95", found.disagreement_upper95),
    ]
    longer = found.longer or {}
    bounds += [
        ("longer_kl_upper95_nats", longer.get("kl_upper95_nats")),
        ("longer_disagreement_upper95", longer.get("disagreement_upper95")),
    ]
    for row in found.rows:
        bounds.append((f"{PREFIXES[row.inputs]}_kl_upper95_nats", row.kl_upper95_nats))
        bounds.append((f"{PREFIXES[row.inputs]}_disagreement_upper95", row.disagreement_upper95))
    if found.worst_string is not None and all(row.by != "kind" for row in found.rows):
        bounds.append(("worst_string_kl_nats", found.worst_string.kl_nats))
    return max((value / BEHAVIOURAL_MARGINS[name] for name, value in bounds if value is not None), default=0.0)
