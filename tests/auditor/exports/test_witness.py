"""A witness re-establishes its finding from its files, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.native_file import native_bytes
from auditor.contracts import TransformRequest, equivalences
from auditor.errors import AuditorError, WitnessError
from auditor.exports.witness import export_witness, verify_witness
from auditor.pipeline import audit
from auditor.records import AuditReport, Finding, Verdict
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from tests.auditor.small_audits import PLAN, small_model
from tests.handmade import inputs_for, random_model

SMALL = replace(
    PLAN,
    methods=("ablation_head_zero", "ablation_head_mean"),
    equivalences=("exact_value_bias_shift", "exact_head_permutation"),
    claims=("rank", "value"),
)
FILES = ("original.safetensors", "twin.safetensors", "witness.json", "README.txt")


@pytest.fixture(scope="module")
def report() -> AuditReport:
    """One small audit of two methods under two equivalences."""
    return audit(small_model(), SMALL)


def _finding(report: AuditReport, verdict: Verdict, kind: str = "rank") -> Finding:
    return next(f for f in report.findings if f.verdict is verdict and f.claim.kind == kind)


def _export(report: AuditReport, finding: Finding, folder: Path) -> Path:
    assert finding.worst_variant is not None
    twin = build(small_model(), SMALL, 0, finding.worst_variant).model
    assert twin is not None
    return export_witness(folder, report=report, finding=finding, original=small_model(), twin=twin)


@pytest.fixture(scope="module")
def exported(report: AuditReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The witness of an overturned ranking; not to be edited."""
    return _export(report, _finding(report, Verdict.UNSTABLE), tmp_path_factory.mktemp("witness") / "w")


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may tamper with."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


@pytest.mark.parametrize(("verdict", "kind"), [(Verdict.UNSTABLE, "rank"), (Verdict.STABLE, "value")])
def test_a_finding_is_re_established_from_the_files_alone(
    report: AuditReport, tmp_path: Path, verdict: Verdict, kind: str
) -> None:
    finding = _finding(report, verdict, kind)
    found = verify_witness(_export(report, finding, tmp_path / "w"))
    assert found.passed, found.checks
    assert found.finding == finding
    assert {check.name for check in found.checks} == {"files", "certificate", "claim", "effect", "verdict"}
    assert all(check.detail for check in found.checks)


def test_the_sums_are_those_of_sha256sum(exported: Path) -> None:
    lines = (exported / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{hashlib.sha256((exported / name).read_bytes()).hexdigest()}  {name}" for name in sorted(FILES)]


def test_the_files_are_models_and_json(exported: Path) -> None:
    for name in FILES[:2]:
        assert load(exported / name).model.architecture == small_model().architecture
    facts = json.loads((exported / "witness.json").read_text())
    assert facts["schema"] == "dyck-audit/witness/1"
    assert facts["finding"]["verdict"] == "unstable"


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_one_changed_byte_is_found_and_its_file_named(folder: Path, name: str, where: float) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    data[int(where * len(data)) if where >= 0 else -1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WitnessError, match=name):
        verify_witness(folder)


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_missing_or_cut_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WitnessError, match=name):
        verify_witness(folder)
    path.unlink()
    with pytest.raises(WitnessError, match=name):
        verify_witness(folder)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="no folder"):
        verify_witness(tmp_path / "nothing")


def _sum_again(folder: Path) -> None:
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(FILES)]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")


def _failed(folder: Path) -> set[str]:
    found = verify_witness(folder)
    assert not found.passed
    return {check.name for check in found.checks if not check.passed}


def test_the_original_in_the_place_of_the_twin_has_no_effect(folder: Path) -> None:
    shutil.copy(folder / "original.safetensors", folder / "twin.safetensors")
    _sum_again(folder)
    assert {"effect", "verdict"} <= _failed(folder)


def test_another_function_in_the_place_of_the_twin_has_no_certificate(folder: Path) -> None:
    other = random_model(small_model().architecture, seed=1)
    (folder / "twin.safetensors").write_bytes(native_bytes(other))
    _sum_again(folder)
    assert "certificate" in _failed(folder)


