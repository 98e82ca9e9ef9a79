"""What theory predicts depends on which norms a model has: a head whose input no norm touches reads as before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.contracts import card_in, equivalences, expectation, methods
from auditor.records import Expected
from tests.handmade import PLAIN


@pytest.mark.parametrize("folding", ["exact_norm_folding", "exact_norm_null_shift"])
def test_no_weight_of_a_head_changes_where_the_only_norm_is_before_the_mlp(folding: str) -> None:
    method, move = methods()["weights_qk_norm"], equivalences()[folding]
    before_mlp = replace(PLAIN, norm="layer", norm_sites=("mlp_in",))
    before_both = replace(before_mlp, norm_sites=("attention_in", "mlp_in"))
    assert expectation(method, move).expected is Expected.CHANGES
    assert expectation(method, move, before_both).expected is Expected.CHANGES
    assert expectation(method, move, before_mlp).expected is Expected.INVARIANT
    assert card_in(method, before_mlp).expected[folding] is Expected.INVARIANT
