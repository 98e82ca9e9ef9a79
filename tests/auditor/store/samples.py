"""A small plan and small results to store: one variant that two methods look at, and one finding of each verdict."""

from __future__ import annotations

import numpy as np

from auditor.records import (
    ALL_OTHERS,
    AuditHeader,
    AuditReport,
    AuditState,
    Behaviour,
    Cell,
    Certificate,
    Claim,
    ClaimCounts,
    Component,
    Exclusion,
    Expected,
    Finding,
    Interpretation,
    Kind,
    LanguageMetrics,
    ModelHeader,
    Relabelling,
    ScoreTable,
    Stage,
    Summary,
    Variant,
    VariantState,
    Verdict,
)

PLAN = {"name": "quick", "sequences": 8, "methods": ["zero", "mean"]}
VERSIONS = {"dyck-audit": "0.1.0"}
TWIN = "exact_head_permutation/0"

CELLS = (
    Cell("behaviour", Stage.BEHAVIOUR),
    Cell("measure/original/zero", Stage.MEASURE, methods=("zero",)),
    Cell(f"build/{TWIN}", Stage.BUILD, variant=TWIN),
    Cell(f"measure/{TWIN}/zero", Stage.MEASURE, needs=f"build/{TWIN}", variant=TWIN, methods=("zero",)),
    Cell(f"measure/{TWIN}/mean", Stage.MEASURE, needs=f"build/{TWIN}", variant=TWIN, methods=("mean",)),
    Cell("conclude", Stage.CONCLUDE, needs=ALL_OTHERS),
)

HEADS = (Component(0, head=0), Component(0, head=1))


def twin(key: str = TWIN, *, state: VariantState = VariantState.CERTIFIED) -> Variant:
    """A variant with every field that has a form of its own in JSON."""
    return Variant(
        key=key,
        equivalence="exact_head_permutation",
        kind=Kind.EXACT,
        seed=3,
        state=state,
        parameters={"order": [1, 0]},
        relabelling=Relabelling({"head": ((1,), (0,)), "neuron": (None,)}),
        certificate=Certificate(True, 8, {"max_abs_logit_difference": 1e-9}, closing_accuracy=(0.999, 0.999)),
        seconds=0.25,
    )


def scores(method: str = "zero", *, undefined: bool = False) -> Interpretation:
    """Scores per sequence and head; the second head may be undefined."""
    values = np.arange(6, dtype=np.float64).reshape(3, 2) / 7
    if undefined:
        values[:, 1] = np.nan
    reasons = {1: "the head writes nothing"} if undefined else {}
    return Interpretation(method, ("sequence", "head"), HEADS, values, reasons, numerical_error=0.004)


def finding(number: int, verdict: Verdict, *, effect: float | None = 0.5, head: int = 0) -> Finding:
    """A finding on one head."""
    return Finding(
        id=f"f{number:03d}{verdict[0]}",
        claim=Claim(
            "zero" if number % 2 else "mean", "value", Component(0, head=head), "the score of L0H0 is 0.5", {"n": 1}
        ),
        equivalence="exact_head_permutation",
        kind=Kind.EXACT,
        variants=(TWIN,),
        effect=effect,
        interval=None if effect is None else (effect - 0.1, effect + 0.1),
        noise_floor=0.01,
        threshold=0.1,
        p=0.001,
        q=0.002,
        verdict=verdict,
        expected=Expected.RELABELLED,
        worst_variant=TWIN,
    )


FINDINGS = (
    finding(1, Verdict.UNSTABLE, effect=0.9),
    finding(2, Verdict.STABLE, effect=0.01, head=1),
    finding(3, Verdict.INCONCLUSIVE, effect=None),
)


BEHAVIOUR = Behaviour(LanguageMetrics(0.999, 1.0, 0.01, 0.0, 20, 180), None, None, "every position", "")


def report(findings: tuple[Finding, ...] = FINDINGS) -> AuditReport:
    """A report as the concluding cell makes it."""
    return AuditReport(
        audit=AuditHeader("", "", None, "small", PLAN, 0, AuditState.RUNNING, VERSIONS, "", 8, "cpu"),
        model=ModelHeader("m1", "two-heads", "native", "ab" * 32, None, {}, {}),
        behaviour=BEHAVIOUR,
        variants=(twin(),),
        interpretations=(
            ScoreTable("original", "zero", "ablation", "nats", 8, HEADS, (0.5, None), (None, None), {"1": "dead"}),
        ),
        findings=findings,
        not_applicable=(Exclusion("method", "mean", "no reference"),),
        illustrations=(),
        summary=Summary(1, 1, 1, 0, 1, 0, ClaimCounts(1, 1, 1, 3), {}, "1 of 3 claims does not survive"),
    )