def test_another_true_variant_in_the_place_of_the_twin_has_another_effect(folder: Path) -> None:
    model = small_model()
    made = equivalences()["exact_value_bias_shift"].transform(
        TransformRequest(model, inputs_for(model), numpy_generator(9, "other"), parameters={"shift": "random"})
    )
    (folder / "twin.safetensors").write_bytes(native_bytes(made.model))
    _sum_again(folder)
    assert "effect" in _failed(folder)


def _edit_facts(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "witness.json"
    facts = json.loads(path.read_text())
    edit(facts)
    path.write_text(json.dumps(facts))
    _sum_again(folder)


def test_an_exaggerated_effect_is_found(folder: Path) -> None:
    _edit_facts(folder, lambda facts: facts["finding"].update(effect=facts["finding"]["effect"] * 1.01))
    assert _failed(folder) == {"effect"}


def test_a_changed_verdict_is_found(folder: Path) -> None:
    _edit_facts(folder, lambda facts: facts["finding"].update(verdict="stable"))
    assert _failed(folder) == {"verdict"}


@pytest.mark.parametrize(
    "change",
    [{"equivalence": "exact_head_permutation"}, {"kind": "behavioural"}, {"threshold": 0.5}, {"claim": {"text": "so"}}],
)
def test_other_words_around_the_same_numbers_are_found(folder: Path, change: dict[str, Any]) -> None:
    def edit(facts: dict[str, Any]) -> None:
        for name, value in change.items():
            old = facts["finding"][name]
            facts["finding"][name] = {**old, **value} if isinstance(value, dict) else value

    _edit_facts(folder, edit)
    assert _failed(folder) == {"claim"}


def test_another_seed_is_another_witness(folder: Path) -> None:
    _edit_facts(folder, lambda facts: facts.update(seed=1))
    assert "effect" in _failed(folder)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda facts: facts.update(schema="other"), "another schema"),
        (lambda facts: facts.pop("finding"), "cannot be read"),
        (lambda facts: facts.pop("seed"), "cannot be read"),
        (lambda facts: facts["finding"].update(verdict="perhaps"), "cannot be read"),
        (lambda facts: facts["finding"].update(method="nonsense"), "unknown method 'nonsense'"),
        (lambda facts: facts["plan"].update(extra=1), "unknown field 'extra'"),
        (lambda facts: facts.update(finding=[]), "cannot be read"),
        (lambda facts: facts["plan"].update(certificate_sequences=0), "certificate_sequences = 0"),
    ],
)
def test_facts_that_make_no_sense_are_refused(folder: Path, edit: Callable[[dict[str, Any]], None], words: str) -> None:
    _edit_facts(folder, edit)
    with pytest.raises(AuditorError, match=words):
        verify_witness(folder)


@pytest.mark.parametrize(
    ("field", "value"), [("sequences", 10**12), ("bootstrap_draws", "many"), ("methods", ["no_such_method"])]
)
def test_a_plan_from_an_untrusted_file_is_bounded(folder: Path, field: str, value: object) -> None:
    def edit(facts: dict[str, Any]) -> None:
        facts["plan"][field] = value

    _edit_facts(folder, edit)
    with pytest.raises(AuditorError, match=field if field != "methods" else "no_such_method"):
        verify_witness(folder)


def test_json_that_is_none_is_refused(folder: Path) -> None:
    for text in ("{", "[]", "[" * 100_000):
        (folder / "witness.json").write_text(text)
        _sum_again(folder)
        with pytest.raises(WitnessError, match=r"witness\.json"):
            verify_witness(folder)


def test_a_finding_without_a_variant_has_no_witness(report: AuditReport, tmp_path: Path) -> None:
    lost = replace(_finding(report, Verdict.UNSTABLE), worst_variant=None)
    with pytest.raises(WitnessError, match="compared no variant"):
        export_witness(tmp_path, report=report, finding=lost, original=small_model(), twin=small_model())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_refused(report: AuditReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WitnessError, match="cannot write"):
        _export(report, _finding(report, Verdict.UNSTABLE), tmp_path / "file" / "w")
