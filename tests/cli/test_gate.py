"""gate: exit codes, the table, JUnit, the baseline; on a small model that is audited for the claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.native_file import save_native
from auditor.contracts import Request, TransformRequest, methods
from auditor.interpretations.ablation_head_mean import HeadMeanAblation
from auditor.plans.cells import planned_cells
from auditor.plans.plan import Plan
from auditor.records import Claim
from auditor.seeds import numpy_generator
from auditor.settings import Settings
from auditor.store.audits import get_audit
from auditor.store.lifecycle import Progress, progress
from auditor.store.results import load_variant
from auditor.store.session import Database, open_database
from cli.output import Output
from tests.auditor.small_audits import small_model
from tests.cli.conftest import DATABASE, Ids, Run
from workers.cells import execute
from workers.conclusion import load_results

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


def _swapped(
    request: TransformRequest, _claim: Claim, *, is_far: bool
) -> tuple[CanonicalTransformer, dict[str, object]]:
    """In the place of an attack: the two heads of the only layer change places, and no output changes."""
    assert not is_far
    twin = request.model.clone()
    attention = twin.attentions[0]
    with torch.no_grad():
        for weight in (attention.W_Q, attention.W_K, attention.W_V):  # [model, head, width]
            weight.copy_(weight.flip(1))
        for weight in (attention.b_Q, attention.b_K, attention.b_V, attention.W_O):  # [head, …]
            assert weight is not None
            weight.copy_(weight.flip(0))
    return twin, {"spent_steps": 3, "budget_steps": request.parameters["steps"]}


@pytest.mark.usefixtures("_here")
def test_a_claim_that_an_attack_overturns_is_a_finding_with_a_witness_and_its_twin_is_made_once(
    run: Run, home: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.equivalences.behavioural_adversarial_method.attack", _swapped)
    norms = methods()["weights_ov_norm"]
    inputs = draw_inputs(small_model().task, 2, numpy_generator(0, "norms"))
    leads = int(norms.interpret(Request(small_model(), inputs, numpy_generator(0, "norms"))).values.argmax())
    claims, plan = files / "claims.toml", files / "attack.toml"
    claims.write_text(ONE.format(f"L0H{leads}", "top-1 by weights_ov_norm") + 'survives = ["exact_head_permutation"]\n')
    plan.write_text("sequences = 24\nbehaviour_sequences = 20\nlonger_sequences = 4\ncertificate_sequences = 600\n")
    asked = ("gate", claims, files / "model.safetensors", "--plan", plan, "--json")
    assert run(*asked).code == 0
    first = run(*asked, "--attack", "--budget", 60)
    (found,) = first.document["claims"]
    assert (first.code, found["outcome"]) == (3, "unstable"), found["reason"]
    audit, finding, variant = first.document["audit"], found["attack"]["finding"]["id"], found["attack"]["variant"]
    assert variant.get("made_by") is None
    listed = run("findings", "--audit", audit, "--verdict", "unstable", "--json").document["findings"]
    assert [one["id"] for one in listed] == [finding]
    for number, folder in enumerate((found["attack"]["witness"], tmp_path / "w")):
        if number:
            assert run("witness", finding, "--out", folder).code == 0
        verified = run("verify", folder, "--json").document
        assert verified["passed"], verified["checks"]
        assert verified["finding"]["id"] == finding
    assert run("gate", claims, audit, "--json").code == 0  # the audit itself stays as it was
    database = open_database(f"sqlite:///{home / DATABASE}")
    with database.transaction(read_only=True) as session:
        assert load_variant(session, audit, listed[0]["worst_variant"]).certificate is not None
        assert {one.equivalence for one in load_results(session, audit).variants} == {"exact_head_permutation"}
    database.dispose()
    (again,) = run(*asked, "--attack", "--budget", 60).document["claims"]
    assert again["attack"]["variant"]["made_by"] == audit
    assert again["attack"]["finding"] == found["attack"]["finding"]
    (other,) = run(*asked, "--attack", "--budget", 61).document["claims"]
    assert other["attack"]["variant"].get("made_by") is None


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
