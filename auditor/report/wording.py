"""How a report words numbers and foreign strings.

Names of models, claims and reasons come from users and files and may contain terminal escapes, bidirectional overrides,
lone surrogates or megabytes of text. Every string that a person will read goes through :func:`plain`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

from auditor.records import (
    CalibrationFacts,
    Certificate,
    CertificateRow,
    Claim,
    Finding,
    FlipRate,
    Json,
    Kind,
    Missing,
    RashomonInterval,
    StringsFacts,
    Variant,
    WorstString,
)

MISSING = "–"
FRESH_SEED = "behavioural_fresh_seed"
"""The equivalence whose variants are independently trained."""

_PARTS_OF_A_SECOND = re.compile(r"(:\d\d)\.\d+")

TEXT_LIMIT = 300
"""Characters of one foreign string that a person is shown."""


def plain(text: object, limit: int = TEXT_LIMIT) -> str:
    r"""One harmless line: control, format and surrogate characters as ``\uXXXX``, cut at ``limit`` characters."""
    shown = str(text)
    cut = shown[:limit]
    harmless = (
        cut
        if cut.isprintable()
        else "".join(
            character if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else _escape(character)
            for character in cut
        )
    )
    return harmless + ("…" if len(shown) > limit else "")


def number(value: float | None) -> str:
    """Three significant digits, the way a person writes them: 0.904, 12.5, 1.7e-4; a dash for a missing number."""
    if value is None or not math.isfinite(value):
        return MISSING
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e5):
        return str(int(value))
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def share(value: float | None) -> str:
    """An accuracy or a rate. Never rounded up to 1: 0.99996 stays 0.99996."""
    if value is None or not math.isfinite(value):
        return MISSING
    if not 1e-3 <= value < 1:
        return number(value)
    digits = max(4, 1 - math.floor(math.log10(1 - value)))
    return f"{value:.{min(12, digits)}f}".rstrip("0")


def interval(bounds: Sequence[float] | None) -> str:
    """``[low, high]``, or a dash."""
    return MISSING if bounds is None else f"[{number(bounds[0])}, {number(bounds[1])}]"


def counted(count: int, noun: str) -> str:
    """``1 claim``, ``2 claims``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def moment(timestamp: str | None) -> str:
    """A UTC time as a person reads it, without parts of a second: ``2025-11-22 15:03:02 UTC``."""
    said = plain(timestamp or MISSING).replace("T", " ", 1).replace("+00:00", "Z").replace("Z", " UTC")
    return _PARTS_OF_A_SECOND.sub(r"\1", said)


def words(name: str) -> str:
    """A field name as words: ``closing_accuracy`` → ``closing accuracy``."""
    return name.replace("_", " ")


def pairs(values: Mapping[str, Json] | None) -> str:
    """A flat mapping on one line: ``sequences 500, kl mean nats 0.03``."""
    if not values:
        return MISSING
    return plain(", ".join(f"{words(name)} {setting(value)}" for name, value in values.items()), 1000)


def setting(value: Json) -> str:
    """A value of a plan, an architecture or a variant on one line."""
    if isinstance(value, Mapping):
        return "{" + pairs(value) + "}" if value else MISSING
    if isinstance(value, (list, tuple)):
        return plain(", ".join(setting(entry) for entry in value)) if value else MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return plain(value)
    return number(value) if isinstance(value, float) else MISSING if value is None else plain(value)


def claim_text(claim: Claim) -> str:
    """What is claimed, with the method where the text does not name it."""
    by = "" if claim.method in claim.text else f" ({plain(claim.method)})"
    return plain(claim.text) + by


def spread(found: RashomonInterval | None) -> str:
    """How far a claim's number goes: on the original, under one equivalence, and over all certified variants."""
    if found is None:
        return MISSING
    return (
        f"{words(plain(found.quantity))} {number(found.original)}, here {interval(found.own)}, "
        f"over {counted(found.variants, 'variant')} {interval(found.overall)}"
    )


def flips(found: FlipRate | None) -> str:
    """On how many variants a claim is false, with the Wilson interval of the rate."""
    return MISSING if found is None else f"{found.flips} of {found.variants} {interval(found.interval)}"


def standing(finding: Finding) -> str:
    """The two facts behind a verdict: whether variants keep the claim, and whether the original resolves it.

    A dash for a report of a version that did not tell them apart.
    """
    if finding.basis is None:
        return MISSING
    kept = {True: "invariant", False: "not invariant", None: "invariance undecided"}[finding.invariant]
    resolved = {True: "resolved in the original", False: "not resolved in the original", None: "undefined"}
    return f"{kept}, {resolved[finding.resolved]}"


