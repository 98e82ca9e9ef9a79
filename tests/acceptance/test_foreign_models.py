"""One model of every checkpoint format, and a bracket classifier, from file to findings through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from auditor import zoo
from auditor.contracts import adapters
from auditor.settings import Settings
from tests.acceptance.command_line import TINY_PLAN, document, run
from tests.foreign import MAKERS
from tests.foreign.bracket_classifier import bracket_classifier, strings
from tests.foreign.files import save
from tests.wen2023_files import checkpoint

PLAN = f"""{TINY_PLAN}
methods = ["ablation_head_zero", "attention_pattern"]
equivalences = ["exact_key_bias_shift", "exact_value_bias_shift"]
"""


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """No broker and no server: everything in a home of its own."""
    return Settings(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'audits.sqlite3'}", None)


@pytest.fixture
def examples(tmp_path: Path) -> dict[str, Path]:
    """A checkpoint of every format, its description beside it."""
    found = {name: save(make(0), tmp_path / name).checkpoint for name, make in MAKERS.items()}
    found["native"] = shutil.copy(zoo.path("dyck2x4-2layer-2head"), tmp_path / "native.safetensors")
    found["wen2023"] = checkpoint("balance_acc_baseline_seed0")
    return found


def test_every_format_is_audited(local: Settings, examples: dict[str, Path], tmp_path: Path) -> None:
    plan = tmp_path / "tiny.toml"
    plan.write_text(PLAN)
    assert set(examples) == set(adapters())
    reports = document(local, "submit", *map(str, examples.values()), "--plan", str(plan), "--wait")
    assert [report["model"]["format"] for report in reports] == list(examples)
    for report in reports:
        assert report["audit"]["state"] == "done"
        assert report["findings"]


def test_a_bracket_classifier_of_transformer_lens(local: Settings, tmp_path: Path) -> None:
    """Trained here; inspected with its source's own numbers, asked for the class of strings, and audited."""
    source, plan = bracket_classifier(), tmp_path / "tiny.toml"
    plan.write_text(PLAN)
    tokens, classes = strings(64, seed=5)  # what the source was asked, too
    saved = save(source, tmp_path)
    seen = document(local, "inspect", str(saved.checkpoint), "--reference", str(saved.reference))
    assert seen["format"] == "transformer_lens"
    assert (seen["architecture"]["read_out"], seen["architecture"]["classes"]) == (0, 2)
    assert seen["parity"]["compared"] == len(tokens)
    spelled = ["".join("()"[t - 3] for t in row.tolist() if t > 2) for row in tokens]
    file = tmp_path / "strings.txt"
    file.write_text("\n".join(spelled) + "\n")
    said = run(local, "predict", str(saved.checkpoint), "--strings", str(file)).stdout.splitlines()
    records = [json.loads(line) for line in said]
    assert [record["complete"] for record in records] == classes.bool().tolist()
    expected = source.logits(tokens).softmax(-1)
    for record, row in zip(records, expected, strict=True):  # strings of one length run unpadded here
        assert record["classes"] == pytest.approx(row.tolist(), abs=1e-4)
    report = document(
        local, "submit", str(saved.checkpoint), "--reference", str(saved.reference), "--plan", str(plan), "--wait"
    )
    assert report["audit"]["state"] == "done"
    assert {finding["method"] for finding in report["findings"]} >= {"ablation_head_zero"}
