"""Bootstrap of a whole audit's claims on one core, against one draw and one claim at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np

from auditor.records import ORIGINAL, Claim, Component, Interpretation, Kind, MethodCard, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.verdicts.bootstrap import resampling_weights
from auditor.verdicts.verdict import Settings, findings_of
from tests.benchmarks.timing import Line, seconds

DRAWS, SEQUENCES, COMPONENTS, VARIANTS = 10_000, 500, 200, 20
NAIVE_DRAWS = 20
GOAL_SECONDS, GOAL_BYTES = 10.0, 1e9
CARD = MethodCard("scores", "ablation", "nats", ("value", "rank"), "relative_change", {})


def lines() -> Iterator[Line]:
    """Every score of every component claimed under twenty twins, with intervals, p-values and verdicts."""
    generator = numpy_generator(0, "benchmark")
    parts = tuple(Component(0, neuron=index) for index in range(COMPONENTS))
    base = 1.0 + generator.normal(size=(SEQUENCES, COMPONENTS))
    twins = [Variant(f"twin/{i}", "twin", Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED) for i in range(VARIANTS)]
    arrays = {ORIGINAL: base} | {one.key: base + 0.3 * generator.normal(size=base.shape) for one in twins}
    found = {
        (key, "scores"): Interpretation("scores", ("sequence", "neuron"), parts, values)
        for key, values in arrays.items()
    }
    claims = {"scores": [Claim("scores", "value", part, f"{part.label} scores this") for part in parts]}
    settings = Settings(draws=DRAWS, alpha=0.05, seed=0)

    def ours() -> int:
        resampling_weights.cache_clear()
        cards = {"scores": CARD}
        return len(findings_of("b", cards, twins, found, original=ORIGINAL, settings=settings, claims=claims))

    def naive() -> None:
        for values in arrays.values():
            for column in range(COMPONENTS):
                one = values[:, column]
                for _ in range(NAIVE_DRAWS):
                    drawn = one[generator.integers(0, SEQUENCES, SEQUENCES)]
                    float(drawn.mean() / drawn.std())

    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    slow = seconds(naive, repeats=1) * DRAWS / NAIVE_DRAWS
    name = f"verdicts, {DRAWS:,} draws × {SEQUENCES} × {COMPONENTS} × {VARIANTS}"
    yield Line(name, seconds(ours, repeats=1), slow, "s", more_is_better=False, goal=GOAL_SECONDS)
    everything = float(DRAWS) * COMPONENTS * VARIANTS * np.dtype(float).itemsize
    yield Line("verdicts, memory", peak / 1e6, everything / 1e6, "MB", more_is_better=False, goal=GOAL_BYTES / 1e6)
