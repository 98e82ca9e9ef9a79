"""Error rates by simulation: p-values at the threshold are uniform, and few of the discoveries are false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from auditor.records import Claim, Multiplicity
from auditor.seeds import numpy_generator
from auditor.verdicts.bootstrap import studentised
from auditor.verdicts.contrasts import margins_of
from auditor.verdicts.distances import SMALLEST_EFFECT
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.worst_case import worst_case
from tests.auditor.verdicts.samples import SETTINGS, TWIN, heads, judged, scores, variant

pytestmark = pytest.mark.slow

AUDITS, DRAWS, SEQUENCES = 1_000, 299, 60

VALUE = Claim("scores", "value", heads(2)[0], "")
RANK = Claim("scores", "rank", heads(3)[0], "", {"top": 1})
PREDICATE = Claim("scores", "predicate", heads(2)[0], "", {"threshold": 1.0, "above": True})

Made = tuple[np.ndarray, list[np.ndarray]]
"""An original and its twins, [sequence, head]."""


def _value(spread: float, twins: int = 1) -> Callable[[np.random.Generator], Made]:
    """Every twin's score is 1.1 times the original's in the mean: on the threshold."""

    def made(generator: np.random.Generator) -> Made:
        base = generator.lognormal(sigma=0.5, size=(SEQUENCES, 2))
        own = [generator.normal(size=base.shape) for _ in range(twins)]
        return base, [base * (1 + SMALLEST_EFFECT["value"]) + spread * noise for noise in own]

    return made


def _rank(generator: np.random.Generator) -> Made:
    """Heads 0 and 1 share the lead in the mean, head 2 is far behind; scores are skewed."""
    given = generator.exponential(size=(SEQUENCES, 3)) * [1.0, 1.0, 0.1]
    return given, [given]


def _predicate(generator: np.random.Generator) -> Made:
    given = generator.gamma(2.0, 0.5, size=(SEQUENCES, 2))
    return given, [given]


def _p(claim: Claim, made: Made, seed: int) -> float:
    base, twins = made
    margins = [margins_of(claim, Pairing(scores(base), scores(twin), "relative_change")) for twin in twins]
    columns = np.concatenate([one.parts for one in margins if one.parts is not None], axis=1)
    shifts, t = studentised(columns, draws=DRAWS, seed=seed)
    return worst_case(margins, shifts, t, SMALLEST_EFFECT[claim.kind], seed=seed).p


@pytest.mark.parametrize(
    ("claim", "made"),
    [(VALUE, _value(0.3)), (VALUE, _value(3.0)), (VALUE, _value(0.3, twins=3)), (RANK, _rank), (PREDICATE, _predicate)],
    ids=["value", "value, error wider than the threshold", "value of three twins", "rank", "predicate"],
)
def test_p_values_on_the_threshold_are_uniform(claim: Claim, made: Callable[[np.random.Generator], Made]) -> None:
    p = np.asarray([_p(claim, made(numpy_generator(seed, "null")), seed) for seed in range(AUDITS)])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    for level in (0.01, 0.05, 0.2):
        allowed = 3 * np.sqrt(level * (1 - level) / AUDITS)
        assert np.mean(p <= level) <= level + allowed


FAMILY, TRUE, FAMILIES = 24, 18, 80
"""Claims of one audit, those of them that stand on the threshold, and audits."""


@pytest.mark.parametrize("procedure", Multiplicity)
@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_few_discoveries_are_false(shared: float, procedure: Multiplicity) -> None:
    """Of the claims with q < α at most a share α is true, in the mean over audits, also if all claims share noise."""
    settings = replace(SETTINGS, draws=1_999, multiplicity=procedure)
    claims = [Claim("scores", "value", component, "") for component in heads(FAMILY)]
    factors = np.where(np.arange(FAMILY) < TRUE, 1 + SMALLEST_EFFECT["value"], 1.4)
    false, found = [], 0
    for seed in range(FAMILIES):
        generator = numpy_generator(seed, "family")
        base = generator.lognormal(sigma=0.3, size=(SEQUENCES, FAMILY))
        common, own = generator.normal(size=(SEQUENCES, 1)), generator.normal(size=base.shape)
        other = base * factors + 0.5 * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own)
        findings = judged(scores(base), [(variant(), scores(other))], claims=claims, settings=settings)
        q = np.asarray([findings["value", c.component.label, TWIN].q for c in claims])
        rejected = q < settings.alpha
        false.append(rejected[:TRUE].sum() / max(1, rejected.sum()))
        found += int(rejected[TRUE:].sum())
    assert np.mean(false) <= settings.alpha + 3 * np.std(false) / np.sqrt(FAMILIES)
    assert found > FAMILIES  # a test that discovers nothing is right about all of it
