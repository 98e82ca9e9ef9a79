"""The page and the pictures of a kept document."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from markupsafe import escape

from auditor.reproduction.page import band, headline, ours, render_page
from auditor.reproduction.plots import FORMATS, PICTURES, drawn, pictures
from auditor.reproduction.results import Reproduction, Row

KEPT = Path(__file__).parents[2] / "data" / "reproductions"
NAMES = tuple(sorted(path.name for path in KEPT.glob("*.json")))


@cache
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
        assert escape(f"{row.quantity}: ours {ours(row)}, reference {band(row)}") in first_screen
    for row in found.rows:
        assert escape(row.quantity) in rest
        assert escape(row.source) in rest
    assert all(line.audit in rest for line in found.models)
    shown = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(shown) == len(list(pictures(found)))
    assert all(base64.b64decode(data).rstrip().endswith(b"</svg>") for data in shown)
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_a_picture_is_the_same_bytes_for_the_same_document() -> None:
    found = kept(NAMES[-1])
    what = "variation"
    for form, begins in zip(FORMATS, (b"<?xml", b"\x89PNG"), strict=True):
        once = drawn(found, what, form)
        assert once.startswith(begins)
        assert drawn(found, what, form) == once


def test_every_picture_is_drawn_of_some_kept_document() -> None:
    assert {what for name in NAMES for what in pictures(kept(name))} == set(PICTURES)


def test_a_number_at_the_edge_of_its_band_is_inside() -> None:
    row = Row("part", "quantity", "unit", 0.95, None, 3, (0.95, 0.999), "source")
    assert row.inside is True
    assert ours(row) == "0.95"
    assert ours(replace(row, ours=0.94996)) == "0.94996"
    assert replace(row, ours=0.9499).inside is False
    assert replace(row, ours=None).inside is None
    assert replace(row, band=None).inside is None


def test_foreign_text_is_harmless_on_the_page() -> None:
    found = kept(NAMES[0])
    bad = replace(found.rows[0], quantity="<script>alert(1)</script>\u202e")
    page = render_page(replace(_without_pictures(found), rows=(bad, *found.rows[1:])))
    assert "<script" not in page
    assert "\u202e" not in page


def _without_pictures(found: Reproduction) -> Reproduction:
    return replace(found, models=(), variations=(), heat_maps=None, correlations=(), twins=(), fall_rates=(), widths=())
