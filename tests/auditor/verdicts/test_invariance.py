"""What must not matter to a verdict: names of heads, order of sequences, the worker; and what a seed fixes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from auditor.records import Component, Finding, Interpretation, Relabelling, Variant
from auditor.seeds import numpy_generator
from tests.auditor.verdicts.samples import EXACT, PATTERN, SCALAR, TWIN, judged, noisy, patterns, scores, variant

CARD = replace(SCALAR, predicates={"strong": 0.9})
MEANS = [2.0, 1.6, 1.55, 0.5, 0.0]
"""Some near each other, one at nothing."""

Others = Sequence[tuple[Variant, Interpretation]]


def _audit(seed: int) -> tuple[np.ndarray, list[tuple[Variant, np.ndarray]]]:
    """An original, one exact and two behavioural variants that move it by different amounts."""
    base = noisy(MEANS, 60, spread=0.3, seed=seed)
    generator = numpy_generator(seed, "moves")
    moved = base * generator.choice([1.0, 1.1, 1.3], size=(2, 1, len(MEANS)))
    moved += 0.1 * generator.normal(size=moved.shape)
    exact = base.copy()
    exact[:, 3] *= 2
    return base, [(variant(EXACT), exact), (variant(TWIN, 0), moved[0]), (variant(TWIN, 1), moved[1])]


def _verdicts(found: dict[tuple[str, str, str], Finding]) -> dict[tuple[str, str, str], tuple[object, ...]]:
    return {
        key: (f.verdict, f.worst_variant, None if f.effect is None else round(f.effect, 9)) for key, f in found.items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_sequences_changes_nothing(seed: int) -> None:
    base, others = _audit(seed)
    order = numpy_generator(seed, "order").permutation(len(base))
    plain = judged(scores(base), [(v, scores(a)) for v, a in others], card=CARD)
    mixed = judged(scores(base[order]), [(v, scores(a[order])) for v, a in others], card=CARD)
    assert _verdicts(mixed) == _verdicts(plain)
    assert {key: f.p for key, f in mixed.items()} == {key: f.p for key, f in plain.items()}


@pytest.mark.parametrize("seed", range(4))
def test_the_names_of_the_heads_change_nothing_but_names(seed: int) -> None:
    base, others = _audit(seed)
    order = numpy_generator(seed, "names").permutation(len(MEANS))
    plain = judged(scores(base), [(v, scores(a)) for v, a in others], card=CARD)
    named = judged(scores(base[:, order]), [(v, scores(a[:, order])) for v, a in others], card=CARD)
    new_name = {"some head": "some head", **{f"L0H{old}": f"L0H{new}" for new, old in enumerate(order)}}
    expected = _verdicts({(kind, new_name[label], name): f for (kind, label, name), f in plain.items()})
    assert _verdicts(named) == expected


def test_a_variant_whose_heads_are_relabelled_is_the_same_variant() -> None:
    base, others = _audit(0)
    order = [3, 0, 4, 1, 2]
    plain = judged(scores(base), [(v, scores(a)) for v, a in others], card=CARD)
    moves = Relabelling({"head": tuple((old,) for old in order)})
    moved = [(replace(v, relabelling=moves), scores(a[:, order])) for v, a in others]
    assert judged(scores(base), moved, card=CARD) == plain


def test_one_seed_gives_one_document() -> None:
    base, others = _audit(1)
    texts = [
        json.dumps([f.to_json() for f in judged(scores(base), [(v, scores(a)) for v, a in others], card=CARD).values()])
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    assert "NaN" not in texts[0]
    assert all(Finding.from_json(entry).to_json() == entry for entry in json.loads(texts[0]))


@pytest.mark.parametrize("sequences", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("level", [0.0, 1.0, "random", "ties", float("nan"), float("inf")])
def test_nothing_that_a_method_returns_raises(level: float | str, count: int, sequences: int) -> None:
    """One or two heads, few sequences, constant, tied, all-zero or broken scores: a verdict or a reason."""
    if isinstance(level, str):
        values = noisy([1.0] * count, sequences, spread=0.5)
        values = values if level == "random" else np.repeat(values[:, :1], count, axis=1)
    else:
        values = np.full((sequences, count), level)
    others: Others = [(variant(EXACT), scores(values)), (variant(), scores(values[:, ::-1]))]
    for finding in judged(scores(values), others, card=CARD).values():
        json.dumps(finding.to_json(), allow_nan=False)
        assert finding.effect is not None or finding.reason.startswith("undefined: ")
        assert finding.worst_variant in finding.variants or finding.effect is None
    rows = np.full((sequences, count, 3, 3), 1.0 if isinstance(level, str) else level)
    for finding in judged(patterns(rows), [(variant(), patterns(rows))], card=PATTERN).values():
        json.dumps(finding.to_json(), allow_nan=False)


def test_patterns_over_heads_leave_out_what_has_no_counterpart() -> None:
    """A variant without head 1 has no column of head 1; the row of head 0 is judged without it."""
    card = replace(PATTERN, distance="frobenius")
    base = numpy_generator(0, "reads").uniform(1, 2, size=(40, 3, 3))
    moves = Relabelling({"head": ((0,), (2,), None)})
    twin = base[:, [0, 2, 1]][:, :, [0, 2, 1]]
    parts = tuple(Component(0, head=index) for index in range(3))

    def reads(values: np.ndarray) -> Interpretation:
        return Interpretation("pattern", ("sequence", "head", "to_head"), parts, values)

    found = judged(reads(base), [(variant(TWIN, relabelling=moves), reads(twin))], card=card)
    assert found["pattern", "L0H0", TWIN].effect == 0.0
    assert found["pattern", "L0H0", TWIN].p is not None
    assert found["pattern", "L0H1", TWIN].reason == "undefined: 0 components of the variant stand for L0H1"
    lost = Relabelling({"head": ((0,), (1,), None)})
    found = judged(reads(base), [(variant(TWIN, relabelling=lost), reads(base))], card=card)
    assert found["pattern", "L0H0", TWIN].effect == 0.0
    broken = base.copy()
    broken[4, 0, 2] = np.nan
    refused = judged(reads(base), [(variant(), reads(broken))], card=card)["pattern", "L0H0", TWIN]
    assert "not finite" in refused.reason


def test_token_attributions_are_compared_by_direction() -> None:
    """Twice the attributions point the same way, their negatives the opposite: cosine distance 0 and 2."""
    card = replace(PATTERN, distance="cosine")
    base = numpy_generator(0, "tokens").normal(size=(12, 1, 6))
    tokens = (Component(0, part="tokens"),)

    def attributed(values: np.ndarray) -> Interpretation:
        return Interpretation("pattern", ("sequence", "part", "position"), tokens, values)

    for factor, expected in ((2.0, 0.0), (-1.0, 2.0)):
        found = judged(attributed(base), [(variant(), attributed(factor * base))], card=card)["pattern", "tokens", TWIN]
        assert found.effect == pytest.approx(expected, abs=1e-12)
        assert found.claim.text == "tokens is as drawn by pattern"
