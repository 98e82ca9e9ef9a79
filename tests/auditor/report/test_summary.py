"""Known answers of the counts, the headline and the stability matrix."""

from __future__ import annotations

import dataclasses

import pytest

from auditor.records import AuditState, ClaimCounts, Exclusion, Expected, Kind, VariantState, Verdict, VerdictCounts
from auditor.report.matrix import Agreement, FieldState, agreement_of, matrix_of, stability_matrix
from auditor.report.summary import claim_counts, summarise
from auditor.report.view import view_of
from tests.auditor.report.samples import BIAS_SHIFT, MEAN_FIELD, TWIN, make_finding, sample_report, sample_variants


def test_headline_names_claim_equivalence_sameness_and_counts() -> None:
    """10 of 28: 5 zero-ablation claims, 2 attention patterns, 3 stack-top claims; one claim is undecided."""
    report = sample_report()
    assert report.summary.headline == (
        "UNSTABLE: “L1H0 is the top head by ablation_head_zero” is overturned by exact_value_bias_shift, on a model "
        "with the same function (logits equal to 2e-15); 10 of 28 claims are overturned, 1 undecided, "
        "17 survived everything tested."
    )
    assert report.summary.claims == ClaimCounts(overturned=10, undecided=1, surviving=17, total=28, unresolved=0)
    assert (report.summary.unstable, report.summary.inconclusive, report.summary.not_certified) == (10, 1, 1)
    assert sum(getattr(report.summary, verdict) for verdict in Verdict) == len(report.findings)


def test_one_claim_under_two_equivalences_is_one_claim() -> None:
    findings = [make_finding(), make_finding(equivalence=TWIN, verdict=Verdict.STABLE)]
    assert claim_counts(findings) == ClaimCounts(overturned=1, undecided=0, surviving=0, total=1, unresolved=0)


@pytest.mark.parametrize(
    ("findings", "start"),
    [
        ([], "NO VERDICT: none of 1 variant passed"),
        ([make_finding(verdict=Verdict.STABLE)], "STABLE: the one claim tested survived"),
        ([make_finding(verdict=Verdict.INCONCLUSIVE)], "INCONCLUSIVE: nothing was overturned, but 1 of 1 claim"),
        ([make_finding(expected=Expected.INVARIANT)], "UNSTABLE: “L1H0 is the most important head"),
    ],
)
def test_headline_is_never_better_than_the_evidence(findings: list, start: str) -> None:
    failed = [variant for variant in sample_variants() if variant.state is VariantState.NOT_CERTIFIED]
    assert summarise(findings, failed, ()).headline.startswith(start)


def test_a_headline_says_that_nothing_was_tested_behaviourally() -> None:
    found, variants = [make_finding(verdict=Verdict.STABLE)], sample_variants()
    exact = [variant for variant in variants if variant.kind is Kind.EXACT]
    failed = [variant for variant in variants if variant.equivalence == MEAN_FIELD]
    twin = next(variant for variant in variants if variant.equivalence == TWIN)
    rounded = dataclasses.replace(twin, equivalence="behavioural_int8")
    assert "no behavioural twin" not in summarise(found, variants, ()).headline
    assert summarise(found, [*exact, *failed], ()).headline.endswith("no behavioural twin was certified.")
    assert summarise(found, exact, ()).headline.endswith("the plan makes no behavioural twin.")
    assert summarise(found, [rounded], ()).headline.endswith("but rounded copies (behavioural_int8).")
    assert summarise(found, variants, ()).behavioural_twins == (TWIN,)


def test_verdicts_are_counted_apart_by_what_they_rest_on() -> None:
    found = [
        make_finding(expected=Expected.FREE),
        make_finding(expected=Expected.INVARIANT, verdict=Verdict.STABLE),
        make_finding(expected=Expected.OPEN),
        make_finding(expected=Expected.OPEN, kind=Kind.INPUT, verdict=Verdict.INCONCLUSIVE),
    ]
    summary = summarise(found, sample_variants(), ())
    assert summary.by_basis == {
        "theory": VerdictCounts(1, 1, 0),
        "exact": VerdictCounts(0, 1, 0),
        "behavioural": VerdictCounts(0, 0, 0),
        "input": VerdictCounts(0, 0, 1),
    }
    lines = view_of(sample_report(findings=tuple(found))).by_basis
    assert [(line.counts.total, line.meaning) for line in lines][2:] == [
        (0, "nothing was tested"),
        (1, "other inputs that call for the same decisions"),
    ]


def test_claims_that_the_original_leaves_open_are_counted() -> None:
    open_ = make_finding(verdict=Verdict.INCONCLUSIVE, invariant=True, resolved=False)
    other = make_finding(verdict=Verdict.INCONCLUSIVE, resolved=True, text="another")
    summary = summarise([open_, other], sample_variants(), ())
    assert (summary.claims.undecided, summary.claims.unresolved) == (2, 1)
    assert "(1 not resolved in the original itself)" in summary.headline
    assert agreement_of(Expected.INVARIANT, [open_]) is Agreement.AGREES


def test_behavioural_headline_claims_behaviour_not_function() -> None:
    finding = make_finding(equivalence=TWIN, kind=Kind.BEHAVIOURAL, worst_variant=f"{TWIN}/0", expected=Expected.OPEN)
    headline = summarise([finding], sample_variants(), ()).headline
    assert "the same behaviour (KL 1.7e-4 nats per token, at most 0.29 % of decisions differ)" in headline
    assert "same function" not in headline


