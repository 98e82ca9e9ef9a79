"""The example package: installed beside this one, it keeps its laws, is listed and is used by whole audits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auditor.settings import Settings
from tests.acceptance.command_line import TINY_PLAN, document, run
from tests.acceptance.worker_process import ROOT

EXAMPLE = ROOT / "tests" / "data" / "example_plugin"
PACKAGE = {"package": "bracket-plugins", "package_version": "1.2.0"}
METHOD, EQUIVALENCE, FORMAT = "attention_distance", "exact_value_rescaling", "stacked_attention"
PLAN = f"""{TINY_PLAN}
methods = ["ablation_head_mean", "{METHOD}"]
equivalences = ["exact_head_permutation", "{EQUIVALENCE}"]
"""
HEADS, WIDTH, TOKENS = 2, 6, 8


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's folder, in which it may be built."""
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("example") / "package"))


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    """The folder that the package is installed into, without a network."""
    target = source.parent / "site"
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", target, source], check=True)
    return target


@pytest.fixture(autouse=True)
def _installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(site), str(ROOT))))


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """No broker and no server: everything in a home of its own."""
    return Settings(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'audits.sqlite3'}", None)


def test_it_keeps_its_laws_and_known_answers(source: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "6 passed" in ended.stdout


def test_it_is_listed_with_its_package_and_version(local: Settings) -> None:
    for command, name in (("methods", METHOD), ("equivalences", EQUIVALENCE)):
        rows = {row["name"]: row for row in document(local, command)[command]}
        assert PACKAGE.items() <= rows.pop(name).items()
        assert {row["package"] for row in rows.values()} == {"dyck-audit"}
    lines = run(local, "inspect", "--formats").stdout.splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith(FORMAT)] == [["bracket-plugins", "1.2.0"]]
    found = document(local, "methods", "--oracle")["oracle"]
    assert found["weights_o_norm"][EQUIVALENCE] == "changes"
    assert found["ablation_head_zero"][EQUIVALENCE] == "invariant"
    assert found[METHOD]["exact_head_splitting"] == "relabelled"


def test_an_audit_uses_all_three_and_names_their_package(local: Settings, tmp_path: Path) -> None:
    """Method and equivalence in worker processes, the format when the file is read."""
    (tmp_path / "plan.toml").write_text(PLAN)
    report = document(local, "submit", str(_checkpoint(tmp_path)), "--plan", str(tmp_path / "plan.toml"), "--wait")
    assert report["model"]["format"] == FORMAT
    versions = report["audit"]["versions"]
    assert versions["plugins"] == {"bracket-plugins": "1.2.0"}
    assert versions["methods"][METHOD] == versions["equivalences"][EQUIVALENCE] == 1
    found = {(one["method"], one["equivalence"]): (one["expected"], one["invariant"]) for one in report["findings"]}
    assert found[METHOD, EQUIVALENCE] == found["ablation_head_mean", EQUIVALENCE] == ("invariant", True)
    assert found[METHOD, "exact_head_permutation"] == ("relabelled", True)


def _checkpoint(folder: Path) -> Path:
    seed = torch.Generator().manual_seed(0)
    shapes = {"table": (TOKENS, WIDTH), "maps": (2, 4, WIDTH, WIDTH), "head": (WIDTH, TOKENS)}
    file = folder / "stacked.safetensors"
    save_file({name: torch.randn(shape, generator=seed) for name, shape in shapes.items()}, file)
    facts = {"model": {"heads": HEADS}, "vocabulary": {"brackets": 2}, "task": {"depth": 3, "max_length": 8}}
    file.with_suffix(".json").write_text(json.dumps(facts))
    return file
