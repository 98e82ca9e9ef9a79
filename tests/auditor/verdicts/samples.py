"""Interpretations and variants made by hand, for the statistics to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from auditor.records import (
    ORIGINAL,
    RERUN,
    Claim,
    Component,
    Finding,
    Interpretation,
    Kind,
    MethodCard,
    Relabelling,
    Variant,
    VariantState,
)
from auditor.seeds import numpy_generator
from auditor.verdicts.claims import KINDS_ASKED
from auditor.verdicts.verdict import Settings, findings_of

SCALAR = MethodCard("scores", "ablation", "nats", ("value", "rank"), "relative_change", {})
PATTERN = MethodCard("pattern", "attention", "probability", ("pattern",), "total_variation", {})
SETTINGS = Settings(draws=1_999, alpha=0.05, seed=0, claims=KINDS_ASKED)
EXACT, TWIN = "exact_move", "behavioural_move"


def heads(count: int) -> tuple[Component, ...]:
    """All in one layer."""
    return tuple(Component(0, head=h) for h in range(count))


def scores(values: Any, *, method: str = "scores", undefined: Mapping[int, str] | None = None) -> Interpretation:
    """Scores [sequence, head], or [head] from a flat list."""
    array = np.asarray(values, dtype=np.float64)
    axes = ("sequence", "head") if array.ndim == 2 else ("head",)
    return Interpretation(method, axes, heads(array.shape[-1]), array, undefined or {})


def patterns(values: Any) -> Interpretation:
    """Attention [sequence, head, query, key]."""
    array = np.asarray(values, dtype=np.float64)
    return Interpretation("pattern", ("sequence", "head", "query", "key"), heads(array.shape[1]), array)


def variant(equivalence: str = TWIN, index: int = 0, *, relabelling: Relabelling | None = None) -> Variant:
    """A certified variant; exact by its name."""
    kind = Kind.EXACT if equivalence.startswith("exact") else Kind.BEHAVIOURAL
    key, state = f"{equivalence}/{index}", VariantState.CERTIFIED
    return Variant(key, equivalence, kind, 0, state, relabelling=relabelling or Relabelling())


def judged(
    base: Interpretation,
    others: Sequence[tuple[Variant, Interpretation]],
    *,
    card: MethodCard = SCALAR,
    settings: Settings = SETTINGS,
    claims: Sequence[Claim] | None = None,
    again: Interpretation | None = None,
) -> dict[tuple[str, str, str], Finding]:
    """Findings by (kind of claim, component, equivalence)."""
    found = findings_of(
        "audit",
        {card.name: card},
        [given for given, _ in others],
        {
            (ORIGINAL, card.name): base,
            **({} if again is None else {(RERUN, card.name): again}),
            **{(given.key, card.name): other for given, other in others},
        },
        original=ORIGINAL,
        settings=settings,
        claims=None if claims is None else {card.name: claims},
    )
    return {(f.claim.kind, f.claim.component.label, f.equivalence): f for f in found}


def noisy(means: list[float], sequences: int = 100, *, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """Normal scores around ``means``, [sequence, head]."""
    generator = numpy_generator(seed, "noisy")
    return np.asarray(means) + spread * generator.normal(size=(sequences, len(means)))
