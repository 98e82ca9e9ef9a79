"""Shares of margins, of certificates written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from auditor.behaviour.certificate import BEHAVIOURAL_MARGINS
from auditor.records import Certificate, CertificateRow, WorstString
from auditor.twins.room import used

NEAR = Certificate(
    passed=True,
    sequences=1_000,
    margins=dict(BEHAVIOURAL_MARGINS),
    kl_upper95_nats=1e-3,
    kl_q999_nats=0.1,
    disagreement_upper95=6e-3,
    closing_accuracy_upper95=4.9e-3,
    longer={"kl_upper95_nats": 3.2e-3, "disagreement_upper95": 1e-2, "closing_accuracy_upper95": 1e-2},
    rows=(CertificateRow("rare", "state", 2, 3.2e-3, "depth 4", 2e-2, "depth 4"),),
)
"""The disagreement takes 6e-3 of 1e-2, all else less; closing accuracies do not count."""


def _worst(kl: float) -> WorstString:
    return WorstString("( )", kl, kl, 1, 1, 0, 10)


def test_the_bound_that_is_nearest_to_its_margin_counts() -> None:
    assert used(NEAR) == pytest.approx(0.6)
    assert used(replace(NEAR, kl_upper95_nats=1.8e-3)) == pytest.approx(0.9)
    assert used(replace(NEAR, rows=(CertificateRow("longer", "depth", 3, 0.152, "2", None, None),))) == pytest.approx(
        0.95
    )


def test_the_worst_string_counts_for_a_language_model_only() -> None:
    assert used(replace(NEAR, worst_string=_worst(0.8 * math.log(2)))) == pytest.approx(0.8)
    kinds = CertificateRow("in_distribution", "kind", 3, 1e-3, "word", 1e-2, "word")
    assert used(replace(NEAR, rows=(kinds,), worst_string=_worst(5.0))) == pytest.approx(0.6)
