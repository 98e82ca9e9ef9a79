"""Reports of scores of every shape: heads, neurons, parts of layers, pairs of heads, patterns of parts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache

import jsonschema
import pytest
from rich.console import Console

from auditor.pipeline import audit
from auditor.plans.plan import PLANS
from auditor.records import AuditReport, Expected, Verdict
from auditor.report.html import render_html
from auditor.report.machine import schema, to_json_text
from auditor.report.markdown import render_markdown
from auditor.report.matrix import Agreement, matrix_of
from auditor.report.tables import findings_csv
from auditor.report.terminal import render_report
from auditor.verdicts.claims import KINDS_ASKED
from tests.handmade import random_model

pytestmark = pytest.mark.slow

METHODS = ("attention_rollout", "direct_logit_neuron", "logit_lens", "weights_composition_q", "weights_o_norm")
PLAN = replace(
    PLANS["quick"],
    sequences=12,
    certificate_sequences=12,
    behaviour_sequences=12,
    longer_sequences=4,
    methods=METHODS,
    equivalences=("exact_centred_writing", "exact_head_permutation", "exact_head_splitting"),
    claims=KINDS_ASKED,
)


@cache
def _report() -> AuditReport:
    return audit(random_model(), PLAN)


def test_every_shape_gets_verdicts_that_agree_with_theory() -> None:
    matrix = matrix_of(_report())
    assert [row.method for row in matrix.rows] == list(METHODS)
    for field in matrix.fields():
        assert field.total, f"{field.method} under {field.equivalence}: {field.reason}"
        assert field.agreement in (Agreement.AGREES, Agreement.NO_PREDICTION), (
            f"{field.method} under {field.equivalence}"
        )
    moved = {(f.claim.method, f.equivalence) for f in _report().findings if f.verdict is Verdict.UNSTABLE}
    assert ("weights_composition_q", "exact_centred_writing") in moved
    assert ("attention_rollout", "exact_head_splitting") in moved
    assert ("logit_lens", "exact_head_splitting") not in moved


def test_a_claim_that_moves_against_theory_is_marked() -> None:
    report = _report()
    marked = replace(
        next(f for f in report.findings if f.verdict is Verdict.UNSTABLE and f.claim.method == "attention_rollout"),
        expected=Expected.INVARIANT,
    )
    wrong = replace(report, findings=(marked,))
    assert [field.agreement for field in matrix_of(wrong).fields() if field.total] == [Agreement.CONTRADICTS]
    assert "AGAINST" in _terminal(wrong)


@pytest.mark.parametrize("label", ["L0.residual", "L0N0", "embedding", "L0H0"])
def test_every_form_names_the_components(label: str) -> None:
    report = _report()
    assert label in {finding.claim.component.label for finding in report.findings} | {
        component.label for entry in report.interpretations for component in entry.components
    }
    rows = list(csv.DictReader(io.StringIO(findings_csv(report.findings))))
    assert len(rows) == len(report.findings)
    document = json.loads(to_json_text(report))
    jsonschema.validate(document, schema())
    assert label in to_json_text(report)
    for text in (render_html(report), render_markdown(report), _terminal(report)):
        assert all(method.rsplit("_", 1)[-1] in text for method in METHODS)


def _terminal(report: AuditReport) -> str:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(render_report(report))
    return console.export_text()
