"""Input moves end to end: a model of the language is its own twin, another is not; audits and witnesses read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.checkpoints.intake.detection import load
from auditor.contracts import TransformRequest, equivalences
from auditor.exports.witness import export_witness, verify_witness
from auditor.pipeline import audit
from auditor.records import AuditReport, Kind, VariantState
from auditor.report.html import render_html
from auditor.report.terminal import render_report
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from auditor.testing.families import FAMILIES, task_for
from tests.auditor.small_audits import PLAN
from tests.handmade import PLAIN, TASK, inputs_for, random_model, stack_model

MOVES = ("input_bracket_relabelling", "input_pair_removal", "input_pumping")
SMALL = replace(PLAN, sequences=12, certificate_sequences=800, equivalences=MOVES, behavioural_variants=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_a_model_that_is_right_at_every_length_is_its_own_twin(name: str) -> None:
    """The stack model computes the language, so all three hold: its own decisions are the language's."""
    built = build(stack_model(), SMALL, 0, f"{name}/0")
    assert built.variant.kind is Kind.INPUT
    assert built.variant.state is VariantState.CERTIFIED, built.variant.reason
    assert built.variant.certificate is not None
    assert built.variant.certificate.disagreement == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_random_weights_are_not_certified_with_a_reason(name: str) -> None:
    built = build(random_model(PLAIN, replace(TASK, max_length=40)), SMALL, 0, f"{name}/0")
    assert built.variant.state is VariantState.NOT_CERTIFIED
    assert "kl_upper95_nats" in built.variant.reason


@pytest.mark.parametrize("family", FAMILIES)
def test_relabelling_twice_is_the_identity_and_once_is_not(family: str) -> None:
    """With two types the exchange is its own inverse; π⁻¹(model(π(x))) is what the twin computes."""
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    move, inputs = equivalences()["input_bracket_relabelling"], inputs_for(model)
    twin = move.transform(TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={})).model
    back = move.transform(TransformRequest(twin, inputs, numpy_generator(1, "x"), parameters={})).model
    assert all(torch.equal(back.state_dict()[name], table) for name, table in model.state_dict().items())
    swap = torch.tensor([0, 1, 2, 3, 5, 4, 7, 6])
    with torch.no_grad():
        expected = model(swap[inputs.tokens])
        expected = expected if model.architecture.is_classifier else expected[..., swap]
        found = twin(inputs.tokens)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert not torch.allclose(found, model(inputs.tokens))


def test_the_permutation_of_three_types_is_never_the_identity() -> None:
    from auditor.equivalences.input_bracket_relabelling import _permutation

    seen = {tuple(_permutation(3, np.random.default_rng(seed))) for seed in range(80)}
    assert seen == {(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}


def test_one_bracket_type_has_no_other_order() -> None:
    from auditor.language.grammar import Dyck

    task = replace(TASK, language=Dyck.standard(1, 3))
    model = random_model(replace(PLAIN, vocabulary_size=len(task.language.vocabulary)), task)
    assert equivalences()["input_bracket_relabelling"].not_applicable(model)


@pytest.fixture(scope="module")
def report() -> AuditReport:
    """Methods with and without a layout by position, on other inputs."""
    plan = replace(SMALL, methods=("ablation_head_mean", "attention_pattern"))
    return audit(stack_model(), plan)


@pytest.mark.slow
def test_methods_laid_out_by_position_are_left_out_of_longer_inputs_only(report: AuditReport) -> None:
    found = {(f.claim.method, f.equivalence) for f in report.findings}
    assert ("ablation_head_mean", "input_pumping") in found
    assert ("attention_pattern", "input_bracket_relabelling") in found
    assert ("attention_pattern", "input_pumping") not in found
    absent = {(entry.name, entry.equivalence) for entry in report.not_applicable}
    assert ("attention_pattern", "input_pumping") in absent
    assert ("attention_pattern", None) not in absent


@pytest.mark.slow
def test_the_report_names_the_scores_that_were_left_out(report: AuditReport) -> None:
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as capture:
        console.print(render_report(report))
    assert "fields of the matrix not applicable; the page has the reasons" in capture.get()
    assert "its scores are laid out by position" in render_html(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_a_finding_on_other_inputs_has_a_witness(report: AuditReport, tmp_path: Path, name: str) -> None:
    finding = next(f for f in report.findings if f.equivalence == name and f.worst_variant and f.claim.kind == "rank")
    plan = replace(SMALL, methods=("ablation_head_mean", "attention_pattern"))
    twin = build(stack_model(), plan, 0, finding.worst_variant or "").model
    assert twin is not None
    folder = export_witness(tmp_path / "w", report=report, finding=finding, original=stack_model(), twin=twin)
    assert verify_witness(folder).passed
    assert f"on the inputs that {name} rewrites" in (folder / "README.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["input_pair_removal", "input_pumping"])
@pytest.mark.parametrize("model", ["dyck3x3-2layer-4head-positions"])
def test_bundled_models_decide_alike_around_balanced_strings(name: str, model: str) -> None:
    """KL ≤ 5e-4 nats, and no decision differs."""
    found = build(load(zoo.path(model)).model, replace(SMALL, certificate_sequences=2_000), 0, f"{name}/0").variant
    assert found.certificate is not None
    assert found.certificate.kl_mean_nats is not None
    assert found.certificate.kl_mean_nats < 5e-4
    assert found.certificate.disagreement == 0.0
