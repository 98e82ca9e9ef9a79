"""``reproduce``: what it refuses, and a study of one family from training to the page, twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.reproduction import scales, wen2023
from auditor.reproduction.families import FAMILIES
from auditor.reproduction.scales import WEN2023, Scale
from auditor.reproduction.training import trained
from tests.cli.conftest import Run

STEPS = 5


def test_an_unknown_study_or_scale_lists_what_there_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "wen2023 or steinberg2026" in run("reproduce", "wen2022").refusal
    assert "smoke or paper" in run("reproduce", "wen2023", "--scale", "large").refusal
    assert (
        "has no family 'k=9'; expected k=1 or k=2 or k=3" in run("reproduce", "steinberg2026", "--only", "k=9").refusal
    )
    assert not [*tmp_path.glob("reproduction*")]
    taken = tmp_path / "taken"
    taken.write_text("")
    assert "is a file" in run("reproduce", "wen2023", "--out", str(taken)).refusal
    assert "no folder" in run("reproduce", "wen2023", "--out", str(tmp_path / "no" / "where")).refusal


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One family, a few steps, and audits with one twin each."""
    plan = replace(
        WEN2023["smoke"].plan,
        sequences=16,
        certificate_sequences=128,
        behaviour_sequences=64,
        longer_sequences=4,
        methods=("attention_stack_top", "balance_violation_matched", "balance_violation_as_published"),
        equivalences=("exact_query_key_gauge", "behavioural_uniform_attention"),
        twin_steps=2,
    )
    scale = Scale("smoke", 1, 0.0, STEPS, plan, sequences=8, pruned_models=1, pruned_sequences=4)
    monkeypatch.setattr(scales, "STUDIES", {"wen2023": {"smoke": scale}})
    monkeypatch.setattr(wen2023, "FAMILIES", {"balance_acc": FAMILIES["balance_acc"]})


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_study_runs_to_its_page_and_a_second_run_extends_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = run("reproduce", "wen2023", "--out", str(out))
    assert first.code == 0, first.stderr
    assert "numbers lie in the band" in first.stdout
    document = json.loads((out / "reproduction.json").read_text("utf-8"))
    assert [line["name"] for line in document["models"]] == ["wen2023-smoke/balance_acc/seed0"]
    assert {path.suffix for path in out.iterdir()} == {".html", ".json", ".svg", ".png"}

    seeds: list[int] = []

    def watched(cohort, missing, folder, **how):  # type: ignore[no-untyped-def]
        seeds.extend(missing)
        return trained(cohort, missing, folder, **how)

    monkeypatch.setattr("workers.reproducing.trained", watched)
    second = run("reproduce", "wen2023", "--seeds", "2", "--out", str(out), "--json")
    assert second.code == 0, second.stderr
    assert seeds == [1]
    again = {line["name"]: line["audit"] for line in second.document["models"]}
    assert len(again) == 2
    for line in document["models"]:
        assert again[line["name"]] == line["audit"]
    assert len(run("history", "--json").document["audits"]) == 2
