"""A realistic report of a 2-layer, 2-head model, built by hand: every state a report can show occurs in it once."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from auditor.records import (
    BY_WEIGHT,
    ORIGINAL,
    SPLIT,
    AuditHeader,
    AuditReport,
    AuditState,
    Behaviour,
    Certificate,
    CertificateRow,
    Claim,
    Component,
    Exclusion,
    Expected,
    Finding,
    FlipRate,
    Illustration,
    Kind,
    LanguageMetrics,
    ModelHeader,
    RashomonInterval,
    Relabelling,
    ScoreTable,
    StringsFacts,
    Variant,
    VariantState,
    Verdict,
    WorstString,
)
from auditor.report.summary import summarise

HEADS = tuple(Component(layer=layer, head=head) for layer in range(2) for head in range(2))
TOKENS = ("S", *"([()[]]{([])}[()]({})[]")
METHODS = {
    "ablation_head_zero": ("ablation", "nats of cross-entropy", [0.021, 0.134, 0.412, 0.371]),
    "ablation_head_mean": ("ablation", "nats of cross-entropy", [0.017, 0.121, 0.268, 0.391]),
    "attention_pattern": ("attention", "probability", [None] * 4),
    "attention_stack_top": ("attention", "probability", [0.312, None, 0.887, 0.954]),
    "attribution_head_integrated_gradients": ("attribution", "logits", [0.08, 0.51, -0.33, 1.94]),
    "weights_ov_norm": ("weights", "Frobenius norm", [3.1, 2.7, 4.4, 4.9]),
}
EXACT = {
    "exact_head_permutation": (3e-15, Expected.RELABELLED),
    "exact_query_key_gauge": (8e-15, Expected.INVARIANT),
    "exact_value_output_gauge": (5e-15, Expected.INVARIANT),
    "exact_value_bias_shift": (2e-15, Expected.INVARIANT),
}
TWIN = "behavioural_adversarial_attention"
MEAN_FIELD = "behavioural_uniform_attention"
BIAS_SHIFT = "exact_value_bias_shift"


def sample_report(*, name: str = "dyck-k3-d4-two-heads", findings: tuple[Finding, ...] | None = None) -> AuditReport:
    """The report; ``name`` and ``findings`` can be replaced, the summary follows."""
    variants = sample_variants()
    found = sample_findings() if findings is None else findings
    not_applicable = (Exclusion("equivalence", "exact_neuron_permutation", "the model has no MLP layer to permute"),)
    return AuditReport(
        audit=AuditHeader(
            id="a7f3c2d1",
            created_at="2025-11-22T15:02:11+00:00",
            finished_at="2025-11-22T15:03:02+00:00",
            plan="quick",
            plan_settings={"sequences": 512, "draws": 9999, "alpha": 0.05, "twin_steps": 1200},
            seed=0,
            state=AuditState.DONE,
            versions={"dyck-audit": "0.1.0", "torch": "2.13.0", "captum": "0.9.0", "numpy": "2.2.0"},
            weights_sha256="5d" * 32,
            sequences=512,
            device="cpu",
        ),
        model=ModelHeader(
            id="m19be04",
            name=name,
            format="native",
            sha256="ab" * 32,
            function_fingerprint="f0" * 16,
            architecture={"layers": 2, "heads": 2, "width": 32, "norm": "pre", "mlp_width": 0, "causal": True},
            task={"brackets": 3, "depth": 4, "open_probability": 0.5},
        ),
        behaviour=Behaviour(
            in_distribution=LanguageMetrics(
                closing_accuracy=0.99974,
                argmax_accuracy=0.99991,
                kl_nats=0.00043,
                illegal_mass=2.1e-5,
                sequences=2000,
                tokens=51893,
            ),
            longer=LanguageMetrics(
                closing_accuracy=0.9612,
                argmax_accuracy=0.984,
                kl_nats=None,
                illegal_mass=0.0041,
                sequences=200,
                tokens=90112,
                reason="kl_nats undefined: no scored position",
                lengths=(76, 84),
            ),
            deeper=None,
            scored="every position",
            reason="deeper: the model has 84 positions",
        ),
        variants=variants,
        interpretations=tuple(_interpretations(variants)),
        findings=found,
        not_applicable=not_applicable,
        illustrations=sample_illustrations(),
        summary=summarise(found, variants, not_applicable),
    )


def sample_variants() -> tuple[Variant, ...]:
    """Two variants of each exact symmetry, a certified twin, and one twin that missed its margins."""
    exact = [
        Variant(
            key=f"{name}/{index}",
            equivalence=name,
            kind=Kind.EXACT,
            seed=index,
            state=VariantState.CERTIFIED,
            parameters={"target": "L0H1"} if (name, index) == (BIAS_SHIFT, 1) else {},
            relabelling=Relabelling({"head": ((1,), (0,), (3,), (2,))} if "permutation" in name else {}),
            certificate=Certificate(
                passed=True,
                sequences=256,
                margins={"max_abs_logit_difference": 1e-9},
                max_abs_logit_difference=difference,
            ),
            weights_sha256="cd" * 32,
            seconds=0.1,
        )
        for name, (difference, _) in EXACT.items()
        for index in range(2)
    ]
    twin = Variant(
        key=f"{TWIN}/0",
        equivalence=TWIN,
        kind=Kind.BEHAVIOURAL,
        seed=7,
        state=VariantState.CERTIFIED,
        parameters={"steps": 1200, "penalty": 0.3, "wanted_total_variation": 0.9},
        certificate=_behavioural_certificate(passed=True),
        weights_sha256="ef" * 32,
        seconds=38.2,
    )
    failed = dataclasses.replace(
        twin,
        key=f"{MEAN_FIELD}/0",
        equivalence=MEAN_FIELD,
        state=VariantState.NOT_CERTIFIED,
        reason="KL mean 0.019 nats per token is above the margin 0.001",
        certificate=_behavioural_certificate(passed=False),
    )
    return (*exact, twin, failed)


def sample_findings() -> tuple[Finding, ...]:
    """Zero ablation falls to the value-bias shift, attention to the adversarial twin, one claim is undecided."""
    found: list[Finding] = []
    for method, (_, _, scores) in METHODS.items():
        for equivalence in (*EXACT, TWIN):
            found.extend(_field(method, scores, equivalence, start=len(found)))
    return tuple(found)


def sample_illustrations() -> tuple[Illustration, ...]:
    """Attention of the four heads before and after the adversarial twin."""
    return tuple(
        Illustration(
            variant=f"{TWIN}/0",
            component=head,
            tokens=TOKENS,
            original=_attention(seed=index, sharp=5.0),
            twin=_attention(seed=index if head.layer == 0 else 100 + index, sharp=5.0 if head.layer == 0 else 2.2),
            total_variation=0.03 if head.layer == 0 else 0.902 - 0.01 * index,
            openers=tuple(None if place == 0 else max(1, place - 2) for place in range(len(TOKENS))),
        )
        for index, head in enumerate(HEADS)
    )


def make_finding(**changes: Any) -> Finding:
    """One unstable finding; any field can be replaced, ``method``, ``claim_kind``, ``component`` and ``text`` too."""
    claim = Claim(
        method=changes.pop("method", "ablation_head_zero"),
        kind=changes.pop("claim_kind", "rank"),
        component=changes.pop("component", HEADS[2]),
        text=changes.pop("text", "L1H0 is the most important head by ablation_head_zero"),
    )
    base = Finding(
        id="f0000",
        claim=claim,
        equivalence=BIAS_SHIFT,
        kind=Kind.EXACT,
        variants=(f"{BIAS_SHIFT}/0", f"{BIAS_SHIFT}/1"),
        effect=1.0,
        interval=None,
        noise_floor=None,
        threshold=1e-8,
        p=None,
        q=None,
        verdict=Verdict.UNSTABLE,
        expected=Expected.FREE,
        worst_variant=f"{BIAS_SHIFT}/1",
    )
    return dataclasses.replace(base, **changes)


def _field(method: str, scores: list[float | None], equivalence: str, *, start: int) -> list[Finding]:
    exact = equivalence != TWIN
    claims: list[tuple[str, Component, str]] = []
    if method == "attention_pattern":
        claims = [("pattern", head, f"{head.label} attends as drawn") for head in HEADS]
    else:
        top = HEADS[max(range(4), key=lambda index: scores[index] or -9.0)]
        claims = [("rank", top, f"{top.label} is the top head by {method}")]
        claims += [
            ("value", head, f"{head.label} scores {score} by {method}")
            for head, score in zip(HEADS, scores, strict=True)
            if score is not None
        ]
    return [
        make_finding(
            id=f"f{start + index:04x}",
            method=method,
            claim_kind=kind,
            component=head,
            text=text,
            equivalence=equivalence,
            **(_exact(method, kind, equivalence) if exact else _behavioural(method, kind, head)),
        )
        for index, (kind, head, text) in enumerate(claims)
    ]


def _exact(method: str, kind: str, equivalence: str) -> dict[str, Any]:
    keys = (f"{equivalence}/0", f"{equivalence}/1")
    free = method == "ablation_head_zero" and equivalence == BIAS_SHIFT
    return {
        "variants": keys,
        "worst_variant": keys[1],
        "ceiling": 0.7,
        "mean_effect": 2.2e-15,
        "rashomon": RashomonInterval(
            "rank" if kind == "rank" else "score", 1.0, (1.0, 4.0 if free else 1.0), (1.0, 4.0), 5
        ),
        "flips": FlipRate(int(free), 2, (0.0, 0.9)) if kind == "rank" else None,
        "effect": (1.0 if kind == "rank" else 14.7) if free else 2.2e-15,
        "verdict": Verdict.UNSTABLE if free else Verdict.STABLE,
        "expected": Expected.FREE if free else EXACT[equivalence][1],
    }


def _behavioural(method: str, kind: str, head: Component) -> dict[str, Any]:
    moved = method.startswith("attention") and head.layer == 1
    undecided = method == "ablation_head_mean" and kind == "rank"
    effect = 0.894 if moved else 0.11 if undecided else 0.02
    return {
        "kind": Kind.BEHAVIOURAL,
        "variants": (f"{TWIN}/0",),
        "worst_variant": f"{TWIN}/0",
        "effect": effect,
        "interval": (effect - (0.09 if undecided else 0.012), effect + (0.09 if undecided else 0.011)),
        "noise_floor": 0.008,
        "threshold": 0.1,
        "p": 0.0001 if moved else 0.21,
        "q": 0.0006 if moved else 0.34,
        "verdict": Verdict.UNSTABLE if moved else Verdict.INCONCLUSIVE if undecided else Verdict.STABLE,
        "expected": Expected.OPEN,
        "needed_sequences": 2300 if undecided else None,
        "reason": "the interval holds the threshold" if undecided else "",
    }


def _behavioural_certificate(*, passed: bool) -> Certificate:
    return Certificate(
        passed=passed,
        sequences=1000,
        margins={"kl_mean_nats": 1e-3, "disagreement_upper95": 0.01},
        failures=() if passed else ("kl_mean_nats",),
        max_abs_logit_difference=0.41,
        kl_mean_nats=1.7e-4 if passed else 0.019,
        kl_upper95_nats=2.1e-4 if passed else 0.023,
        kl_q999_nats=0.006 if passed else 0.31,
        total_variation_mean=0.0041,
        disagreement=0.0,
        disagreement_upper95=0.0029,
        closing_accuracy=(0.99974, 0.99968 if passed else 0.981),
        longer={"sequences": 200, "kl_mean_nats": 0.03, "closing_accuracy": 0.956},
        rows=(
            CertificateRow("in_distribution", "depth", 5, 7.7e-4, "3", 0.0036, "4"),
            CertificateRow("longer", "kind", 4, 0.02, "word", None, None),
        ),
        worst_string=WorstString(
            "(a (b b) a)",
            0.135,
            1.91,
            3,
            4,
            2,
            searched=2_466,
            tokens=("START", "(a", "(b", "b)", "a)"),
            opener=1,
            answers={"END": (0.0, 0.61), "(b": (0.41, 0.02), "a)": (0.58, 0.37)},
        ),
        weight_noise={"kl_mean_nats_at_0.02": 3.2e-4},
    )


def _interpretations(variants: tuple[Variant, ...]) -> list[ScoreTable]:
    noise = np.random.Generator(np.random.PCG64(5))
    entries = []
    for variant in (None, *(variant for variant in variants if variant.state is VariantState.CERTIFIED)):
        for method, (family, unit, scores) in METHODS.items():
            values = list(scores)
            if variant is not None and method == "ablation_head_zero" and variant.equivalence == BIAS_SHIFT:
                values = [0.35, 1.62, 0.29, 0.44] if variant.key.endswith("1") else [0.31, 0.22, 0.71, 0.18]
            if variant is not None and variant.kind is Kind.BEHAVIOURAL:
                values = [None if value is None else float(value * noise.uniform(0.8, 1.15)) for value in values]
                values = [0.30, None, 0.09, 0.04] if method == "attention_stack_top" else values
            entries.append(
                ScoreTable(
                    variant=ORIGINAL if variant is None else variant.key,
                    method=method,
                    family=family,
                    unit=unit,
                    sequences=None if family == "weights" else 512,
                    components=HEADS,
                    values=tuple(values),
                    intervals=tuple(
                        None if value is None or method == "weights_ov_norm" else (value - 0.02, value + 0.02)
                        for value in values
                    ),
                    undefined={"1": "every query attends to one position only"} if None in values[:2] else {},
                )
            )
    return entries


def _attention(*, seed: int, sharp: float) -> tuple[tuple[float, ...], ...]:
    """Causal rows that add up to 1 within the rounding, sharper for larger ``sharp``."""
    scores = sharp * np.random.Generator(np.random.PCG64(seed)).normal(size=(len(TOKENS), len(TOKENS)))
    weights = np.exp(np.where(np.tri(len(TOKENS), dtype=bool), scores, -np.inf))
    weights /= weights.sum(axis=1, keepdims=True)
    return tuple(tuple(round(float(weight), 4) for weight in row) for row in weights)


def with_strings(report: AuditReport, sha256: str = "cd" * 32) -> AuditReport:
    """The report of an audit that was given strings."""
    facts = StringsFacts(
        sha256=sha256,
        size=4_321,
        format="csv",
        strings=3_000,
        distinct=2_800,
        search=350,
        interpretation=350,
        certificate=2_100,
        labelled=False,
        weighted=True,
        split=SPLIT,
        taken=BY_WEIGHT,
    )
    return dataclasses.replace(report, audit=dataclasses.replace(report.audit, strings=facts))