def test_a_contradiction_is_not_the_headline_while_another_claim_falls() -> None:
    defect = make_finding(id="a", text="the defect", expected=Expected.INVARIANT, effect=9.0)
    report = sample_report(findings=(defect, make_finding(id="b")))
    assert "most important head" in report.summary.headline
    assert report.summary.contradicts_theory == 1
    assert any("check the method's implementation" in warning for warning in view_of(report).warnings)


def test_headline_names_the_method_where_the_claim_does_not() -> None:
    finding = make_finding(text="L1H0 attends as drawn", method="attention_pattern", claim_kind="pattern")
    assert "“L1H0 attends as drawn (attention_pattern)” is overturned" in summarise([finding], (), ()).headline


def test_behaviour_notes_give_the_reason_for_a_missing_number() -> None:
    behaviour = view_of(sample_report()).behaviour
    assert behaviour.ranges == ("in distribution", "longer")
    assert ("lengths", ("–", "76, 84")) in behaviour.rows
    assert "reason: deeper: the model has 84 positions" in behaviour.notes
    assert "longer, reason: kl_nats undefined: no scored position" in behaviour.notes


def test_matrix_gives_the_reason_for_an_empty_field() -> None:
    matrix = matrix_of(sample_report())
    names = [column.equivalence for column in matrix.columns]
    assert [column.kind for column in matrix.columns] == [Kind.EXACT] * 4 + [Kind.BEHAVIOURAL] * 2 + [None]
    first = dict(zip(names, matrix.rows[0].fields, strict=True))
    assert first[BIAS_SHIFT].verdict is Verdict.UNSTABLE
    assert (first[BIAS_SHIFT].unstable, first[BIAS_SHIFT].total) == (5, 5)
    assert first[BIAS_SHIFT].worst is not None
    assert first[BIAS_SHIFT].worst.effect == 14.7
    assert first[MEAN_FIELD].state is FieldState.NOT_CERTIFIED
    assert "margin" in first[MEAN_FIELD].reason
    assert first["exact_neuron_permutation"].state is FieldState.NOT_APPLICABLE
    assert "no MLP" in first["exact_neuron_permutation"].reason


def test_matrix_has_a_row_for_an_inapplicable_method() -> None:
    entry = Exclusion("method", "weights_ov_norm", "no output map")
    matrix = stability_matrix([make_finding()], sample_variants(), [entry])
    row = next(row for row in matrix.rows if row.method == "weights_ov_norm")
    assert {(field.state, field.reason) for field in row.fields} == {(FieldState.NOT_APPLICABLE, "no output map")}


@pytest.mark.parametrize(
    ("expected", "verdicts", "answer"),
    [
        (Expected.INVARIANT, [Verdict.STABLE], Agreement.AGREES),
        (Expected.RELABELLED, [Verdict.STABLE, Verdict.UNSTABLE], Agreement.CONTRADICTS),
        (Expected.INVARIANT, [Verdict.INCONCLUSIVE], Agreement.UNDECIDED),
        (Expected.FREE, [Verdict.STABLE, Verdict.UNSTABLE], Agreement.AGREES),
        (Expected.FREE, [Verdict.STABLE], Agreement.NOT_SEEN),
        (Expected.FREE, [Verdict.INCONCLUSIVE], Agreement.UNDECIDED),
        (Expected.OPEN, [Verdict.UNSTABLE], Agreement.NO_PREDICTION),
    ],
)
def test_agreement_with_theory(expected: Expected, verdicts: list[Verdict], answer: Agreement) -> None:
    assert agreement_of(expected, [make_finding(verdict=verdict) for verdict in verdicts]) is answer


def test_findings_are_ordered_unstable_first_then_by_effect() -> None:
    findings = (
        make_finding(id="a", verdict=Verdict.STABLE, effect=5.0),
        make_finding(id="b", effect=1.0),
        make_finding(id="c", verdict=Verdict.INCONCLUSIVE, effect=7.0),
        make_finding(id="d", effect=2.0),
        make_finding(id="e", effect=None),
    )
    assert "".join(finding.id for finding in view_of(sample_report(findings=findings)).findings) == "dbeca"


def test_view_warns_of_freedom_that_was_not_seen_and_of_unfinished_audits() -> None:
    report = sample_report(findings=(make_finding(verdict=Verdict.STABLE),))
    report = dataclasses.replace(report, audit=dataclasses.replace(report.audit, state=AuditState.FAILED))
    warnings = " | ".join(view_of(report).warnings)
    assert "its stability here is not evidence" in warnings
    assert "the audit is failed" in warnings


def test_a_report_outside_every_store_names_no_command() -> None:
    report = sample_report()
    assert view_of(dataclasses.replace(report, audit=dataclasses.replace(report.audit, id="local"))).commands == ()


def test_witness_command_names_the_finding_of_the_headline() -> None:
    report = sample_report()
    worst = next(finding for finding in report.findings if finding.verdict is Verdict.UNSTABLE)
    assert view_of(report).commands[0][1] == f"dyck-audit witness {worst.id} --out witness"
