"""gate: exit codes, the table, JUnit, the baseline; on a small model that is audited for the claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from auditor.checkpoints.native_file import save_native
from auditor.interpretations.ablation_head_mean import HeadMeanAblation
from auditor.plans.cells import planned_cells
from auditor.plans.plan import Plan
from auditor.settings import Settings
from auditor.store.audits import get_audit
from auditor.store.lifecycle import Progress, progress
from auditor.store.session import Database
from cli.output import Output
from tests.auditor.small_audits import small_model
from tests.cli.conftest import Ids, Run
from workers.cells import execute

STABLE = '[[claim]]\nname = "mean"\ncomponent = "L0H{mean}"\nmethod = "ablation_head_mean"\nstatement = "top-1"\n'
UNSTABLE = '[[claim]]\nname = "zero"\ncomponent = "L0H{zero}"\nmethod = "ablation_head_zero"\nstatement = "top-1"\n'
UNDECIDED = '[[claim]]\nname = "gone"\ncomponent = "L0H0"\nmethod = "ablation_head_mean"\nstatement = "top-99"\n'
SURVIVES = 'survives = ["exact_value_bias_shift", "exact_head_permutation"]\n'


def compute_here(
    database: Database, _settings: Settings, audit_ids: Sequence[str], _output: Output
) -> dict[str, Progress]:
    """Every cell, one after the other, in this process."""
    found = {}
    for audit_id in audit_ids:
        with database.transaction(read_only=True) as session:
            plan = Plan.from_json(get_audit(session, audit_id).plan)
        for cell in planned_cells(plan, small_model().architecture):
            execute(database, audit_id, cell.key, owner="test")
        with database.transaction(read_only=True) as session:
            found[audit_id] = progress(session, audit_id)
    return found


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.gate.follow", compute_here)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model and a small plan."""
    save_native(small_model(), tmp_path / "model.safetensors")
    (tmp_path / "small.toml").write_text("sequences = 24\nbehaviour_sequences = 20\nlonger_sequences = 4\n")
    return tmp_path


def tops(run: Run, files: Path) -> dict[str, int]:
    """Which head leads by mean and by zero ablation: claims that it is head 0, and see."""
    claims = files / "probe.toml"
    claims.write_text("".join(part.format(mean=0, zero=0) + SURVIVES for part in (STABLE, UNSTABLE)))
    result = run("gate", claims, files / "model.safetensors", "--plan", files / "small.toml", "--json").document
    outcomes = {claim["name"]: claim["outcome"] for claim in result["claims"]}
    return {name: int(outcomes[name] == "false") for name in ("mean", "zero")}


@pytest.mark.usefixtures("_here")
def test_exit_codes_follow_the_worst_primary_claim(run: Run, files: Path) -> None:
    leads, claims = tops(run, files), files / "claims.toml"
    asked = ("gate", claims, files / "model.safetensors", "--plan", files / "small.toml")
    for parts, code in (
        ((STABLE,), 0),
        ((STABLE, UNDECIDED), 4),
        ((STABLE, UNSTABLE, UNDECIDED), 3),
        ((STABLE, UNSTABLE + 'role = "exploratory"\n'), 0),
    ):
        claims.write_text("".join(part.format(**leads) + SURVIVES for part in parts))
        assert run(*asked).code == code
    junit = files / "junit.xml"
    claims.write_text("".join(part.format(**leads) + SURVIVES for part in (STABLE, UNSTABLE, UNDECIDED)))
    result = run(*asked, "--junit", junit, "--github")
    assert "UNSTABLE" in result.stdout
    assert f"::error file={str(claims).replace(',', '%2C')},line=7,title=UNSTABLE::zero: overturned by" in result.stdout
    suite = ElementTree.fromstring(junit.read_bytes())[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")


@pytest.mark.usefixtures("_here")
def test_a_baseline_fails_on_what_was_stable_there_and_is_unstable_now(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two audits mean ablation is broken: it now scores heads by where they stand."""
    leads, claims = tops(run, files), files / "claims.toml"
    claims.write_text(UNSTABLE.format(**leads) + SURVIVES + 'role = "exploratory"\n')
    asked = ("gate", claims, files / "model.safetensors", "--plan", files / "small.toml", "--json")
    claims.write_text(STABLE.format(**leads) + SURVIVES + 'role = "exploratory"\n')
    first = run(*asked).document
    assert first["exit_code"] == 0
    whole = HeadMeanAblation.interpret

    def by_place(*given: object) -> object:
        found = whole(*given)  # type: ignore[arg-type]
        found.values[:] = found.values * 0 + [1.0, 2.0]
        return found

    monkeypatch.setattr(HeadMeanAblation, "interpret", by_place)
    broken = run(*asked, "--seed", 1, "--baseline", first["audit"])
    assert broken.code == 3
    assert broken.document["lost_since_baseline"]


@pytest.mark.usefixtures("_here")
def test_claims_of_every_kind_are_judged_and_what_is_not_there_is_refused_with_its_line(run: Run, files: Path) -> None:
    both = "by ablation_head_mean and by ablation_head_zero"
    stated = {
        "some head": f"< 100 {both}",
        "all heads": f"agree on the top 1 {both}",
        "L0H0": "beats L0H1 by -100 by ablation_head_mean at depth >= 1",
        "L0H1": "backs up L0H0 by -100 by ablation_head_pair_mean",
    }
    claims, model = files / "claims.toml", files / "model.safetensors"
    tables = [f'[[claim]]\ncomponent = "{one}"\nstatement = "{text}"\n' for one, text in stated.items()]
    claims.write_text("".join(table + 'survives = ["exact_head_permutation"]\n' for table in tables))
    found = run("gate", claims, model, "--plan", files / "small.toml", "--json").document["claims"]
    kinds = {claim["component"]: claim["claim"]["kind"] for claim in found}
    assert kinds == {"some head": "existence", "all heads": "agreement", "L0H0": "comparison", "L0H1": "predicate"}
    outcomes = {claim["component"]: claim["outcome"] for claim in found}
    outcomes.pop("all heads")
    assert {*outcomes.values()} == {"stable"}
    claims.write_text(ONE.format("L7H0", "top-1 by ablation_head_mean"))
    assert "claims.toml:1: the model has no layer 7" in run("gate", claims, model).refusal


ONE = '[[claim]]\ncomponent = "{}"\nstatement = "{}"\n'


def test_an_example_is_printed_and_a_gate_without_files_is_usage(run: Run) -> None:
    assert run("gate", "--example").stdout.startswith("# Claims")
    assert run("gate").code == 2


def test_what_cannot_be_gated_is_one_line(run: Run, ids: Ids, files: Path) -> None:
    claims = files / "claims.toml"
    claims.write_text(UNDECIDED)
    assert f"audit {ids.failed} is failed" in run("gate", claims, ids.failed).refusal
    assert run("gate", claims, "azzzzzz").code == 1
    claims.write_text(UNDECIDED + 'model = "another"\n')
    assert "no claim is about model" in run("gate", claims, files / "model.safetensors").refusal
