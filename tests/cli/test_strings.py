"""--strings on the real command line: a bundled model, files in each format, and bad ones with nothing stored."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from auditor import load, zoo
from auditor.canonical.model import CanonicalTransformer
from auditor.plans.cells import planned_cells
from auditor.plans.plan import Plan
from auditor.settings import Settings
from auditor.store.audits import get_audit
from auditor.store.lifecycle import Progress, progress
from auditor.store.session import Database
from cli.output import Output
from tests.cli.conftest import Run
from workers.cells import execute

pytestmark = pytest.mark.slow

BUNDLED = "dyck2x4-2layer-2head"
CLASSIFIER = "dyck2x4-3layer-classifier"
PLAN = """
sequences = 8
certificate_sequences = 120
behaviour_sequences = 50
longer_sequences = 4
bootstrap_draws = 1999
methods = ["ablation_head_mean"]
equivalences = ["exact_head_permutation"]
"""
ENOUGH = 160


def _model(name: str) -> CanonicalTransformer:
    return load(zoo.path(name))


def _strings(name: str, count: int = ENOUGH, seed: int = 0) -> list[str]:
    """Distinct strings that the model's task draws, spelled."""
    task = _model(name).task
    given = task.draw(20 * count, np.random.default_rng(seed))
    rows = zip(given.tokens.tolist(), given.lengths.tolist(), strict=True)
    texts = dict.fromkeys(" ".join(task.language.vocabulary.decode(row[1:length])) for row, length in rows)
    return list(texts)[:count]


def _here(
    database: Database, _settings: Settings, audit_ids: Sequence[str], _output: Output, _workers: object = None
) -> dict[str, Progress]:
    """Every cell, one after the other, in this process, as a worker does them."""
    found = {}
    for audit_id in audit_ids:
        with database.transaction(read_only=True) as session:
            plan = Plan.from_json(get_audit(session, audit_id).plan)
        for cell in planned_cells(plan, _model(BUNDLED).architecture):
            execute(database, audit_id, cell.key, owner=f"test {cell.key}")
        with database.transaction(read_only=True) as session:
            found[audit_id] = progress(session, audit_id)
    return found


