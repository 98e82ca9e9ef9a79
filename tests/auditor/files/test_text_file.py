"""Text of any program: byte order marks, line ends, separators; and what is no text is refused in one line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from auditor.errors import PlanError
from auditor.files.csv_table import Row, read_table
from auditor.files.text_file import decoded, lines_of, read_text, read_toml

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
ENDS = ("\n", "\r\n", "\r")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ENDS)
def test_one_text_however_it_was_saved(encoding: str, end: str) -> None:
    text = "a = 'ü'\n[b]\nc = 1\n"
    data = text.replace("\n", end).encode(encoding)
    assert decoded(data) == text
    assert list(lines_of(io.BufferedReader(io.BytesIO(data)))) == text.splitlines()  # type: ignore[arg-type]
    assert read_toml(decoded(data), "f", PlanError, expected="TOML") == {"a": "ü", "b": {"c": 1}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ä".encode("latin-1"), "line 1 is not UTF-8 text (byte 0xe4); expected a plan in UTF-8"),
        (b"a\nb\n\xff", "line 3 is not UTF-8"),
        (b"PK\x03\x04\x00\x00", "zero bytes"),
        (b"\xff\xfea", "utf-16"),
        (b"a" * 101, "more than 100 bytes"),
    ],
)
def test_what_is_no_text_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(data)
    with pytest.raises(PlanError) as refused:
        read_text(file, PlanError, expected="a plan", limit=100)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "a\0b"):
        with pytest.raises(PlanError, match="expected a plan; check the path"):
            read_text(path, PlanError, expected="a plan")


@pytest.mark.parametrize("text", ["a = ", "a = " + "[" * 5_000, "a = 1\na = 2"])
def test_what_is_no_toml_is_one_line(text: str) -> None:
    with pytest.raises(PlanError, match=r"^p.toml: .*; expected TOML; see the help$"):
        read_toml(text, "p.toml", PlanError, expected="TOML", action="see the help")


TABLES = {
    "commas": "checkpoint,config,seed\na b.pt,c.toml,3\nd.pt,,\n",
    "semicolons": "checkpoint;config;seed\na b.pt;c.toml;3\nd.pt;;\n",
    "tabs": "checkpoint\tconfig\tseed\na b.pt\tc.toml\t3\nd.pt\t\t\n",
    "blanks after commas": "checkpoint, config, seed\na b.pt, c.toml, 3\nd.pt, , \n",
    "blanks around": " checkpoint ; config ; seed\n a b.pt ; c.toml ; 3 \n d.pt ; ; \n",
    "quotes": '"checkpoint";"config";"seed"\n"a b.pt";"c.toml";"3"\n"d.pt";"";""\n',
    "quotes after blanks": 'checkpoint, "config", seed\n"a b.pt", "c.toml", 3\n"d.pt", "", \n',
    "empty columns": "checkpoint;config;seed;;;\na b.pt;c.toml;3;;;\nd.pt;;;;;\n",
    "capitals": "Checkpoint,Config,SEED\na b.pt,c.toml,3\nd.pt,,\n",
    "no last line end": "checkpoint,config,seed\na b.pt,c.toml,3\nd.pt",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("sep_line", [False, True])
def test_one_table_however_a_spreadsheet_saved_it(name: str, sep_line: bool) -> None:
    text = ("sep=;\n" if sep_line else "") + TABLES[name]
    assert read_table(text, "m.csv", PlanError, column="checkpoint", expected="a table") == [
        Row(2 + sep_line, {"checkpoint": "a b.pt", "config": "c.toml", "seed": "3"}),
        Row(3 + sep_line, {"checkpoint": "d.pt"}),
    ]


def test_a_separator_in_a_cell_is_of_the_cell() -> None:
    text = 'checkpoint;name\n"a;b.pt";x,y\n'
    (row,) = read_table(text, "m.csv", PlanError, column="checkpoint", expected="a table")
    assert row.cells == {"checkpoint": "a;b.pt", "name": "x,y"}
    (row,) = read_table("checkpoint\na,b;c.pt\n", "m.csv", PlanError, column="checkpoint", expected="a table")
    assert row.problem == "'b;c.pt' stands under no column of the header"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column checkpoint"),
        ("\n\n", "no column checkpoint"),
        ("file;config\n", "no column checkpoint"),
        ("checkpoint,checkpoint\na,b\n", "two columns checkpoint"),
        ('checkpoint\n"a\n', "m.csv:2: "),
    ],
)
def test_what_is_no_table_is_one_line(text: str, said: str) -> None:
    with pytest.raises(PlanError, match="expected a table") as refused:
        read_table(text, "m.csv", PlanError, column="checkpoint", expected="a table")
    assert said in str(refused.value)
