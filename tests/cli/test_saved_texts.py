"""Texts as other programs save them, through the commands that take them: each reads as its plain twin does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from auditor.gate.claims_file import read_claims
from auditor.plans.plan import read_plan
from cli.manifest import read_manifest
from tests.cli.conftest import Run
from tests.foreign import MAKERS
from tests.foreign.files import save

pytestmark = pytest.mark.slow

SAVED: dict[str, Callable[[str], bytes]] = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "mark and CRLF": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "UTF-16": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
}
"""As editors of Windows and macOS save, and PowerShell redirects."""

PLAN = 'base = "quick"\nsequences = 32\nmethods = ["attention_pattern"]\n'
CLAIMS = '[[claim]]\ncomponent = "L1H0"\nmethod = "ablation_head_zero"\nstatement = "top-1"\n'
MANIFEST = '[[audit]]\ncheckpoint = "model.pt"\nname = "ü"\n'


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A checkpoint with nothing beside it, and the facts of its description."""
    saved = save(MAKERS["torch_encoder"](0), tmp_path_factory.mktemp("encoder"))
    facts = yaml.safe_load(saved.config.read_text())
    saved.config.unlink()
    return saved.checkpoint, facts


def _as_toml(facts: dict[str, object]) -> str:
    lines = [
        f"{name}.{key} = {json.dumps(value)}"
        for name, inner in facts.items()
        if isinstance(inner, dict)
        for key, value in inner.items()
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("form", ["toml", "json", "yaml"])
def test_a_description(run: Run, tmp_path: Path, encoder: tuple[Path, dict[str, object]], how: str, form: str) -> None:
    checkpoint, facts = encoder
    forms = {"toml": _as_toml, "json": lambda f: json.dumps(f, indent=1), "yaml": yaml.safe_dump}
    shown = []
    for name, saved in (("plain", str.encode), ("other", SAVED[how])):
        file = tmp_path / f"{name}.{form}"
        file.write_bytes(saved(forms[form](facts)))
        shown.append(run("inspect", checkpoint, "--config", file, "--no-behaviour", "--json").document)
    assert shown[0] == shown[1]


@pytest.mark.parametrize("how", SAVED)
def test_a_plan_claims_and_a_manifest(tmp_path: Path, how: str) -> None:
    for folder, saved in (("plain", str.encode), ("other", SAVED[how])):
        (tmp_path / folder).mkdir()
        for name, text in (("plan.toml", PLAN), ("claims.toml", CLAIMS), ("batch.toml", MANIFEST)):
            (tmp_path / folder / name).write_bytes(saved(text))
    plain, other = tmp_path / "plain", tmp_path / "other"
    assert read_plan(str(plain / "plan.toml")) == read_plan(str(other / "plan.toml"))
    assert read_claims(plain / "claims.toml").entries == read_claims(other / "claims.toml").entries
    assert [entry.name for entry in read_manifest(other / "batch.toml")] == ["ü"]


@pytest.mark.parametrize("how", SAVED)
def test_a_manifest_of_a_spreadsheet(tmp_path: Path, how: str) -> None:
    for name, text in (
        ("m.csv", "checkpoint;seed;name\nmodel.pt;3;ü\n"),
        ("m.TSV", "checkpoint\tseed\tname\nmodel.pt\t3\tü\n"),
    ):
        (tmp_path / name).write_bytes(SAVED[how](text))
        (entry,) = read_manifest(tmp_path / name)
        assert (entry.where, entry.checkpoint, entry.seed, entry.name) == ("line 2", str(tmp_path / "model.pt"), 3, "ü")


@pytest.mark.parametrize("how", SAVED)
def test_a_file_of_strings(run: Run, tmp_path: Path, how: str) -> None:
    for name, saved in (("plain", str.encode), ("other", SAVED[how])):
        (tmp_path / name).write_bytes(saved("(a a)\n\n(a\n"))
    plain, other = (run("predict", "dyck2x4-2layer-2head", "--strings", tmp_path / name) for name in ("plain", "other"))
    assert plain.code == 0
    assert plain.stdout == other.stdout


WRONG = {
    "latin-1": 'name = "ä"\n'.encode("latin-1"),
    "a zip": b"PK\x03\x04\x00\x00\x00\x00",
    "nested": b"a = " + b"[" * 5_000,
    "half a mark": b"\xef\xbba = 1",
    "empty": b"",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_file_is_one_line_and_stores_nothing(run: Run, home: Path, tmp_path: Path, name: str) -> None:
    model = "zoo:dyck2x4-2layer-2head"
    for ending in ("toml", "csv", "tsv"):
        (tmp_path / f"file.{ending}").write_bytes(WRONG[name])
    file = tmp_path / "file.toml"
    asked: list[tuple[object, ...]] = [
        ("gate", file, model),
        *(("batch", tmp_path / f"file.{e}") for e in ("toml", "csv", "tsv")),
    ]
    if name != "empty":  # an empty plan is the quick one
        asked.append(("submit", model, "--plan", file))
    for arguments in asked:
        refused = run(*arguments)
        assert (refused.code, refused.stdout) == (1, "")
        assert "expected" in refused.refusal
        assert "file." in refused.refusal
        assert "unexpected" not in refused.refusal
    assert not home.exists()
