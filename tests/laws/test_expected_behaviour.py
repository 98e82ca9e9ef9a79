"""What each method does under each exact equivalence is what theory derives for the two."""

from __future__ import annotations

import pytest

from auditor.contracts import equivalences, methods
from auditor.records import Expected, Kind
from auditor.testing.expected_behaviour import a_free_score_can_put_every_head_on_top, observed_is_expected

EXACT = tuple(name for name, plugin in equivalences().items() if plugin.kind is Kind.EXACT)
METHODS = [
    pytest.param(name, marks=() if method.smallest_plan == "quick" else pytest.mark.slow)
    for name, method in methods().items()
]
FREE = [
    pytest.param(name, marks=pytest.mark.slow)
    for name, method in methods().items()
    if method.expected["exact_value_bias_shift"] is Expected.FREE
]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_observed_is_what_is_expected(method: str) -> None:
    for equivalence in EXACT:
        observed_is_expected(method, equivalence)


@pytest.mark.parametrize("method", FREE)
def test_a_free_score_can_put_every_head_on_top(method: str) -> None:
    a_free_score_can_put_every_head_on_top(method)
