"""One self-contained page: no request leaves it, no script but its own runs in it.

Every string is escaped by the template engine and made harmless first; a content security policy that names the hashes
of the page's own style and script refuses anything else. The page stays under ``SIZE_LIMIT`` bytes: what is cut is
counted on the page and is complete in the JSON and CSV reports.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from auditor.records import AuditReport, Exclusion, Illustration, Rates
from auditor.report import claims, wording
from auditor.report.engine import report_engine
from auditor.report.folded import folded
from auditor.report.heatmap import Picture, picture
from auditor.report.scores import PLOT_WIDTH, score_panels
from auditor.report.view import ReportView, provenance, view_of

SIZE_LIMIT = 2_000_000
"""Bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of the long lists a page shows; ``paths`` are characters of drawn attention."""

    rows: int
    fields: int
    panels: int
    paths: int


BUDGETS = (
    Budget(1000, 4000, 40, 400_000),
    Budget(300, 2000, 20, 200_000),
    Budget(100, 800, 10, 100_000),
    Budget(25, 200, 3, 40_000),
)
"""Tried in turn until the page is small enough."""


def render_html(report: AuditReport) -> str:
    """The report as one HTML page."""
    page, view = "", view_of(report)
    for budget in BUDGETS:
        page = _page(view, budget)
        if len(page.encode()) < SIZE_LIMIT:
            break
    return page


def _page(view: ReportView, budget: Budget) -> str:
    report, map_ = view.report, folded(view.matrix)
    style, script = (_source(name) for name in ("style.css", "script.js"))
    panels = score_panels(report)
    columns = map_.columns[: max(1, min(80, budget.fields // max(1, len(map_.rows))))]
    return (
        report_engine()
        .get_template("report.html.j2")
        .render(
            view=view,
            report=report,
            budget=budget,
            map=map_,
            matrix_columns=columns,
            matrix_rows=map_.rows[: budget.fields // max(1, len(columns))],
            panels=panels[: budget.panels],
            panels_left_out=len(panels[budget.panels :]),
            pictures=_pictures(report.illustrations, budget.paths),
            provenance=provenance(report),
            calibration_rows=_calibration_rows(report),
            excuses=_excuses(report.not_applicable),
            plot_width=PLOT_WIDTH,
            kinds=[kind for kind in claims.KINDS if any(kind in line.worst for line in view.lines)],
            finding_links=_links("finding", [finding.id for finding in view.findings[: budget.rows]]),
            twin_links=_links("twin", [variant.key for variant in report.variants[: budget.rows]]),
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _links(what: str, names: list[str]) -> dict[str, str]:
    """Links within the page; a name that is safe as it stands is part of its link, so that links can be shared."""
    return {
        name: f"#{what}-{name.replace('/', '-')}" if _PLAIN.fullmatch(name) else f"#{what}-at-{place}"
        for place, name in enumerate(names)
    }


_PLAIN = re.compile(r"[A-Za-z0-9_/-]{1,80}")


def _excuses(exclusions: Sequence[Exclusion]) -> list[tuple[str, list[str]]]:
    """Why something does not apply, and what; the reasons with most names first."""
    reasons: dict[str, list[str]] = {}
    for entry in exclusions:
        reasons.setdefault(entry.why, []).append(wording.plain(entry.label))
    return sorted(reasons.items(), key=lambda reason: -len(reason[1]))


def _calibration_rows(report: AuditReport) -> list[tuple[str, Rates]]:
    """Error rates over all cases, then by method and by effect size."""
    facts = report.audit.calibration
    if facts is None:
        return []
    groups = [pair for name in ("method", "effect_size") for pair in facts.by.get(name, {}).items()]
    return [("all that sampling decides", facts.rates), *groups]


def _pictures(illustrations: tuple[Illustration, ...], characters: int) -> tuple[Picture, ...]:
    drawn: list[Picture] = []
    for illustration in illustrations:
        one = picture(illustration)
        characters -= one.weight + 60 * len(one.tokens)
        if characters < 0:
            break
        drawn.append(one)
    return tuple(drawn)


def _source(name: str) -> str:
    return resources.files("auditor.report").joinpath("templates", name).read_text("utf-8")


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
