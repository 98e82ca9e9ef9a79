"""The page: self-contained, small, accessible, and deaf to hostile names."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from auditor.records import AuditReport, Exclusion
from auditor.report.heatmap import heatmap
from auditor.report.html import SIZE_LIMIT, render_html
from auditor.report.scores import score_panels
from auditor.report.story import bars_of
from auditor.report.view import view_of
from tests.auditor.report.hostile import hostile_report, large_report, with_failures, without_verdicts
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
    for said in ("UNSTABLE", "Method × equivalence", "Not certified", "Not applicable", "logits equal to 2e-15"):
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
        assert not {"src", "style", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
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


@pytest.mark.parametrize("size", [6, 60])
def test_page_stays_small_whatever_the_report_holds(size: int) -> None:
    findings = tuple(make_finding(id=f"f{index}", text="x" * 5000) for index in range(200 * size))
    sample = sample_report(findings=findings, name="n" * 2_000_000)
    report = dataclasses.replace(sample, illustrations=sample.illustrations * size, variants=sample.variants * size)
    page = render_html(report)
    assert len(page.encode()) < SIZE_LIMIT
    assert f"of {200 * size} findings" in page


@pytest.mark.parametrize("report", [hostile_report, large_report, without_verdicts, with_failures])
def test_pages_of_hard_reports_are_well_formed_small_and_lead_somewhere(report: Callable[[], AuditReport]) -> None:
    page = render_html(report())
    assert len(page.encode()) < SIZE_LIMIT
    parsed = outline(page)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {(attributes["href"] or "")[1:] for _, attributes in parsed.tags if "href" in attributes} <= {*ids}
    assert [tag for tag, _ in parsed.tags].count("script") == 1


def test_a_page_says_what_failed_and_leaves_its_fields_open() -> None:
    page = render_html(with_failures())
    assert "It finished with failures: 2 cells gave no result" in page
    assert "dyck-audit retry a7f3c2d1" in page
    assert re.search(r'<td class="why" title="missing: [^"]*">\?</td>', page)
    assert "· ? missing" in page


def test_a_large_page_says_what_it_leaves_out() -> None:
    page = render_html(large_report())
    assert "of 2000 findings; all of them are in the CSV and JSON reports" in page
    for what in ("claims", "pictures", "methods", "components"):
        assert re.search(rf"\d+ {what} more in the JSON report", page), what


def test_the_leading_finding_is_shown_with_both_models_side_by_side() -> None:
    first, second = stories = view_of(sample_report()).stories
    assert first.said == second.said == "OVERTURNED"
    assert [pair.name for pair in first.scores] == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert [pair.name for pair in first.scores if pair.claimed] == [first.finding.claim.component.label]
    shown = [(pair.original.text, pair.twin.text) for pair in first.scores if pair.original and pair.twin]
    assert shown[1] == ("0.134", "1.62")
    assert second.picture is not None
    assert second.picture.said.endswith("in the twin, on average.")
    assert second.answers is not None
    assert second.answers.said.startswith("END: original 0, twin 0.61; (b: original 0.41, twin 0.02")
    page = render_html(sample_report())
    for story in stories:
        assert f"dyck-audit witness {story.finding.id} --out witness" in page


def test_bars_of_one_scale_start_at_zero() -> None:
    """From −1 to 3: zero is a quarter of the way; a missing number has no bar."""
    low, high, none = bars_of([-1.0, 3.0, None])
    assert low is not None
    assert high is not None
    assert (low.x, low.width, high.x, high.width, none) == (0.0, 25.0, 25.0, 75.0, None)


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
    assert "in distribution, depth: KL ≤ 7.7e-4 at 3, decisions differ ≤ 0.0036 at 4" in page
    assert "longer, kind: KL ≤ 0.02 at word" in page
    assert "(a (b b) a): mean KL 0.135 nats, at most 1.91 at one output (position 3), 2 of 4 decisions differ" in page
    assert "noise 0.02" in page
