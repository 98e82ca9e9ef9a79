"""``submit --explain``: it stores nothing, counts second runs, and knows the twins that earlier audits made."""

from __future__ import annotations

from pathlib import Path

from auditor.checkpoints.native_file import save_native
from auditor.store.session import open_database
from tests.auditor.small_audits import small_model
from tests.cli.conftest import DATABASE, Run
from workers.cells import execute
from workers.owners import new_owner

PLAN = """
sequences = 8
certificate_sequences = 600
methods = ["weights_ov_norm", "attribution_head_shapley"]
equivalences = ["behavioural_fp16"]
"""


def test_it_knows_the_twins_of_earlier_audits(run: Run, home: Path, tmp_path: Path) -> None:
    save_native(small_model(), tmp_path / "model.safetensors")
    (tmp_path / "mine.toml").write_text(PLAN)
    command = ("submit", tmp_path / "model.safetensors", "--plan", tmp_path / "mine.toml")
    before = run(*command, "--explain", "--json").document
    assert not (home / DATABASE).exists(), "a forecast stores nothing"
    assert (before["second_runs"], before["kept_twins"]) == (1, 0)
    (audit,) = run(*command, "--json").document["audits"]
    database = open_database(f"sqlite:///{home / DATABASE}")
    execute(database, audit["id"], "build/behavioural_fp16/0", owner=new_owner())
    database.dispose()
    after = run(*command, "--explain", "--json").document
    assert (after["second_runs"], after["kept_twins"], after["cells"]) == (1, 1, before["cells"])
    result = run(*command, "--explain").stderr
    assert "1 twin is kept from earlier audits" in result
    assert "1 method draws at random" in result
