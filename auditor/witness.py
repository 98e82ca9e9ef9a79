"""A witness: the variant behind a finding, as files that anybody can check without the store that made them.

    original.safetensors   the audited model, in the native format
    twin.safetensors       the variant, in the native format
    witness.json           the finding, the variant with its certificate, plan and seed, versions
    README.txt             what this is and how to check it
    SHA256SUMS             hashes of the four, as written by ``sha256sum``

Checking means: the files are what was exported; both models are read; their equality is certified again on freshly
drawn sequences; the method is run again on both; the same claim gets the same effect and the same verdict.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.native_file import native_bytes
from auditor.contracts import Progress, methods, silent
from auditor.errors import AuditorError, WitnessError
from auditor.intake.detection import load
from auditor.intake.file_checks import read_plain_file
from auditor.pipeline import certify, equivalence_of, measure
from auditor.plans import Plan, foreign_plan
from auditor.provenance import versions
from auditor.records import (
    ORIGINAL,
    AuditReport,
    Certificate,
    Finding,
    Json,
    Kind,
    Variant,
    VariantState,
    Verdict,
)
from auditor.stability.verdict import Settings, findings_of

SCHEMA = "dyck-audit/witness/1"
ORIGINAL_FILE, TWIN_FILE, FACTS_FILE, README_FILE = (
    "original.safetensors",
    "twin.safetensors",
    "witness.json",
    "README.txt",
)
SUMS_FILE = "SHA256SUMS"
LARGEST_FILE = 512 * 1024 * 1024
SAME_EFFECT = 1e-6
"""Relative difference of two runs of one method on one pair of models: other processors round otherwise."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, and what was seen."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerifiedWitness:
    """What was checked, and the finding it was about."""

    finding: Finding
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def export_witness(
    directory: Path,
    *,
    report: AuditReport,
    finding: Finding,
    original: CanonicalTransformer,
    twin: CanonicalTransformer,
) -> Path:
    """Write a witness into a new or empty folder and return the folder.

    Raises:
        WitnessError: the finding compared no variant, or the folder cannot be written.
    """
    variant = next((v for v in report.variants if v.key == finding.worst_variant), None)
    if variant is None:
        raise WitnessError(f"finding {finding.id} compared no variant", action="choose one that is stable or unstable")
    facts: dict[str, Json] = {
        "schema": SCHEMA,
        "finding": finding.to_json(),
        "variant": variant.to_json(),
        "plan": report.audit["plan_settings"],
        "seed": report.audit["seed"],
        "audit": report.audit["id"],
        "model": {"id": report.model["id"], "name": report.model["name"]},
        "versions": versions(),
    }
    files = {
        ORIGINAL_FILE: native_bytes(original),
        TWIN_FILE: native_bytes(twin),
        FACTS_FILE: (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode(),
        README_FILE: _readme(finding, variant).encode(),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (directory / name).write_bytes(data)
        (directory / SUMS_FILE).write_text(_sums(files), encoding="ascii")
    except OSError as failed:
        raise WitnessError(f"cannot write {directory}: {failed.strerror}", action="choose another folder") from None
    return directory


def verify_witness(directory: Path, *, progress: Progress = silent) -> VerifiedWitness:
    """Check an exported witness from its files alone.

    Raises:
        WitnessError: a file is missing or not what was exported, or the facts cannot be read.
    """
    progress(0.0, "hashes")
    files = _unchanged_files(directory)
    facts = _facts(files[FACTS_FILE])
    try:
        finding, variant = Finding.from_json(facts["finding"]), Variant.from_json(facts["variant"])
        plan, seed = foreign_plan(facts["plan"], FACTS_FILE), int(facts["seed"])
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise WitnessError(f"{FACTS_FILE} cannot be read: {wrong}", expected=f"schema {SCHEMA}") from None
    progress(0.1, "models")
    original, twin = (load(directory / name, format="native").model for name in (ORIGINAL_FILE, TWIN_FILE))
    checks = [Check("files", True, f"{len(files)} files match {SUMS_FILE}")]
    progress(0.2, "certificate")
    checks.append(_same_function(original, twin, variant, plan, seed))
    progress(0.6, "method")
    checks += _same_finding(original, twin, finding, variant, plan, seed)
    progress(1.0, "done")
    return VerifiedWitness(finding, tuple(checks))


def _same_function(
    original: CanonicalTransformer, twin: CanonicalTransformer, variant: Variant, plan: Plan, seed: int
) -> Check:
    again = certify(original, twin, equivalence_of(variant.key), plan, seed)
    return Check("certificate", again.passed, _certificate_text(again, variant.kind))


def _certificate_text(again: Certificate, kind: Kind) -> str:
    if not again.passed:
        return "; ".join(again.failures)
    if again.max_abs_log_probability_difference is not None:
        return f"max|Δlog p| {again.max_abs_log_probability_difference:.2g} on {again.sequences} sequences"
    if kind is Kind.EXACT:
        return f"max|Δlogit| {again.max_abs_logit_difference:.2g} on {again.sequences} sequences"
    return (
        f"mean KL {again.kl_mean_nats:.2g} nats per token, disagreement ≤ {again.disagreement_upper95 or 0:.2%} "
        f"(95 % bound), {again.sequences} sequences"
    )


def _same_finding(
    original: CanonicalTransformer,
    twin: CanonicalTransformer,
    finding: Finding,
    variant: Variant,
    plan: Plan,
    seed: int,
) -> list[Check]:
    """The claim, judged again under this one variant: the same effect, and the same side of the threshold."""
    name = finding.claim.method
    if name not in methods():
        raise WitnessError(f"unknown method {name!r}", action="verify with the version named in witness.json")
    scores = {}
    for key, model in ((ORIGINAL, original), (variant.key, twin)):
        found = measure(model, plan, seed, name, variant=key)
        if isinstance(found, str):
            return [Check("method", False, f"not applicable to {key}: {found}")]
        scores[key, name] = found
    settings = Settings(draws=plan.bootstrap_draws, alpha=plan.alpha, seed=seed)
    certified = replace(variant, state=VariantState.CERTIFIED)
    cards = {name: methods()[name].card}
    again = findings_of("verify", cards, [certified], scores, original=ORIGINAL, settings=settings)
    about = (finding.claim.kind, finding.claim.component)
    same = next((f for f in again if (f.claim.kind, f.claim.component) == about), None)
    if same is None or same.effect is None or finding.effect is None:
        return [Check("claim", False, f"“{finding.claim.text}” cannot be made from the original again")]
    close = math.isclose(same.effect, finding.effect, rel_tol=SAME_EFFECT, abs_tol=SAME_EFFECT)
    verdict = same.verdict is finding.verdict or finding.verdict is Verdict.INCONCLUSIVE
    return [
        _same_claim(same, finding),
        Check("effect", close, f"{same.effect:.6g}, recorded {finding.effect:.6g}"),
        Check("verdict", verdict, f"{same.verdict}, recorded {finding.verdict} (threshold {finding.threshold:g})"),
    ]


def _same_claim(same: Finding, finding: Finding) -> Check:
    """What the witness says in words is what was judged again."""
    ours, theirs = ((f.claim.text, f.equivalence, f.kind, f.threshold) for f in (same, finding))
    if ours != theirs:
        return Check("claim", False, f"“{same.claim.text}” under {same.equivalence}, recorded “{finding.claim.text}”")
    return Check("claim", True, f"“{same.claim.text}” holds for the original")


def _unchanged_files(directory: Path) -> Mapping[str, bytes]:
    """The exported files, after each hash was compared with SHA256SUMS."""
    names = (ORIGINAL_FILE, TWIN_FILE, FACTS_FILE, README_FILE)
    if not directory.is_dir():
        raise WitnessError(f"no folder {directory}", expected="what `dyck-audit witness` wrote")
    files = {name: _read(directory, name) for name in names}
    recorded = _read(directory, SUMS_FILE).decode("ascii", errors="replace")
    if recorded == _sums(files):
        return files
    for line in _sums(files).splitlines():
        if line not in recorded.splitlines():
            name = line.split("  ", 1)[1]
            raise WitnessError(
                f"{directory / name} is not the file that was exported: its SHA-256 is not the one in {SUMS_FILE}",
                action="export the witness again",
            )
    raise WitnessError(f"{directory / SUMS_FILE} has been changed", action="export the witness again")


def _read(directory: Path, name: str) -> bytes:
    try:
        return read_plain_file(directory / name, limit=LARGEST_FILE, missing=WitnessError)
    except AuditorError as refused:
        raise WitnessError(refused.found, expected=refused.expected, action="export the witness again") from None


def _facts(data: bytes) -> Mapping[str, Json]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as wrong:
        raise WitnessError(f"{FACTS_FILE} is not JSON: {wrong}") from None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise WitnessError(
            f"{FACTS_FILE} of another schema", expected=SCHEMA, action="verify with the version that wrote it"
        )
    return facts


def _sums(files: Mapping[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))


def _readme(finding: Finding, variant: Variant) -> str:
    return (
        f"A dyck-audit witness.\n\nClaim:    {finding.claim.text}\n"
        f"Verdict:  {finding.verdict} under {finding.equivalence}\n"
        f"Variant:  {variant.key} ({variant.kind})\n\n"
        f"{ORIGINAL_FILE} and {TWIN_FILE} compute the same function in the sense of the certificate in {FACTS_FILE}.\n"
        "Check everything from these files alone with\n\n    dyck-audit verify <this folder>\n"
    )
