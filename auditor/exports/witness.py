"""A witness: the variant behind a finding, as files that can be checked without the store.

    original.safetensors   the audited model, in the native format
    twin.safetensors       the variant, in the native format
    witness.json           the finding, the variant with its certificate, plan and seed, versions
    strings                the user's strings that the audit saw, where there are some
    README.txt             what this is and how to check it
    SHA256SUMS             hashes of these, as written by ``sha256sum``

Checking means: the files are what was exported; both models are read; their equality is certified again on freshly
drawn sequences; the method is run again on both; the same claim gets the same effect and the same verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.native_file import native_bytes
from auditor.contracts import Progress, equivalences, silent
from auditor.errors import RecordError, WitnessError
from auditor.exports.sealed_folder import SUMS_FILE, Check, facts_bytes, read_facts, read_sealed, write_sealed
from auditor.exports.sealed_plan import names_with_strings, sealed_plan, strings_files
from auditor.exports.twin import ORIGINAL_FILE, README_FILE, TWIN_FILE, same_function, sameness_text
from auditor.plans.plan import Plan
from auditor.provenance import plugins_named, versions
from auditor.readings import method_named, why_unknown
from auditor.records import (
    BEFORE,
    ORIGINAL,
    RERUN,
    SAME_LENGTH,
    AuditReport,
    Finding,
    Interpretation,
    Json,
    NotApplicable,
    StringsFile,
    Variant,
    VariantState,
    Verdict,
)
from auditor.records.values import group, whole
from auditor.stages.conclude import statistics_of
from auditor.stages.measure import measure
from auditor.verdicts.verdict import findings_of

SCHEMA = "dyck-audit/witness/1"
FACTS_FILE = "witness.json"
SAME_EFFECT = 1e-6
"""Relative difference of two runs of one method on one pair of models: other processors round otherwise."""


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
    strings: StringsFile | None = None,
) -> Path:
    """Write a witness into a new or empty folder and return the folder. ``strings`` are those of the audit's plan.

    Raises:
        WitnessError: the finding compared no variant, or the folder cannot be written.
    """
    variant = next((v for v in report.variants if v.key == finding.worst_variant), None)
    if variant is None:
        raise WitnessError(f"finding {finding.id} compared no variant", action="choose one that is stable or unstable")
    used = plugins_named(methods_used=finding.claim.methods, equivalences_used=(variant.equivalence,))
    facts: dict[str, Json] = {
        "schema": SCHEMA,
        "finding": finding.to_json(),
        "variant": variant.to_json(),
        "plan": report.audit.plan_settings,
        "seed": report.audit.seed,
        "audit": report.audit.id,
        "model": {"id": report.model.id, "name": report.model.name},
        "versions": versions(used),
    }
    files = {
        ORIGINAL_FILE: native_bytes(original),
        TWIN_FILE: native_bytes(twin),
        FACTS_FILE: facts_bytes(facts),
        README_FILE: _readme(finding, variant).encode(),
        **strings_files(strings),
    }
    return write_sealed(directory, files)


def verify_witness(directory: Path, *, progress: Progress = silent) -> VerifiedWitness:
    """Check an exported witness from its files alone.

    Raises:
        WitnessError: a file is missing or not what was exported, or the facts cannot be read.
    """
    progress(0.0, "hashes")
    files = read_sealed(directory, names_with_strings(directory, (ORIGINAL_FILE, TWIN_FILE, FACTS_FILE, README_FILE)))
    facts = read_facts(files[FACTS_FILE], FACTS_FILE, SCHEMA)
    try:
        finding, variant = Finding.from_json(group(facts, "finding")), Variant.from_json(group(facts, "variant"))
        plan, seed = sealed_plan(facts, files, FACTS_FILE), whole(facts, "seed")
    except RecordError as wrong:
        raise WitnessError(f"{FACTS_FILE} cannot be read: {wrong}", expected=f"schema {SCHEMA}") from None
    progress(0.1, "models")
    original, twin = (load(directory / name, format="native").model for name in (ORIGINAL_FILE, TWIN_FILE))
    checks = [Check("files", True, f"{len(files)} files match {SUMS_FILE}")]
    progress(0.2, "certificate")
    checks.append(same_function(original, twin, variant, plan, seed))
    progress(0.6, "method")
    checks += _same_finding(original, twin, finding, variant, plan, seed)
    progress(1.0, "done")
    return VerifiedWitness(finding, tuple(checks))


def _same_finding(
    original: CanonicalTransformer,
    twin: CanonicalTransformer,
    finding: Finding,
    variant: Variant,
    plan: Plan,
    seed: int,
) -> list[Check]:
    """The claim, judged again under this one variant: the same effect, and the same side of the threshold."""
    claim, own = finding.claim, finding.claim.method
    scores: dict[tuple[str, str], Interpretation] = {}
    for name in claim.methods:
        if why_unknown(name):
            raise WitnessError(f"unknown method {name!r}", action="verify with the version named in witness.json")
        again = [(RERUN, original)] if method_named(name).draws_at_random else []
        rewrites = variant.equivalence in equivalences() and equivalences()[variant.equivalence].rewrites
        beside = [(f"{variant.key}/{one}", original) for one in (BEFORE, SAME_LENGTH) if rewrites]
        for key, model in ((ORIGINAL, original), *again, *beside, (variant.key, twin)):
            found = measure(model, plan, seed, name, variant=key)
            if isinstance(found, NotApplicable) and key.endswith(SAME_LENGTH):
                continue
            if isinstance(found, NotApplicable):
                return [Check("method", False, f"not applicable to {key}: {found.reason}")]
            scores[key, name] = found
    certified = replace(variant, state=VariantState.CERTIFIED)
    cards = {name: replace(method_named(name).card, scale_is_free=False) for name in claim.methods}  # claimed again
    settings = replace(statistics_of(plan, seed), claims=(claim.kind,))
    judge = partial(findings_of, "verify", cards, [certified], scores, original=ORIGINAL, settings=settings)
    same = next((f for f in judge() if f.claim.identity == claim.identity), None)
    is_stated = same is None
    if same is None:  # not a claim that is made automatically but one from a file of claims: it is judged as stated
        same = next(iter(judge(claims={own: [claim]})), None)
    if same is None or same.effect is None or finding.effect is None:
        return [Check("claim", False, f"“{finding.claim.text}” cannot be made from the original again")]
    close = math.isclose(same.effect, finding.effect, rel_tol=SAME_EFFECT, abs_tol=SAME_EFFECT)
    verdict = same.verdict is finding.verdict or finding.verdict is Verdict.INCONCLUSIVE
    return [
        _same_claim(same, finding, is_stated=is_stated),
        Check("effect", close, f"{same.effect:.6g}, recorded {finding.effect:.6g}"),
        Check("verdict", verdict, f"{same.verdict}, recorded {finding.verdict} (threshold {finding.threshold:g})"),
    ]


def _same_claim(same: Finding, finding: Finding, *, is_stated: bool) -> Check:
    """Whether the texts of the witness are those that were judged again; of a claim as stated, what was judged."""
    ours, theirs = ((f.claim.text, f.equivalence, f.kind, f.threshold) for f in (same, finding))
    if ours != theirs:
        return Check("claim", False, f"“{same.claim.text}” under {same.equivalence}, recorded “{finding.claim.text}”")
    judged = (
        f", judged as {same.claim.kind} {dict(same.claim.parameters)} of {same.component.label}" if is_stated else ""
    )
    return Check("claim", True, f"“{same.claim.text}” holds for the original{judged}")


def _readme(finding: Finding, variant: Variant) -> str:
    return (
        f"A dyck-audit witness.\n\nClaim:    {finding.claim.text}\n"
        f"Verdict:  {finding.verdict} under {finding.equivalence}\n"
        f"Variant:  {variant.key} ({variant.kind})\n\n"
        f"{sameness_text(variant, FACTS_FILE)}\n"
        "Check everything from these files alone with\n\n    dyck-audit verify <this folder>\n"
    )
