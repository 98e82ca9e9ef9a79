"""A twin: one function-preserving variant of a model with its certificate, as files that can be checked alone.

    original.safetensors   the model, in the native format
    twin.safetensors       the variant, in the native format
    certificate.json       the variant with its certificate, plan and seed, versions
    strings                the user's strings that it was made and certified on, where there are some
    README.txt             what this is and how to check it
    SHA256SUMS             hashes of these, as written by ``sha256sum``

A twin that missed its certificate is written too; the check reports that again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.native_file import native_bytes
from auditor.contracts import Progress, silent
from auditor.errors import PlanError, RecordError, WitnessError
from auditor.exports.sealed_folder import SUMS_FILE, Check, facts_bytes, read_facts, read_sealed, write_sealed
from auditor.exports.sealed_plan import names_with_strings, sealed_plan, strings_files
from auditor.plans.cells import VariantRequest
from auditor.plans.plan import Plan
from auditor.provenance import plugins_named, versions
from auditor.records import Certificate, Json, Kind, Variant
from auditor.records.values import group, whole
from auditor.report.wording import weakest, worst_string
from auditor.stages.build import Built, make
from auditor.stages.certify import certify, equivalence_of

SCHEMA = "dyck-audit/twin/1"
ORIGINAL_FILE, TWIN_FILE, README_FILE = "original.safetensors", "twin.safetensors", "README.txt"
FACTS_FILE = "certificate.json"

MOST_CHOICES = 64
"""Variants of one equivalence among which a choice is looked for."""

SAME_NUMBER = 1e-3
"""Relative difference of two runs of one certificate on one pair of models: other processors round otherwise."""


@dataclass(frozen=True, slots=True)
class VerifiedTwin:
    """What was checked, and the variant it was about."""

    variant: Variant
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def make_twin(
    model: CanonicalTransformer,
    equivalence: str,
    plan: Plan,
    seed: int,
    *,
    chosen: Mapping[str, str],
    progress: Progress = silent,
) -> Built:
    """One variant with its certificate; ``chosen`` picks among the variants of the equivalence, by parameter.

    Raises:
        PlanError: no such equivalence, or no variant of it with these parameters.
    """
    return make(model, plan, seed, _request(model, equivalence, chosen), progress=progress)


def _request(model: CanonicalTransformer, equivalence: str, chosen: Mapping[str, str]) -> VariantRequest:
    plugin = equivalence_of(equivalence)
    choices = plugin.choices(model.architecture, MOST_CHOICES)
    for index, parameters in enumerate(choices):
        if all(name in parameters and str(parameters[name]) == value for name, value in chosen.items()):
            return VariantRequest(f"{plugin.name}/{index}", plugin.name, plugin.kind, parameters)
    if not chosen:
        raise PlanError(f"{plugin.name} makes no variant of this architecture")
    raise PlanError(
        f"{plugin.name} has no variant with {', '.join(f'{name}={value}' for name, value in chosen.items())}",
        expected=_known(choices) or "no parameters",
        action="see `dyck-audit equivalences`",
    )


def _known(choices: Sequence[Mapping[str, Json]]) -> str:
    """Every parameter and its values, as they are typed."""
    values: dict[str, dict[str, None]] = {}
    for parameters in choices:
        for name, value in parameters.items():
            values.setdefault(name, {})[str(value)] = None
    return ", ".join(f"{name}={'|'.join(found)}" for name, found in values.items())


def export_twin(directory: Path, *, original: CanonicalTransformer, built: Built, plan: Plan, name: str) -> Path:
    """Write a twin, certified or not, into a new or empty folder and return the folder.

    Raises:
        WitnessError: there is no twin, or the folder cannot be written.
    """
    if built.model is None:
        raise WitnessError(f"{built.variant.key} has no model: {built.variant.reason}")
    facts: dict[str, Json] = {
        "schema": SCHEMA,
        "variant": built.variant.to_json(),
        "plan": plan.to_json(),
        "seed": built.variant.seed,
        "model": name,
        "versions": versions(plugins_named(equivalences_used=(built.variant.equivalence,))),
    }
    files = {
        ORIGINAL_FILE: native_bytes(original),
        TWIN_FILE: native_bytes(built.model),
        FACTS_FILE: facts_bytes(facts),
        README_FILE: _readme(built.variant, name).encode(),
        **strings_files(plan.strings),
    }
    return write_sealed(directory, files)


def is_twin_folder(directory: Path) -> bool:
    """Whether a folder holds a twin rather than the witness of a finding."""
    return (directory / FACTS_FILE).is_file()


def verify_twin(directory: Path, *, progress: Progress = silent) -> VerifiedTwin:
    """Check an exported twin from its files alone.

    Raises:
        WitnessError: a file is missing or not what was exported, or the facts cannot be read.
    """
    progress(0.0, "hashes")
    files = read_sealed(directory, names_with_strings(directory, (ORIGINAL_FILE, TWIN_FILE, FACTS_FILE, README_FILE)))
    facts = read_facts(files[FACTS_FILE], FACTS_FILE, SCHEMA)
    try:
        variant, seed = Variant.from_json(group(facts, "variant")), whole(facts, "seed")
        plan = sealed_plan(facts, files, FACTS_FILE)
    except RecordError as wrong:
        raise WitnessError(f"{FACTS_FILE} cannot be read: {wrong}", expected=f"schema {SCHEMA}") from None
    progress(0.1, "models")
    original, twin = (load(directory / name, format="native").model for name in (ORIGINAL_FILE, TWIN_FILE))
    progress(0.2, "certificate")
    again = certify(original, twin, equivalence_of(variant.key), plan, seed)
    checks = (
        Check("files", True, f"{len(files)} files match {SUMS_FILE}"),
        Check("certificate", again.passed, certificate_text(again, variant.kind)),
        _same_numbers(again, variant),
    )
    progress(1.0, "done")
    return VerifiedTwin(variant, checks)


def same_function(
    original: CanonicalTransformer, twin: CanonicalTransformer, variant: Variant, plan: Plan, seed: int
) -> Check:
    """The certificate of a variant, established again."""
    again = certify(original, twin, equivalence_of(variant.key), plan, seed)
    return Check("certificate", again.passed, certificate_text(again, variant.kind))


def certificate_text(again: Certificate, kind: Kind) -> str:
    """How equal two models are, or what their certificate misses."""
    if not again.passed:
        return "; ".join(again.failures)
    if again.max_abs_log_probability_difference is not None:
        return f"max|Δlog p| {again.max_abs_log_probability_difference:.2g} on {again.sequences} sequences"
    if kind is Kind.EXACT:
        return f"max|Δlogit| {again.max_abs_logit_difference:.2g} on {again.sequences} sequences"
    return (
        f"mean KL {again.kl_mean_nats:.2g} nats per token, disagreement ≤ {again.disagreement_upper95 or 0:.2%} "
        f"(95 % bound), {again.sequences} sequences"
        + (f"; worst string {worst}" if (worst := worst_string(again.worst_string)) else "")
    )


def sameness_text(variant: Variant, facts_file: str) -> str:
    """What the two models of a folder have in common, for its README."""
    if variant.kind is Kind.INPUT:
        return (
            f"{TWIN_FILE} decides on the inputs that {variant.equivalence} rewrites as {ORIGINAL_FILE} does on the\n"
            f"inputs before, in the sense of the certificate in {facts_file}."
        )
    return (
        f"{ORIGINAL_FILE} and {TWIN_FILE} compute the same function in the sense of the certificate in {facts_file}."
        + _weak_places(variant.certificate)
    )


def _weak_places(certificate: Certificate | None) -> str:
    """Where the two models are furthest apart, in words; empty where nothing was looked at part by part."""
    if certificate is None or not certificate.rows:
        return ""
    worst = worst_string(certificate.worst_string)
    places = "".join(f"\n  {text}" for text in weakest(certificate).split("; "))
    return f"\n\nFurthest apart:{places}" + (f"\n  worst string: {worst}" if worst else "") + "\n"


def _same_numbers(again: Certificate, variant: Variant) -> Check:
    """Whether the certificate is found again as recorded; exact variants differ by rounding only."""
    recorded = variant.certificate
    if recorded is None:
        return Check("recorded", False, f"{FACTS_FILE} has no certificate")
    if recorded.passed is not again.passed:
        return Check("recorded", False, f"recorded as {'passed' if recorded.passed else 'not passed'}")
    ours, theirs = again.kl_mean_nats or 0.0, recorded.kl_mean_nats or 0.0
    close = math.isclose(ours, theirs, rel_tol=SAME_NUMBER, abs_tol=1e-12)
    return Check("recorded", close, f"mean KL {ours:.4g} nats per token, recorded {theirs:.4g}")


def _readme(variant: Variant, name: str) -> str:
    state = "certified" if variant.certificate is not None and variant.certificate.passed else "NOT certified"
    shared = sameness_text(variant, FACTS_FILE) if state == "certified" else f"Missed margins: {variant.reason}"
    return (
        f"A dyck-audit twin of {name}.\n\nVariant:  {variant.key} ({variant.kind}), {state}\n\n{shared}\n"
        "Check everything from these files alone with\n\n    dyck-audit verify <this folder>\n"
    )
