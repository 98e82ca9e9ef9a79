"""Filters as values: read from texts, written to a URL and back, and refused in one line that says what is near."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from auditor.errors import FilterError
from auditor.store import AuditFilter, FindingFilter
from auditor.store.filters import ClaimKind, Filter

TEXTS = {
    "model": "two-heads", "function": "abc", "since": "2026-01-31", "until": "2026-02-01T12:00+01:00", "limit": "7",
    "after": "a1/f2", "state": "done", "plan": "quick", "verdict": "unstable", "sort": "created", "audit": "latest",
    "method": "ablation_head_zero", "equivalence": "exact_value_bias_shift", "layer": "0", "head": "3",
    "min_effect": "-0.5", "claim": "rank", "basis": "theory", "invariant": "false", "resolved": "true",
}  # fmt: skip


def named(kind: type[Filter]) -> dict[str, str]:
    return {one.name: TEXTS[one.name] for one in fields(kind)}


@pytest.mark.parametrize("kind", [AuditFilter, FindingFilter])
def test_every_condition_is_read_from_text_and_comes_back_from_a_url(kind: type[Filter]) -> None:
    whole = kind.read(named(kind))
    assert all(getattr(whole, name) is not None for name in named(kind))
    assert kind.read(whole.to_query()) == whole
    for name, text in named(kind).items():
        one = kind.read({name: text})
        assert kind.read(one.to_query()) == one
        assert (one == kind()) is (name == "sort")


@pytest.mark.parametrize("kind", [AuditFilter, FindingFilter])
def test_an_empty_text_is_no_condition(kind: type[Filter]) -> None:
    assert kind.read(dict.fromkeys(TEXTS.keys() & named(kind).keys(), "")) == kind()
    assert kind().to_query() == kind().conditions == {}


def test_values_have_their_types() -> None:
    read = FindingFilter.read(named(FindingFilter))
    assert (read.layer, read.head, read.min_effect, read.invariant, read.resolved) == (0, 3, -0.5, False, True)
    assert read.claim is ClaimKind.RANK
    assert read.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert read.until == datetime(2026, 2, 1, 11, tzinfo=UTC)
    assert FindingFilter(limit=None).limit is None


def test_order_and_page_are_no_conditions() -> None:
    assert AuditFilter(sort="model", limit=3, after="a1").conditions == {}
    assert AuditFilter(sort="model", plan="quick").conditions == {"plan": "quick"}
    assert AuditFilter(plan="quick").following("a1") == AuditFilter(plan="quick", after="a1")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("verdict", "unstabel", "unknown verdict 'unstabel'; expected unstable, stable"),
        ("sort", "size", "unknown sort 'size'; expected created, effect"),
        ("claim", "ranks", "unknown claim 'ranks'; expected rank"),
        ("basis", "", None),
        ("layer", "-1", "layer '-1'; expected a whole number, 0 or more"),
        ("layer", "٣", "expected a whole number"),
        ("head", "99999999999", "expected a whole number"),
        ("limit", "0", "expected a whole number, 1 or more"),
        ("min_effect", "nan", "expected a finite number"),
        ("invariant", "maybe", "expected true or false"),
        ("since", "yesterday", "'yesterday' is not a time; expected 2026-01-31, 2026-01-31T12:00, 12h, 7d or 2w"),
        ("methods", "x", "unknown filter 'methods'; expected method"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_near(name: str, value: str, said: str | None) -> None:
    if said is None:
        assert FindingFilter.read({name: value}) == FindingFilter()
        return
    with pytest.raises(FilterError) as refused:
        FindingFilter.read({name: value})
    assert said in str(refused.value)
