"""models list, show, export: one function under several names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.native_file import save_native
from auditor.fingerprint.function import function_fingerprint
from auditor.fingerprint.projection import COORDINATES
from auditor.fingerprint.sketch import Sketch, label
from auditor.store.functions import Function, functions
from auditor.symmetries.gauge_fixing.canonical_form import canonicalise
from tests.cli.conftest import MODEL, Ids, Run
from tests.handmade import random_model

TWIN_LABEL = 1e-5
"""Within the tolerance, but in another cell of the label's grid."""


def text(value: float) -> str:
    return Sketch("0" * 16, (value,) * COORDINATES).text


def test_models_of_one_function_carry_the_oldest_ones_label() -> None:
    edge = 1 + 0.5 * 2.0**-11 + TWIN_LABEL / 2
    models = [("old", text(edge - TWIN_LABEL)), ("unknown", None), ("other", text(2.0)), ("new", text(edge))]
    assert label(text(edge)) != label(text(edge - TWIN_LABEL))
    shown = label(text(edge - TWIN_LABEL))
    found = functions(models)
    assert found == {
        "old": Function("old", shown, ("old", "new")),
        "unknown": Function("unknown", None, ("unknown",)),
        "other": Function("other", label(text(2.0)), ("other",)),
        "new": Function("new", shown, ("old", "new")),
    }
    assert (found["old"].shared_with, found["other"].shared_with) == (("new",), ())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A model in float32, the same function in its canonical weights, and another function."""
    model = random_model(dtype=torch.float32)
    models: dict[str, CanonicalTransformer] = {
        "first": model,
        "twin": canonicalise(model).clone(dtype=torch.float32),
        "other": random_model(seed=1),
    }
    for name, one in models.items():
        save_native(one, tmp_path / f"{name}.safetensors")
    first, twin, other = (tmp_path / f"{name}.safetensors" for name in models)
    return first, twin, other


def test_two_uploads_of_one_function_are_recognised(run: Run, files: tuple[Path, Path, Path]) -> None:
    run("submit", files[2], files[0], files[1])
    listed = {model["name"]: model for model in run("models", "list", "--json").document["models"]}
    first, twin, other = (listed[file.stem] for file in files)
    assert first["same_function_as"] == [twin["id"]]
    assert twin["same_function_as"] == [first["id"]]
    assert other["same_function_as"] == []
    assert first["function"] == twin["function"] != other["function"]
    table = run("models", "list").stdout
    assert table.count(first["function"]) == 2
    assert table.count(first["id"]) == 2
    assert run("models", "list", "--limit", 1, "--json").document["models"][0]["same_function_as"]


def test_the_history_shows_and_finds_the_audits_of_one_function(run: Run, files: tuple[Path, Path, Path]) -> None:
    run("submit", files[2], files[0], files[1])
    audits = {audit["model_name"]: audit for audit in run("history", "--json").document["audits"]}
    first, twin, other = (audits[file.stem] for file in files)
    assert first["function"] == twin["function"] != other["function"]
    assert run("history").stdout.count(first["function"]) == 2
    for named in (first["function"], first["function"][:6], "first", twin["model_id"]):
        found = run("history", "--function", named, "--json").document["audits"]
        assert {audit["id"] for audit in found} == {first["id"], twin["id"]}
    assert "unknown function 'third'" in run("history", "--function", "third").refusal


def test_a_model_is_shown_with_the_others_of_its_function(run: Run, files: tuple[Path, Path, Path]) -> None:
    run("submit", *files)
    result = run("models", "show", "twin", "--json").document
    first = run("models", "show", "first", "--json").document
    assert result["same_function_as"] == [first["id"]]
    assert result["function_fingerprint"] == function_fingerprint(load(files[1]).model)
    shown = run("models", "show", "twin").stdout
    assert first["id"] in shown
    assert result["function"] in shown
    assert result["function_fingerprint"] not in shown


def test_a_model_without_a_fingerprint_is_listed_with_dashes(run: Run, ids: Ids) -> None:
    (listed,) = run("models", "list", "--json").document["models"]
    assert (listed["function"], listed["same_function_as"]) == (None, [])
    assert MODEL in run("models", "list").stdout


def test_the_canonical_form_is_exported(run: Run, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run("submit", files[0])
    out = tmp_path / "form.safetensors"
    result = run("models", "export", "first", "--canonical", "--out", out)
    assert result.stdout == f"{out}\n"
    assert "max|Δlogit| = " in result.stderr
    written, expected = load(out).model.state_dict(), canonicalise(load(files[0]).model).state_dict()
    assert all(torch.equal(written[name], expected[name]) for name in expected)