@pytest.fixture
def _computed(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("submit", "gate"):
        monkeypatch.setattr(f"cli.{command}.follow", _here)
    monkeypatch.setattr("cli.submit.workers_here", lambda *_, **__: nullcontext())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a small plan and a file of strings that are enough for it."""
    (tmp_path / "small.toml").write_text(PLAN)
    (tmp_path / "mine.txt").write_text("\n".join(_strings(BUNDLED)) + "\n")
    return tmp_path


@pytest.mark.usefixtures("_computed")
def test_an_audit_of_a_users_strings_end_to_end(run: Run, files: Path, tmp_path: Path) -> None:
    """Submitted, computed from the stored bytes, reported, compared, and its witness checked from the files alone."""
    asked = ("submit", BUNDLED, "--plan", files / "small.toml", "--wait", "--json")
    report = run(*asked, "--strings", files / "mine.txt").document
    facts = report["audit"]["strings"]
    data = (files / "mine.txt").read_bytes()
    assert (facts["size"], facts["strings"], facts["distinct"]) == (len(data), ENOUGH, ENOUGH)
    assert facts["sha256"] == report["audit"]["plan_settings"]["strings"]["sha256"]
    assert (facts["search"], facts["interpretation"], facts["certificate"]) == (20, 20, 120)
    assert report["variants"][0]["certificate"]["sequences"] == 120
    assert "of the given strings" in report["behaviour"]["scored"]
    (files / "mine.txt").unlink()
    drawn = run(*asked).document
    first, second = report["audit"]["id"], drawn["audit"]["id"]
    assert run("diff", first, second, "--json").document["other_strings"] is True
    assert "different strings (sha256 " in run("diff", first, second).stdout
    assert run("diff", first, first, "--json").document["other_strings"] is False
    for form in ("html", "markdown"):
        assert facts["sha256"] in run("report", first, "--format", form).stdout.replace("\\", "")
    finding = next(one for one in report["findings"] if one["equivalence"] == "exact_head_permutation")
    assert run("witness", f"{first}/{finding['id']}", "--out", tmp_path / "w").code == 0
    assert (tmp_path / "w" / "strings").read_bytes() == data
    checked = run("verify", tmp_path / "w")
    assert checked.code == 0, checked.stderr
    (tmp_path / "w" / "strings").unlink()
    assert "SHA256SUMS" in run("verify", tmp_path / "w").refusal


def test_the_strings_are_part_of_what_an_audit_is_found_again_by(run: Run, files: Path) -> None:
    other = files / "other.txt"
    other.write_text("\n".join(reversed(_strings(BUNDLED))))
    table = files / "m.csv"
    table.write_text(
        f"checkpoint,plan,strings\n{BUNDLED},small.toml,mine.txt\n{BUNDLED},small.toml,other.txt\n"
        f"{BUNDLED},small.toml,\n{BUNDLED},small.toml,none.txt\n"
    )
    first, again = (run("batch", table, "--json").document for _ in range(2))
    assert first["summary"] == {"submitted": 3, "already there": 0, "failed": 1}
    assert again["summary"] == {"submitted": 0, "already there": 3, "failed": 1}
    assert "none.txt: No such file" in first["entries"][3]["result"]
    assert len({entry["audit"] for entry in first["entries"]}) == 4
    (files / "none.txt").write_text("\n".join(_strings(BUNDLED)))
    given = run("batch", table, "--strings", other, "--json").document
    assert given["summary"] == {"submitted": 1, "already there": 3, "failed": 0}
    assert given["entries"][2]["audit"] == first["entries"][1]["audit"]


def test_a_twin_carries_the_strings_that_it_is_certified_on(run: Run, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    asked = ("twin", BUNDLED, "--equivalence", "exact_head_permutation", "--plan", files / "small.toml", "--out", out)
    made = run(*asked, "--strings", files / "mine.txt", "--json").document
    assert made["variant"]["certificate"]["sequences"] == 120
    assert (out / "strings").read_bytes() == (files / "mine.txt").read_bytes()
    assert run("verify", out).code == 0
    facts = json.loads((out / "certificate.json").read_text())
    assert facts["plan"]["strings"]["size"] == (files / "mine.txt").stat().st_size


@pytest.mark.usefixtures("_computed")
def test_claims_are_judged_on_the_users_strings(run: Run, files: Path) -> None:
    claims = files / "claims.toml"
    claims.write_text(
        '[[claim]]\nname = "leads"\ncomponent = "L0H0"\nmethod = "ablation_head_mean"\nstatement = "top-1"\n'
        'survives = ["exact_head_permutation"]\n'
    )
    asked = ("gate", claims, BUNDLED, "--plan", files / "small.toml", "--strings", files / "mine.txt", "--json")
    judged = run(*asked)
    audit = judged.document["audit"]
    assert run("show", audit, "--json").document["report"]["audit"]["strings"]["distinct"] == ENOUGH
    refused = run("gate", claims, audit, "--strings", files / "mine.txt")
    assert refused.code == 2
    assert "--strings is for a checkpoint" in refused.stderr


def test_a_classifier_is_measured_by_the_labels_of_the_file(run: Run, tmp_path: Path) -> None:
    """Turning every label round turns the accuracy round."""
    texts, accuracies = _strings(CLASSIFIER, 60), []
    words = [run_class(text) for text in texts]
    for flipped in (False, True):
        table = tmp_path / f"{flipped}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerows(
                [("string", "label"), *((t, int(w != flipped)) for t, w in zip(texts, words, strict=True))]
            )
        found = run("inspect", CLASSIFIER, "--strings", table, "--json").document
        assert found["strings"]["labelled"]
        assert "by the classes that were given" in found["behaviour"]["scored"]
        accuracies.append(found["behaviour"]["in_distribution"]["accuracy"])
    assert sum(accuracies) == pytest.approx(1.0)
    assert max(accuracies) > 0.9


def run_class(text: str) -> bool:
    """Whether a string is a word, by taking pairs out of it."""
    body = text.removesuffix("END").replace(" ", "")
    while (shorter := body.replace("(aa)", "").replace("(bb)", "")) != body:
        body = shorter
    return not body


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "(a a)\n(a b)\n", "a.txt: line 2: 'b)' at position 2 does not close the last open bracket"),
        ("a.txt", "(a a)\n(q q)\n", "a.txt: line 2: unknown token '(q' at position 0; expected brackets (a (b a) b)"),
        ("a.txt", "(a a) END\n(c c) END\n", "a.txt: line 2: unknown token '(c'"),
        ("a.csv", "string,label\n(a a),1\n", "a.csv: line 2: a label; expected none, as a language model"),
        ("a.csv", "sentence\n(a a)\n", "a.csv: CSV: no column string"),
        ("a.tsv", "string\tweight\n(a a)\t-1\n", "a.tsv: line 2: weight -1"),
        ("a.jsonl", '{"string": "(a a)"}\n{"text": 1}\n', "a.jsonl: line 2: {'text': 1}"),
        ("a.json", '[["(a a)", null],\n["(a"]]', "a.json: line 2: ['(a']"),
        ("a.txt", "(a a)\n", "a.txt: 1 distinct strings; expected at least 158 for the plan small"),
        ("a.txt", "", "a.txt: no strings"),
    ],
)
@pytest.mark.parametrize("command", ["submit", "twin", "batch"])
def test_a_bad_file_is_one_line_and_nothing_is_stored(
    run: Run, files: Path, command: str, name: str, text: str, words: str
) -> None:
    (files / name).write_text(text)
    asked: dict[str, tuple[object, ...]] = {
        "submit": ("submit", BUNDLED),
        "twin": ("twin", BUNDLED, "--equivalence", "exact_head_permutation", "--out", files / "out"),
        "batch": ("batch", files / "m.csv"),
    }
    (files / "m.csv").write_text(f"checkpoint\n{BUNDLED}\n")
    refused = run(*asked[command], "--plan", files / "small.toml", "--strings", files / name)
    assert refused.code == 1
    assert words in refused.refusal
    assert run("history", "--json").document == {"audits": [], "next": None}
    assert run("models", "list", "--json").document == {"models": []}
    assert not (files / "out").exists()


def test_inspect_refuses_what_a_model_cannot_be_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(["(a a)", 7]))
    refused = run("inspect", CLASSIFIER, "--strings", tmp_path / "a.jsonl")
    assert (refused.code, refused.stdout) == (1, "")
    assert "a.jsonl: line 1: label 7; expected a class from 0 to 1" in refused.refusal


def test_predict_reads_the_same_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("string\n(a\n(a (b\n")
    (tmp_path / "a.txt").write_text("(a\n(a (b\n")
    table, text = (run("predict", BUNDLED, "--strings", tmp_path / name).stdout for name in ("a.csv", "a.txt"))
    assert table == text
    assert len(text.splitlines()) == 2
    (tmp_path / "a.csv").write_text("string\n(x\n")
    assert "line 2: unknown token" in run("predict", BUNDLED, "--strings", tmp_path / "a.csv").refusal
