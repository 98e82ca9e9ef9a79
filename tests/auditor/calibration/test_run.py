"""The whole calibration in small: good methods pass, a broken one is named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from auditor import zoo
from auditor.calibration import run
from auditor.calibration.run import Calibration, calibrate
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import InterpretationMethod, Request, methods
from auditor.interpretations.ablation_head_mean import HeadMeanAblation
from auditor.records import Interpretation
from auditor.verdicts.verdict import Settings

SETTINGS = Settings(draws=1_999, alpha=0.05, seed=0)
SOUND = "attention_stack_top"
FEW = ("ablation_head_mean", "ablation_head_zero", "attention_pattern", "attention_stack_top")


def _demonstration_only() -> Mapping[str, CanonicalTransformer]:
    return {zoo.DEMONSTRATION: load(zoo.path(zoo.DEMONSTRATION)).model.double()}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_models", _demonstration_only)
    monkeypatch.setattr(run, "POPULATION", 200)
    monkeypatch.setattr(run, "DRAWN_POPULATION", 60)
    monkeypatch.setattr(run, "POWER_SEQUENCES", (32,))


class ReadsTheBasis(HeadMeanAblation):
    """Mean ablation with a planted error: it adds the first weight of W_O, which every gauge changes."""

    def interpret(self, request: Request) -> Interpretation:
        found = super().interpret(request)
        slip = [
            float(request.model.attentions[head.layer].output[0].detach()[head.head or 0, 0, 0])
            for head in found.components
        ]
        values: np.ndarray = found.values + np.asarray(slip)
        return Interpretation(self.name, found.axes, found.components, values)


def _calibrated(registry: Mapping[str, InterpretationMethod]) -> Calibration:
    return calibrate(SETTINGS, trials=2, registry=registry)


@pytest.mark.slow
def test_good_methods_have_no_verdict_against_a_theorem_and_few_wrong_ones() -> None:
    found = _calibrated({name: methods()[name] for name in FEW})
    assert not found.against_theory
    assert {case.source for case in found.cases} == {"theorem", "ladder", "noise", "random"}
    assert (found.rates.false_unstable.share or 0) <= 0.15
    document = found.measured.to_json()
    assert set(document["by"]) == {"method", "claim", "source", "look", "effect_size"}
    assert document["cases"] == len(found.cases)
    assert not any("theorem" in failure for failure in document["failures"])


@pytest.mark.slow
def test_a_method_that_is_broken_on_purpose_is_caught_by_name() -> None:
    broken = ReadsTheBasis()
    broken.name = "ablation_head_mean"
    found = _calibrated({broken.name: broken, SOUND: methods()[SOUND]})
    assert any(failure.startswith("ablation_head_mean: ") and "theorem" in failure for failure in found.failures)
    assert not any(failure.startswith(f"{SOUND}: ") and "theorem" in failure for failure in found.failures)
    assert not found.measured.to_json()["passed"]
