"""The page: self-contained, small, accessible, and deaf to hostile names."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest

from auditor.records import Exclusion
from auditor.report.heatmap import heatmap
from auditor.report.html import SIZE_LIMIT, render_html
from auditor.report.scores import score_panels
from tests.auditor.report.samples import BIAS_SHIFT, make_finding, sample_illustrations, sample_report

HOSTILE = "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}\u202e\x1b[31m"
VOID = {"meta", "br", "wbr", "input"}


class Outline(HTMLParser):
    """Collects tags and attributes, and complains about tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    """The parsed page; every tag was closed."""
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


def test_page_shows_verdict_matrix_certificates_pictures_and_commands() -> None:
    page = render_html(sample_report())
    for said in ("UNSTABLE", "Stability matrix", "not certified", "not applicable", "logits equal to 2e-15"):
        assert said in page
    assert "undefined: every query attends to one position only" in page
    assert "total variation 0.882" in page
    assert "dyck-audit verify witness" in page
    assert len(page.encode()) < SIZE_LIMIT


def test_page_is_well_formed_accessible_and_asks_for_nothing() -> None:
    parsed = outline(render_html(sample_report()))
    names = [tag for tag, _ in parsed.tags]
    assert names.count("script") == names.count("style") == names.count("h1") == 1
    assert not {"link", "img", "iframe", "base", "object", "image", "use"} & set(names)
    for tag, attributes in parsed.tags:
        assert not {"src", "style", "href", "xlink:href"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        if tag == "th":
            assert "scope" in attributes
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_policy_admits_only_the_page_s_own_style_and_script() -> None:
    page = render_html(sample_report())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1].replace("&#39;", "'")
    for tag in ("style", "script"):
        body = page.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1].replace("&#43;", "+")


def test_hostile_names_are_text() -> None:
    honest = outline(render_html(sample_report(findings=(make_finding(),))))
    finding = make_finding(text=HOSTILE, equivalence=HOSTILE, id=HOSTILE, method=HOSTILE, reason=HOSTILE)
    report = sample_report(name=HOSTILE, findings=(finding,))
    illustrations = tuple(
        dataclasses.replace(one, variant=HOSTILE, tokens=(HOSTILE,) * len(one.tokens)) for one in sample_illustrations()
    )
    report = dataclasses.replace(
        report,
        illustrations=illustrations,
        audit=dataclasses.replace(report.audit, device=HOSTILE, id=HOSTILE, plan_settings={HOSTILE: HOSTILE}),
        behaviour=dataclasses.replace(report.behaviour, scored=HOSTILE, reason=HOSTILE),
        not_applicable=(Exclusion("method", HOSTILE, HOSTILE, HOSTILE),),
    )
    page = render_html(report)
    parsed = outline(page)
    known = {tag for tag, _ in honest.tags}
    assert {tag for tag, _ in parsed.tags} <= known
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{7*7}}" in page.replace("&#39;", "'")


def test_lone_surrogates_do_not_break_the_page() -> None:
    assert "\\udc80" in render_html(sample_report(name="caf\udc80")).encode().decode()


@pytest.mark.parametrize("size", [3, 60])
def test_page_stays_small_whatever_the_report_holds(size: int) -> None:
    findings = tuple(make_finding(id=f"f{index}", text="x" * 5000) for index in range(200 * size))
    sample = sample_report(findings=findings, name="n" * 2_000_000)
    report = dataclasses.replace(sample, illustrations=sample.illustrations * size, variants=sample.variants * size)
    page = render_html(report)
    assert len(page.encode()) < SIZE_LIMIT
    assert f"of {200 * size} findings" in page


def test_heatmap_merges_equal_neighbours_and_leaves_out_zero() -> None:
    """Row 0: one full square. Row 1: two halves, one path of width 2. Zero is not drawn."""
    drawn = heatmap([[1.0, 0.0], [0.5, 0.5]])
    assert [(shade.opacity, shade.path) for shade in drawn.shades] == [(0.5, "M0 1h2v1h-2z"), (1.0, "M0 0h1v1h-1z")]


def test_scores_of_a_relabelled_variant_are_shown_at_the_old_component() -> None:
    """Entries of variants are in the original's order: the permuted variant's scores are those of the original."""
    panel = next(panel for panel in score_panels(sample_report()) if panel.method == "ablation_head_mean")
    for row in panel.rows:
        permuted = [mark.x for mark in row.marks if "permutation" in mark.title]
        assert permuted == [row.x, row.x]


def test_scores_show_where_the_value_bias_shift_takes_zero_ablation() -> None:
    panel = next(panel for panel in score_panels(sample_report()) if panel.method == "ablation_head_zero")
    titles = [mark.title for row in panel.rows for mark in row.marks]
    assert f"L0H1 on {BIAS_SHIFT}/1: 1.62" in titles
    assert not any("uniform" in title for title in titles)  # not certified, not shown


def test_page_shows_where_a_twin_is_furthest_from_the_original() -> None:
    page = render_html(sample_report())
    assert "in distribution, depth: KL ≤ 7.7e-4 at 3, decisions differ ≤ 0.0036 at 4; longer, kind" in page
    assert "(a (b b) a): mean KL 0.135 nats, at most 1.91 at one output (position 3), 2 of 4 decisions differ" in page
    assert "noise 0.02" in page
