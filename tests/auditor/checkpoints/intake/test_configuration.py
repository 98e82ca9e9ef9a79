"""Descriptions: plain maps of names to values, or an error of one line with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.checkpoints.intake.configuration import configuration_beside, read_configuration
from auditor.errors import CheckpointError, ConfigurationError

REFUSED = {
    "alias_bomb.yaml": b"a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n",
    "merge.yaml": b"a: &a {x: 1}\nb: {<<: *a}\n",
    "code.yaml": b"a: !!python/object/apply:os.system ['touch canary']\n",
    "double.yaml": b"lm:\n  layers: 1\n  layers: 2\n",
    "deep.yaml": b"a: " + b"[" * 49_000 + b"]" * 49_000,
    "levels.yaml": b"a: " + b"[" * 40 + b"1" + b"]" * 40,
    "list.yaml": b"- 1\n- 2\n",
    "empty_document.yaml": b"\n\n",
    "date.yaml": b"a: 2020-01-01\n",
    "not_a_number.yaml": b"a: .nan\n",
    "number_name.yaml": b"1: a\n",
    "truth_name.yaml": b"on: a\n",
    "list_name.yaml": b"[1, 2]: a\n",
    "broken.yaml": b"a: [1,\nb: 2\n",
    "binary.yaml": b"\xff\xfe\x00",
    "control.yaml": b"a: \x00\n",
    "long.yaml": b"a: 1\n" * 50_000,
    "double.json": b'{"a": 1, "a": 2}',
    "nan.json": b'{"a": NaN}',
    "broken.json": b'{"a": 1',
    "deep.json": b'{"a":' * 100_000,
    "digits.json": b'{"a":' + b"9" * 5_000 + b"}",
    "list.json": b"[1]",
    "double.toml": b"[lm]\nlayers = 1\nlayers = 2\n",
    "date.toml": b"a = 2020-01-01\n",
    "not_a_number.toml": b"a = nan\n",
    "deep.toml": b"a = " + b"[" * 49_000 + b"]" * 49_000,
    "long.toml": b"a = 1\n" * 50_000,
    "broken.toml": b"a = [1,\n",
    "notes.txt": b"a: 1",
    "empty.yaml": b"",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_a_plain_description_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(REFUSED[name])
    with pytest.raises(CheckpointError) as caught:
        read_configuration(path)
    assert name in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    assert not Path("canary").exists()


def test_yaml_and_json_give_the_same_facts(tmp_path: Path) -> None:
    yaml, json = tmp_path / "a.yaml", tmp_path / "a.json"
    yaml.write_text(
        "\n\n    lm:\n      layers: 2\n      rate: 1e-2\n      names: [a, b]\n      free: true\n", encoding="utf-8"
    )
    json.write_text('{"lm": {"layers": 2, "rate": "1e-2", "names": ["a", "b"], "free": true}}', encoding="utf-8")
    assert read_configuration(yaml) == read_configuration(json)


def test_a_missing_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"run\.yaml"):
        read_configuration(tmp_path / "run.yaml")


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1", encoding="utf-8")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    with pytest.raises(CheckpointError, match="symbolic link"):
        read_configuration(tmp_path / "b.yaml")


def test_the_description_beside_a_checkpoint_is_found_unless_there_are_two(tmp_path: Path) -> None:
    checkpoint = tmp_path / "lm.v1.params"
    assert configuration_beside(checkpoint) is None
    (tmp_path / "lm.v1.yaml").write_text("a: 1", encoding="utf-8")
    assert configuration_beside(checkpoint) == tmp_path / "lm.v1.yaml"
    (tmp_path / "lm.v1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="--config"):
        configuration_beside(checkpoint)


@pytest.mark.parametrize(
    ("text", "found"), [("", "an empty file; expected a description"), ("# only\n", "nothing in it"), ("- 1", "a list")]
)
def test_a_description_without_facts_is_refused_by_its_kind(text: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=found):
        read_configuration(path)


def test_the_three_file_formats_give_the_same_facts(tmp_path: Path) -> None:
    texts = {
        "m.toml": "[model]\nheads = 2\nnorm_epsilon = 1e-5\n",
        "m.json": '{"model": {"heads": 2, "norm_epsilon": 1e-5}}',
        "m.yaml": "model:\n  heads: 2\n  norm_epsilon: 1.0e-5\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert read_configuration(tmp_path / name) == {"model": {"heads": 2, "norm_epsilon": 1e-5}}


def test_a_folder_is_described_by_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "run-1.5").mkdir()
    (tmp_path / "run-1.toml").write_text("")
    assert configuration_beside(tmp_path / "run-1.5") is None
    (tmp_path / "run-1.5.toml").write_text("")
    assert configuration_beside(tmp_path / "run-1.5") == tmp_path / "run-1.5.toml"
