"""Files of strings: every format gives the same strings, and errors name the line."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path

import pytest

from auditor.errors import LanguageError
from auditor.strings.reading import LARGEST_BYTES, Line, lines_of_strings, open_strings, strings_of

SAME = {
    "a.csv": 'string,label,weight\n"(a a)",1,2\n\n(b a),0,0.5\n',
    "semicolons.csv": "sep=;\nweight; label; string\n2;1;(a a)\n;;\n0.5;0;(b a)\n",
    "a.TSV": "String\tLABEL\tweight\n(a a)\t1\t2\n\n(b a)\t0\t0.5\n",
    "a.jsonl": '{"string": "(a a)", "label": 1, "weight": 2}\n\n["(b a)", 0, 0.5]\n',
    "tokens.ndjson": '{"tokens": ["(a", "a)"], "label": 1, "weight": 2}\n\n["(b a)", 0, 0.5]',
    "a.json": '[ ["(a a)", 1, 2],\n\n {"string": "(b a)", "label": 0, "weight": 0.5}]\n',
}


def _written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", SAME)
def test_tables_and_json_hold_strings_with_labels_and_weights(tmp_path: Path, name: str) -> None:
    lines = lines_of_strings(open_strings(_written(tmp_path, name, SAME[name])))
    assert [(line.text, line.label, line.weight) for line in lines] == [("(a a)", 1, 2.0), ("(b a)", 0, 0.5)]
    first = {"semicolons.csv": 3, "a.json": 1}.get(name, 1 if "j" in name else 2)
    assert [line.number for line in lines] == [first, first + 2]


@pytest.mark.parametrize(
    "data", ["(a a)\n\n (b b) \n", "(a a)\r\n\r\n (b b) ", codecs.BOM_UTF8 + b"(a a)\n\n (b b) \n"]
)
def test_a_text_has_a_string_a_line_however_it_was_saved(tmp_path: Path, data: str | bytes) -> None:
    file = open_strings(_written(tmp_path, "a.txt", data))
    assert file.format == "text"
    assert [(line.number, line.text.strip()) for line in lines_of_strings(file)] == [(1, "(a a)"), (3, "(b b)")]


def test_labels_and_weights_are_optional(tmp_path: Path) -> None:
    for name, text in (("a.csv", "string\n()\n"), ("a.json", '["()"]'), ("a.jsonl", '"()"')):
        line = lines_of_strings(open_strings(_written(tmp_path, name, text)))[0]
        assert (line.text, line.label, line.weight) == ("()", None, 1.0)


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.txt", "()\n(())\n")
    file = open_strings(path)
    assert (file.sha256, file.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), 8)
    assert strings_of(["()", "(())"]) == file
    assert "data" not in file.to_json()


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("(a a) END\n(a (bb bb) a) END\n", "princeton"),
        ("START (a a) END\n\nEND\n", "princeton"),
        ("(a a) END\n(a a)\n", "text"),
        ("( ) END\n", "text"),
        ("(aa) END\n", "text"),
        ("(ab ab) END\n", "text"),
    ],
)
def test_strings_that_all_end_and_are_written_by_names_are_known(tmp_path: Path, text: str, format_name: str) -> None:
    assert open_strings(_written(tmp_path, "test.formal.txt", text)).format == format_name


def test_a_format_can_be_given(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.data", '"(a a)"\n')
    assert lines_of_strings(open_strings(path, "jsonl")) == [Line(1, "(a a)")]
    assert open_strings(_written(tmp_path, "b.txt", "(a a) END\n"), "text").format == "text"
    with pytest.raises(LanguageError, match="no format of strings 'xml'; expected auto, text"):
        open_strings(path, "xml")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "", "no strings; expected one at least"),
        ("a.csv", "text\n()\n", "no column string"),
        ("a.csv", "string,labels\n(),1\n", "line 2: a column 'labels'; expected string, label, weight"),
        ("a.csv", "string,label\n(),1\n,0\n", "line 3: no string"),
        ("a.csv", "string,label\n(),1\n(()),\n", "line 3: no label; expected one for each string, or for none"),
        ("a.csv", "string,label\n(),word\n", "line 2: label 'word'; expected a class: a whole number from 0"),
        ("a.csv", "string,label\n(),1.5\n", "line 2: label 1.5"),
        ("a.csv", "string,weight\n(),0\n", "line 2: weight 0; expected a number above 0"),
        ("a.csv", "string,weight\n(),nan\n", "line 2: weight nan"),
        ("a.csv", 'string\n"()\n', "CSV:2: "),
        ("a.jsonl", '"()"\n{"string": 3}\n', "line 2: {'string': 3}; expected"),
        ("a.jsonl", '"()"\n{"string": "()", "text": 1}\n', "line 2: "),
        ("a.jsonl", '"()" "()"\n', "line 1: '\"\\(\\)\"' behind a value"),
        ("a.jsonl", '"()"\n()\n', "line 2: not JSON"),
        ("a.jsonl", '["()", true]\n', "line 1: label True"),
        ("a.jsonl", '["()", 1, "much"]\n', "line 1: weight 'much'"),
        ("a.jsonl", "[" * 100_000 + "\n", "line 1: "),
        ("a.jsonl", '["()", ' + "1" * 5_000 + "]\n", "line 1: "),
        ("a.json", '{"()": 1}', "line 1: '{.*expected an array of"),
        ("a.json", '["()",\n"(())"\n"()"]', "line 3: .*expected a comma or ]"),
        ("a.json", '["()",\n', "line 2: not JSON"),
        ("a.json", '["()"', "line 1: ''; expected a comma"),
        ("a.json", '["()"]\n]', "line 2: .* behind the array"),
        ("a.json", '["()", ["a", 1, 1, 1]]', "line 1: "),
        ("a.json", "[]", "no strings"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(LanguageError, match=words) as refused:
        lines_of_strings(open_strings(_written(tmp_path, name, text)))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_line_that_is_not_of_the_format_of_princeton_is_named(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.txt", "(a a) END\n(a a)\n")
    with pytest.raises(LanguageError, match="line 2: '\\(a a\\)'; expected tokens such as"):
        lines_of_strings(open_strings(path, "princeton"))


def test_what_is_no_text_or_too_much_of_it_is_refused(tmp_path: Path) -> None:
    for data, words in (
        (b"()\n\xff\xfe\xfd", "a.txt: line 2 is not UTF-8 text"),
        (b"\0" * 9, "a.txt: not text"),
        (b"(" * (LARGEST_BYTES + 1), "more than 20,000,000 bytes"),
    ):
        with pytest.raises(LanguageError, match=words):
            open_strings(_written(tmp_path, "a.txt", data))
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(LanguageError, match="expected a file of strings"):
            open_strings(path)
