"""A twin with its certificate: chosen by parameter, written whole, re-established from its files alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.checkpoints.native_file import native_bytes
from auditor.errors import AuditorError, PlanError, WitnessError
from auditor.exports.sealed_folder import write_sealed
from auditor.exports.twin import export_twin, is_twin_folder, make_twin, verify_twin
from auditor.plans.own_strings import with_strings
from auditor.records import VariantState
from auditor.stages.build import Built, build
from auditor.strings.reading import strings_of
from tests.auditor.small_audits import PLAN, small_model
from tests.handmade import random_model

SMALL = replace(PLAN, equivalences=("exact_value_bias_shift", "input_bracket_relabelling"))
FILES = ("README.txt", "certificate.json", "original.safetensors", "twin.safetensors")


def _made(name: str = "exact_value_bias_shift", **chosen: str) -> Built:
    return make_twin(small_model(), name, SMALL, 0, chosen=chosen)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certified twin; not to be edited."""
    folder = tmp_path_factory.mktemp("twin") / "t"
    return export_twin(folder, original=small_model(), built=_made(), plan=SMALL, name="small")


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may tamper with."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_without_a_choice_it_is_the_first_variant_of_an_audit() -> None:
    ours, theirs = _made(), build(small_model(), SMALL, 0, "exact_value_bias_shift/0")
    assert ours.model is not None
    assert theirs.model is not None
    assert native_bytes(ours.model) == native_bytes(theirs.model)
    assert replace(ours.variant, seconds=None) == replace(theirs.variant, seconds=None)


def test_parameters_choose_the_variant() -> None:
    assert _made(target="L0H1").variant.parameters["target"] == "L0H1"
    assert _made(shift="random").variant.parameters == {"shift": "random"}


@pytest.mark.parametrize("chosen", [{"target": "L7H0"}, {"colour": "red"}, {"shift": "random", "target": "L0H1"}])
def test_a_variant_that_does_not_exist_is_refused_with_those_that_do(chosen: dict[str, str]) -> None:
    with pytest.raises(PlanError, match=r"shift=random\|worst_case, target=L0H0\|L0H1"):
        _made(**chosen)


def test_an_unknown_equivalence_is_refused() -> None:
    with pytest.raises(PlanError, match="unknown equivalence 'nonsense'"):
        _made("nonsense")


def test_a_certified_twin_is_re_established(exported: Path) -> None:
    found = verify_twin(exported)
    assert found.passed, found.checks
    assert [check.name for check in found.checks] == ["files", "certificate", "recorded"]
    assert found.variant.state is VariantState.CERTIFIED
    assert sorted(path.name for path in exported.iterdir()) == sorted((*FILES, "SHA256SUMS"))
    assert is_twin_folder(exported)
    assert not is_twin_folder(exported.parent)


def test_a_twin_that_is_not_certified_is_written_with_the_reason(tmp_path: Path) -> None:
    built = _made("input_bracket_relabelling")
    assert built.variant.state is VariantState.NOT_CERTIFIED
    written = export_twin(tmp_path / "t", original=small_model(), built=built, plan=SMALL, name="small")
    assert "NOT certified" in (written / "README.txt").read_text(encoding="utf-8")
    found = verify_twin(written)
    assert not found.passed
    assert {check.name: check.passed for check in found.checks} == {
        "files": True,
        "certificate": False,
        "recorded": True,
    }


def test_a_twin_without_a_model_is_not_written(tmp_path: Path) -> None:
    built = replace(_made(), model=None)
    with pytest.raises(WitnessError, match="has no model"):
        export_twin(tmp_path / "t", original=small_model(), built=built, plan=SMALL, name="small")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_changed_or_missing_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WitnessError, match=name):
        verify_twin(folder)
    path.unlink()
    with pytest.raises(WitnessError, match=name):
        verify_twin(folder)


def _sum_again(folder: Path) -> None:
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(FILES)]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")


def test_another_function_in_the_place_of_the_twin_is_found(folder: Path) -> None:
    (folder / "twin.safetensors").write_bytes(native_bytes(random_model(small_model().architecture, seed=1)))
    _sum_again(folder)
    assert [check.name for check in verify_twin(folder).checks if not check.passed] == ["certificate", "recorded"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda facts: facts.update(schema="other"), "another schema"),
        (lambda facts: facts.pop("variant"), "cannot be read"),
        (lambda facts: facts["plan"].update(certificate_sequences=10**12), "certificate_sequences"),
        (lambda facts: facts["variant"].update(id="nonsense/0"), "unknown equivalence"),
    ],
)
def test_facts_that_make_no_sense_are_refused(folder: Path, edit: Callable[[dict[str, Any]], None], words: str) -> None:
    path = folder / "certificate.json"
    facts = json.loads(path.read_text())
    edit(facts)
    path.write_text(json.dumps(facts))
    _sum_again(folder)
    with pytest.raises((WitnessError, PlanError), match=words):
        verify_twin(folder)


def test_a_falsified_certificate_is_found(tmp_path: Path) -> None:
    built = _made("input_bracket_relabelling")
    folder = export_twin(tmp_path / "t", original=small_model(), built=built, plan=SMALL, name="small")
    path = folder / "certificate.json"
    facts = json.loads(path.read_text())
    facts["variant"]["certificate"]["kl_mean_nats"] /= 2
    path.write_text(json.dumps(facts))
    _sum_again(folder)
    assert "recorded" in {check.name for check in verify_twin(folder).checks if not check.passed}


def test_strings_travel_with_the_twin_and_must_be_those_of_the_plan(tmp_path: Path) -> None:
    texts = [a * n + b for a in ("(a a)", "(b b)") for b in ("", "(b b)(a a)", "(b (a a) b)") for n in range(1, 30)]
    strings = strings_of(texts)
    model = small_model()
    plan = with_strings(replace(SMALL, certificate_sequences=120), model, strings, "s")
    built = make_twin(model, "exact_value_bias_shift", plan, 0, chosen={})
    written = export_twin(tmp_path / "t", original=model, built=built, plan=plan, name="small")
    assert (written / "strings").read_bytes() == strings.data
    assert verify_twin(written).passed
    files = {path.name: path.read_bytes() for path in written.iterdir() if path.name != "SHA256SUMS"}
    write_sealed(written, {**files, "strings": files["strings"] + b"(a a)\n"})
    with pytest.raises(WitnessError, match=r"certificate.json names strings with the SHA-256 .*beside it"):
        verify_twin(written)
    facts = json.loads(files["certificate.json"])
    for change, words in (({"format": "xml"}, "no format of strings 'xml'"), ({"sha256": 3}, "cannot be read")):
        named = {**facts["plan"]["strings"], **change, "data": 10**12}
        changed = {**facts, "plan": {**facts["plan"], "strings": named}}
        write_sealed(written, {**files, "certificate.json": json.dumps(changed).encode()})
        with pytest.raises(AuditorError, match=words):
            verify_twin(written)
    (written / "strings").unlink()
    with pytest.raises(WitnessError, match="SHA256SUMS"):
        verify_twin(written)
