"""What is claimed from an interpretation, and what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditor.records import Component, Interpretation
from auditor.verdicts.claims import KINDS_ASKED, claims_of
from tests.auditor.verdicts.samples import PATTERN, SCALAR, patterns, scores


def test_one_value_claim_per_component_and_one_top() -> None:
    found = claims_of(SCALAR, scores([[1.0, 3.0], [2.0, 4.0]]), KINDS_ASKED)
    assert [(claim.kind, claim.component.label) for claim in found] == [
        ("rank", "L0H1"),
        ("value", "L0H0"),
        ("value", "L0H1"),
    ]
    assert [claim.parameters.get("score") for claim in found] == [None, 1.5, 3.5]
    assert found[0].text == "L0H1 is the top head by scores"


def test_no_component_leads_in_a_tie_or_alone() -> None:
    for given in ([[2.0, 2.0]], [[0.0, 0.0]], [[1.0, 1.0 + 1e-12]], [[5.0]], [[0.0, 3e-17]]):
        assert {claim.kind for claim in claims_of(SCALAR, scores(given), KINDS_ASKED)} == {"value"}


def test_undefined_components_get_no_claim_and_prevent_claims_about_the_top() -> None:
    found = claims_of(SCALAR, scores([[1.0, np.nan]], undefined={1: "why"}), KINDS_ASKED)
    assert [(claim.kind, claim.component.label) for claim in found] == [("value", "L0H0")]


def test_a_score_that_is_not_finite_is_claimed_in_words_without_a_number() -> None:
    for bad in (np.nan, np.inf):
        found = claims_of(SCALAR, scores([[1.0, bad]]), KINDS_ASKED)
        assert [claim.kind for claim in found] == ["value", "value"]
        assert found[1].text == "L0H1 has no finite score by scores"
        assert "score" not in found[1].parameters


def test_a_pattern_is_claimed_head_by_head() -> None:
    found = claims_of(PATTERN, patterns(np.ones((1, 2, 2, 2))))
    assert [(claim.kind, claim.text) for claim in found] == [
        ("pattern", "L0H0 attends as drawn"),
        ("pattern", "L0H1 attends as drawn"),
    ]


def test_values_are_claimed_only_where_they_are_asked_for() -> None:
    given = scores([[1.0, 3.0], [2.0, 4.0]])
    assert {claim.kind for claim in claims_of(SCALAR, given)} == {"rank"}
    assert {claim.kind for claim in claims_of(SCALAR, given, ("value",))} == {"value"}


def test_no_value_is_claimed_of_a_scale_that_a_symmetry_sets() -> None:
    assert claims_of(replace(SCALAR, scale_is_free=True), scores([[1.0, 3.0]]), ("value",)) == ()


def test_no_head_is_the_top_one_where_each_layer_has_one() -> None:
    given = replace(scores([[1.0, 3.0]]), components=(Component(0, head=0), Component(1, head=0)))
    assert claims_of(SCALAR, given) == ()


def test_where_a_head_has_a_predicate_it_is_claimed_that_some_head_has_it() -> None:
    card = replace(SCALAR, claims=("rank", "predicate"), predicates={"stack-like": 0.5, "huge": 50.0})
    claims = [claim for claim in claims_of(card, scores([[0.1, 0.9], [0.2, 0.7]])) if claim.kind == "existence"]
    assert [(one.component.label, one.text) for one in claims] == [
        ("some head", "some head is stack-like: scores at least 0.5")
    ]


def test_what_each_head_reads_most_is_claimed_where_one_leads() -> None:
    """L1H0 reads L0H1, L1H1 reads both alike; the first layer reads no head."""
    values = np.zeros((3, 4, 4))
    values[:, :2, 2], values[:, :2, 3] = [0.1, 0.9], [0.4, 0.4]
    heads = tuple(Component(layer, head=head) for layer in (0, 1) for head in (0, 1))
    found = Interpretation("edges", ("sequence", "head", "to_head"), heads, values)
    card = replace(PATTERN, name="edges", claims=("pattern", "rank"), distance="frobenius")
    (claim,) = [one for one in claims_of(card, found) if one.kind == "rank"]
    assert (claim.component, dict(claim.parameters)) == (heads[1], {"top": 1, "to_head": "L1H0"})
    assert claim.text == "L1H0 reads most from L0H1 by edges"
