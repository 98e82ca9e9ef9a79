"""What is printed where: results on stdout, the rest on stderr, nothing that harms a terminal or a pipe."""

from __future__ import annotations

import json

import pytest

from cli.output import Output
from cli.progress import LINE_SECONDS, tracking

ESCAPE = "\x1b[31mred\x07\nsecond line\u202e"


def test_a_document_is_one_json_value_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    Output().document({"text": "Δ ≤ 1", "value": None})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"text": "Δ ≤ 1", "value": None}


def test_a_document_refuses_values_that_json_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Output().document({"value": float("nan")})
    assert capsys.readouterr().out == ""


def test_a_table_in_a_pipe_is_plain_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 60 + "end"
    Output().table(("name", "count>", "why"), [("a", 1, long), ("long name", 200, None)])
    header, first, second = capsys.readouterr().out.splitlines()
    assert long in first
    assert "\x1b" not in header + first + second
    assert header.index("count") + len("count") == first.index("1") + 1 == second.index("200") + 3
    assert second.endswith("–")


def test_colour_only_where_it_is_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    Output().table(("verdict",), [("unstable",)])
    assert "\x1b[1;31munstable" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    Output().table(("verdict",), [("unstable",)])
    assert "31m" not in capsys.readouterr().out


def test_foreign_text_can_neither_move_the_cursor_nor_break_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("name",), [(ESCAPE,)])
    Output().note(ESCAPE)
    Output().error(ESCAPE)
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert len(printed.err.splitlines()) == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(printed.out + printed.err)


def test_markup_in_foreign_text_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("name",), [("[red]x[/red] :smile:",)])
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_quiet_silences_notes_and_progress_but_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.note("note")
    with tracking(output) as track:
        track.move("work", 0.5, "half")
        track.end("work", "done")
    output.error("why")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "dyck-audit: why\n")


def test_progress_without_a_terminal_is_a_line_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 2.0, LINE_SECONDS, LINE_SECONDS + 1])
    monkeypatch.setattr("cli.progress.time.monotonic", lambda: next(clock))
    with tracking(Output()) as track:
        for share in (0.1, 0.2, 0.3, 0.4, 0.5):
            track.move("training", share, "steps")
        track.end("training", "done")
    assert capsys.readouterr().err.splitlines() == ["training: 40% steps", "training: done"]


def test_progress_on_a_terminal_ends_with_one_line_per_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with tracking(Output()) as track:
        track.move("a1", 0.5, "half [of] it")
        track.end("a1", "done: STABLE")
    captured = capsys.readouterr()
    assert "a1: done: STABLE" in captured.err
    assert captured.out == ""
