"""Methods in a group give the numbers that they give alone; a share of the sequences gives the verdicts of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor import zoo
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, methods
from auditor.measures.group import interpretations
from auditor.pipeline import audit
from auditor.plans.plan import PLANS
from auditor.records import Agreement, Finding, Interpretation, Verdict
from auditor.seeds import numpy_generator
from auditor.stages import measure
from auditor.stages.build import build
from auditor.stages.measure import Share, measure_group
from tests.handmade import inputs_for, random_model

SAME = 1e-12
ROUNDING = 1e-8
"""Effects under exact variants that are no change."""

EXACT = ("exact_head_permutation", "exact_value_bias_shift", "exact_norm_folding", "exact_residual_rotation")
CUT = replace(PLANS["quick"], sequences=96, certificate_sequences=64, behaviour_sequences=64, equivalences=EXACT)
COSTLY = ("faithfulness_infidelity", "attribution_token_shapley_sampling")


@pytest.mark.slow
def test_a_method_alone_gives_the_numbers_of_its_group() -> None:
    model = random_model()
    inputs = inputs_for(model, 12)
    names = [n for n, one in methods().items() if one.not_applicable(model) is None and n not in COSTLY]
    group = dict(interpretations([(methods()[n], numpy_generator(0, n)) for n in names], model, inputs))
    for name in names:
        alone = methods()[name].interpret(Request(model, inputs, numpy_generator(0, name)))
        found = group[name]
        assert isinstance(found, Interpretation), f"{name}: {found}"
        np.testing.assert_allclose(found.values, alone.values, rtol=SAME, atol=SAME, err_msg=name)
        assert found.undefined == alone.undefined


def test_only_methods_whose_scores_move_are_run_on_all_sequences() -> None:
    model = load(zoo.path(zoo.DEMONSTRATION)).model.double()
    names = ("ablation_head_mean", "ablation_head_zero", "attention_pattern", "weights_ov_norm")
    built = build(model, CUT, 0, "exact_value_bias_shift/0")
    assert built.model is not None
    share = Share(model, CUT, 0)
    found = measure_group(built.model, CUT, 0, names, variant=built.variant.key, made=built.variant, share=share)
    assert {name for name, one in found.items() if isinstance(one, Interpretation)} == {"ablation_head_zero"}
    mean = found["ablation_head_mean"]
    assert isinstance(mean, Agreement)
    assert mean.sequences == methods()["ablation_head_mean"].share
    assert mean.largest_difference < ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dyck2x4-2layer-2head", "dyck2x4-3layer-classifier"])
def test_a_share_of_the_sequences_gives_the_verdicts_of_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(zoo.path(name)).model
    with_share = audit(model, CUT).findings
    monkeypatch.setattr(measure, "_agreements", lambda *_: {})
    everything = audit(model, CUT).findings
    assert [_judged(finding) for finding in with_share] == [_judged(finding) for finding in everything]
    for ours, theirs in zip(with_share, everything, strict=True):
        assert (ours.effect or 0.0) == pytest.approx(theirs.effect or 0.0, abs=ROUNDING)


def _judged(finding: Finding) -> tuple[object, ...]:
    """The claim, its verdict, and its witness where it has one."""
    witness = finding.worst_variant if finding.verdict is Verdict.UNSTABLE else None
    return finding.claim.text, finding.equivalence, finding.verdict, witness
