"""Audits small enough for a test: a random two-head model, a plan of seconds."""

from __future__ import annotations

from dataclasses import replace

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import equivalences
from auditor.plans.plan import PLANS
from tests.handmade import PLAIN, random_model

PLAN = replace(
    PLANS["quick"],
    name="small",
    sequences=8,
    certificate_sequences=600,
    behaviour_sequences=20,
    longer_sequences=4,
    twin_steps=2,
    equivalences=tuple(n for n, move in equivalences().items() if move.widens or move.smallest_plan == "quick"),
    bootstrap_draws=2_000,
)


def small_model() -> CanonicalTransformer:
    """One layer of two heads, random weights."""
    return random_model(replace(PLAIN, blocks=PLAIN.blocks[:1]))
