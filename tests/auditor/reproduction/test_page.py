"""The page and the pictures of a kept document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.reproduction.page import band, headline, ours, render_page
from auditor.reproduction.plots import FORMATS, PICTURES, drawn, pictures
from auditor.reproduction.results import Reproduction, Row

KEPT = Path(__file__).parents[2] / "data" / "reproductions"
NAMES = tuple(sorted(path.name for path in KEPT.glob("*.json")))


def kept(name: str) -> Reproduction:
    return Reproduction.from_json(json.loads((KEPT / name).read_text("utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_document_reads_as_it_was_written(name: str) -> None:
    found = kept(name)
    assert found.to_json() == json.loads((KEPT / name).read_text("utf-8"))
    assert found.rows
    assert found.models


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_row_and_says_first_what_is_outside(name: str) -> None:
    found = kept(name)
    page = render_page(found)
    first_screen, rest = page.split("</section>", maxsplit=1)
    assert headline(found).split(".")[0] in first_screen
    for row in found.outside:
        assert f"{row.quantity}: ours {ours(row)}, reference {band(row)}" in first_screen
    for row in found.rows:
        assert row.quantity in rest
        assert row.source in rest
    assert all(line.audit in rest for line in found.models)
    assert page.count("data:image/svg+xml;base64,") == len(list(pictures(found)))
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_the_same_bytes_for_the_same_document(name: str) -> None:
    found = kept(name)
    for what in pictures(found):
        for form in FORMATS:
            once = drawn(found, what, form)
            assert once.startswith(b"\x89PNG" if form == "png" else b"<?xml")
        assert drawn(found, what, "svg") == drawn(found, what, "svg")


def test_every_picture_is_drawn_of_some_kept_document() -> None:
    assert {what for name in NAMES for what in pictures(kept(name))} == set(PICTURES)


def test_a_number_at_the_edge_of_its_band_is_inside() -> None:
    row = Row("part", "quantity", "unit", 0.95, None, 3, (0.95, 0.999), "source")
    assert row.inside is True
    assert replace(row, ours=0.9499).inside is False
    assert replace(row, ours=None).inside is None
    assert replace(row, band=None).inside is None


def test_foreign_text_is_harmless_on_the_page() -> None:
    found = kept(NAMES[0])
    bad = replace(found.rows[0], quantity="<script>alert(1)</script>\u202e")
    page = render_page(replace(found, rows=(bad, *found.rows[1:])))
    assert "<script" not in page
    assert "\u202e" not in page