def sameness(certificate: Certificate | None, kind: Kind) -> str:
    """How closely a variant computes the function of the original, by its certificate."""
    if certificate is None:
        return "no certificate"
    if certificate.max_abs_log_probability_difference is not None:
        return f"log-probabilities equal to {number(certificate.max_abs_log_probability_difference)}"
    if kind is Kind.EXACT and certificate.max_abs_logit_difference is not None:
        return f"logits equal to {number(certificate.max_abs_logit_difference)}"
    inputs = []
    if certificate.kl_mean_nats is not None:
        inputs.append(f"KL {number(certificate.kl_mean_nats)} nats per token")
    if certificate.disagreement_upper95 is not None:
        inputs.append(f"at most {100 * certificate.disagreement_upper95:.2g} % of decisions differ")
    return ", ".join(inputs) or "certified"


def weakest(certificate: Certificate) -> str:
    """Where two models are furthest apart, row by row; empty where nothing was cut into parts."""
    return "; ".join(worst_bin(row) for row in certificate.rows)


def worst_bin(row: CertificateRow) -> str:
    """One way to cut the inputs into bins, and where the two models are furthest apart by it."""
    said = f"{words(row.inputs)}, {plain(row.by)}: KL ≤ {number(row.kl_upper95_nats)} at {plain(row.kl_at)}"
    if row.disagreement_upper95 is None:
        return said
    return f"{said}, decisions differ ≤ {number(row.disagreement_upper95)} at {plain(row.disagreement_at)}"


def worst_string(found: WorstString | None) -> str:
    """The string on which two models differ most, and by how much; empty where there is none."""
    if found is None:
        return ""
    return (
        f"{plain(found.text)}: mean KL {number(found.kl_nats)} nats, at most {number(found.kl_largest_nats)} at one "
        f"output (position {found.position}), {found.decisions_differ} of {counted(found.decisions, 'decision')} "
        f"differ; the worst of {found.searched:,} strings"
    )


def yardstick(noise: Mapping[str, float] | None) -> str:
    """How far the original is from itself with noise on its weights; empty where it was not measured."""
    return "" if not noise else pairs({name.replace("_at_", " with noise "): value for name, value in noise.items()})


def seeds_apart(variants: Sequence[Variant]) -> str:
    """How far models of other seeds, trained alike, are from the original; empty where the audit made none."""
    said = []
    for variant in variants:
        found = variant.certificate
        if variant.equivalence == FRESH_SEED and found is not None and found.kl_mean_nats is not None:
            longer = "" if found.longer is None else f", longer {number(found.longer.get('kl_mean_nats'))}"
            said.append(f"KL {number(found.kl_mean_nats)} in distribution{longer} ({plain(variant.key)})")
    return f"For comparison, models of another seed trained alike: {'; '.join(said)}." if said else ""


def making(variant: Variant) -> str:
    """How long a variant took to make, or which earlier audit made it."""
    took = MISSING if variant.seconds is None else f"{number(variant.seconds)} s"
    return took if variant.made_by is None else f"{took}, twin of audit {variant.made_by} certified again"


def reuse(variants: Sequence[Variant]) -> str:
    """How many twins earlier audits made; empty when there are none."""
    audits = [variant.made_by for variant in variants if variant.made_by is not None]
    if not audits:
        return ""
    named = ", ".join(dict.fromkeys(audits))
    return f"{counted(len(audits), 'twin')} made by an earlier audit ({plain(named)}), certified again here"


def with_failures(missing: Sequence[Missing]) -> str:
    """That an audit lacks results, and how many cells gave none."""
    return f"It finished with failures: {counted(len(missing), 'cell')} gave no result"


def given_strings(facts: StringsFacts | None) -> str:
    """Which strings of their own an audit was given; empty where they were drawn from the task."""
    if facts is None:
        return ""
    parts = f"{facts.search:,} for search, {facts.interpretation:,} for interpretation, {facts.certificate:,} for "
    return (
        f"on {facts.strings:,} given strings, {facts.distinct:,} distinct ({parts}certificates): {plain(facts.format)} "
        f"file of {facts.size:,} bytes, sha256 {plain(facts.sha256)}"
    )


def _escape(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def calibration(facts: CalibrationFacts | None) -> str:
    """How often the audit's own verdicts are wrong, as measured, or that it was not measured."""
    if facts is None:
        return "error rates not measured with this version and these settings: `dyck-audit calibrate` measures them"
    said = []
    rates = facts.rates
    for name, rate in (("false UNSTABLE", rates.false_unstable), ("false STABLE", rates.false_stable)):
        said.append(f"{name} {_percent(rate.share)} (up to {_percent(rate.interval[1])})")
    said.append(f"undecided {_percent(rates.inconclusive.share)}")
    goals = "" if facts.passed else "; its goals were MISSED"
    return f"calibrated on {plain(facts.created_at)[:10]}: {', '.join(said)}, {facts.cases:,} cases{goals}"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1%}"
